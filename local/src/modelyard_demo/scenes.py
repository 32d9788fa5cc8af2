"""The scenes of the demo in their order. Each may run again on a cluster where it ran before."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import time
from collections.abc import Sequence

from modelyard_local.errors import LocalError
from modelyard_local.paths import PROJECT

from .kube import manifest
from .story import Story
from .target import Target

SYSTEM, DEMO = "modelyard-system", "modelyard-demo"
GATEWAY, AUDIENCE = "modelyard-gateway", "modelyard.dev/inference"
# gRPC reaches a model by its host, NAME.NAMESPACE.DOMAIN.
DOMAIN = "models.example"
# ServiceAccount of demo/callers.yaml -> what it gets; "" is somebody without a token.
_EXPECTED = {"": 401, "stranger": 403, "caller": 200}
RIGHT_SECONDS = 15.0
SECRET = "modelyard-object-store"  # noqa: S105 - a name
# Recipe of the trainer -> name of the model that it makes.
PACKAGES = {
    "digits": "digits",
    "regression": "diabetes",
    "tabular": "breast-cancer",
    "digits-mlp": "digits-mlp",
    "digits-pictures": "digits-pictures",
    "digits-torchscript": "digits-torchscript",
    "digits-torch-export": "digits-torch-export",
    "bayes": "sections-bayes",
    "lstm": "sections-lstm",
    "encoder": "sections-encoder",
    "seq2seq": "numerals",
}
SHOWN = ("digits", "regression")
READY_SECONDS = 300.0
JOB_SECONDS = 600.0


def install(target: Target, story: Story) -> None:
    """Install or upgrade the chart."""
    story.heading("Install the chart")
    operator, server = target.images["operator"], target.images["model-server"]
    gateway = target.images["gateway"]
    registry = operator.rpartition("/modelyard/")[0]
    values = {
        "images.registry": registry,
        "images.operator.tag": operator.rpartition(":")[2],
        "images.modelServer.tag": server.rpartition(":")[2],
        "images.gateway.tag": gateway.rpartition(":")[2],
        "objectStore.endpoint": f"http://object-store.{DEMO}",
        "gateway.domain": DOMAIN,
        # A node with two cores has to hold everything, a language model included.
        "gateway.resources.requests.cpu": "20m",
        "gateway.envoy.resources.requests.cpu": "50m",
    }
    story.line("helm upgrade --install modelyard charts/modelyard --namespace modelyard-system --wait")
    settings = [f"--set-string={name}={value}" for name, value in values.items()]
    target.kube.helm(
        *("upgrade", "--install", "modelyard", str(PROJECT / "charts/modelyard"), "--namespace", SYSTEM),
        *("--create-namespace", "--wait", "--timeout", "5m", *settings),
    )
    story.good("operator and standby are running, and two gateways")


def store(target: Target, story: Story) -> None:
    """Run an S3-compatible store for the packages, with a password of its own."""
    story.heading("Start an S3-compatible object store")
    kube = target.kube
    documents = manifest("object-store.yaml", {"OBJECT_STORE_IMAGE": target.images["object-store"]})
    kube.run("apply", "-f", "-", given=documents.partition("---")[0])
    if not kube.succeeds("get", "secret", SECRET, "-n", DEMO):
        keys = {"AWS_ACCESS_KEY_ID": "modelyard", "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(24)}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": DEMO}, "data": data}
        kube.run("create", "-f", "-", given=json.dumps(secret))
    kube.run("apply", "-f", "-", given=documents)
    kube.run("rollout", "status", "deployment/object-store", "-n", DEMO, "--timeout=180s")
    story.good(f"http://object-store.{DEMO}")


def train(target: Target, story: Story, recipes: Sequence[str] = SHOWN) -> None:
    """Train models in the cluster and publish their packages."""
    story.heading("Train on real data, evaluate on held-out data, publish")
    for recipe in recipes:
        values = {"RECIPE": recipe, "MODEL": PACKAGES[recipe], "TRAINER_IMAGE": target.images["trainer"]}
        _start_job(target, f"train-{recipe}", manifest("train.yaml", values))
    for recipe in recipes:
        _finish_job(target, story, f"train-{recipe}")


def deploy(target: Target, story: Story) -> None:
    """Apply the ModelDeployments and tell their status as it changes."""
    story.heading("Apply six lines of YAML")
    gpus = target.gpus()
    documents = manifest("models.yaml", {"GPU": "gpu: {count: 1}" if gpus else "replicas: 1"})
    for line in documents.partition("---")[0].strip().splitlines()[1:]:
        story.line(f"  {line}")
    if not gpus:
        story.line("no node advertises nvidia.com/gpu, so the model is asked for without one")
    story.line("kubectl apply")
    target.kube.run("apply", "-f", "-", given=documents)
    for recipe in SHOWN:
        story.follow(target.kube, DEMO, PACKAGES[recipe], READY_SECONDS)
    if gpus:
        _show_gpu(target, story)


def _show_gpu(target: Target, story: Story) -> None:
    pods = target.kube.get("pods", "-n", DEMO, "-l", "modelyard.dev/model=digits")["items"]
    for pod in pods:
        limits = pod["spec"]["containers"][0]["resources"].get("limits", {})
        story.good(
            f"pod {pod['metadata']['name']} on node {pod['spec']['nodeName']} holds "
            f"{limits.get('nvidia.com/gpu', 0)} nvidia.com/gpu"
        )
    if target.local:
        story.line("(the local node only advertises its GPUs: the scheduler counts them, the model computes on CPU)")


def predict(target: Target, story: Story) -> None:
    """Send held-out data through the gateway, as a ServiceAccount that may, and judge the answers."""
    story.heading("Predict held-out data through the gateway, with a ServiceAccount's token")
    for recipe in SHOWN:
        values = {"RECIPE": recipe, "MODEL": PACKAGES[recipe], "TRAINER_IMAGE": target.images["trainer"]}
        _start_job(target, f"evaluate-{recipe}", manifest("evaluate.yaml", values))
        _finish_job(target, story, f"evaluate-{recipe}")


def call(target: Target, story: Story) -> None:
    """A call as anybody makes it: without a token, as somebody who may not, and as somebody who may."""
    story.heading("Who may ask a model is a matter of Kubernetes RBAC")
    kube, path = target.kube, f"/{DEMO}/digits/v2/models/digits"
    kube.run("apply", "-f", "-", given=manifest("callers.yaml", {}))
    with kube.forward(SYSTEM, f"service/{GATEWAY}", 80) as port:
        for who, expected in _EXPECTED.items():
            given = f' -H "Authorization: Bearer $(kubectl create token {who} …)"' if who else ""
            story.line(f"$ curl{given} {path}")
            status, said = _expected_answer(target, port, path, who)
            if status != expected:
                raise LocalError(f"the gateway answered {status} instead of {expected}: {said}")
            (story.good if status == 200 else story.line)(f"{status} {said[:160]}")
        _call_with_key(target, story, port, path)


def _call_with_key(target: Target, story: Story, port: int, path: str) -> None:
    """As somebody whom the cluster does not know, with a key that the operator made."""
    kube = target.kube
    kube.run("wait", "--for=condition=Ready", "inferencekey/outside", "-n", DEMO, "--timeout=60s")
    data = kube.get("secret", "outside-inference-key", "-n", DEMO)["data"]
    key = base64.b64decode(data["api-key"]).decode()
    story.line(f'$ curl -H "Authorization: Bearer {key[:8]}…" {path}    # an InferenceKey: 60 requests a minute')
    deadline = time.monotonic() + RIGHT_SECONDS
    while (answer := _answer(port, path, key))[0] != 200:
        if time.monotonic() > deadline:
            raise LocalError(f"the gateway answered {answer[0]} to a key: {answer[1]}")
        time.sleep(0.5)
    story.good(f"{answer[0]} {answer[1][:160]}")


def _expected_answer(target: Target, port: int, path: str, who: str) -> tuple[int, str]:
    """The API server knows a right a moment after it was given."""
    deadline = time.monotonic() + RIGHT_SECONDS
    while True:
        status, said = _answer(port, path, _token(target, who) if who else "")
        if status == _EXPECTED[who] or time.monotonic() > deadline:
            return status, said
        time.sleep(0.5)


def _token(target: Target, who: str) -> str:
    return target.kube.run("create", "token", who, "-n", DEMO, f"--audience={AUDIENCE}").strip()


def _answer(port: int, path: str, token: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise LocalError(f"the gateway does not answer at the forwarded port {port}: {error}") from error
    finally:
        connection.close()


def finish(target: Target, story: Story) -> None:
    """Show what there is now, and what to try next."""
    story.heading("What there is now")
    print(flush=True)
    target.kube.show("get", "mdep", "-n", DEMO, "-o", "wide")
    export = 'eval "$(make -s env)"        # kubectl, helm and KUBECONFIG of this cluster\n   ' if target.local else ""
    print(
        f"""
Try next:
   {export}kubectl describe mdep digits -n {DEMO}
   kubectl port-forward -n {SYSTEM} service/{GATEWAY} 8000:80 &
   curl -H "Authorization: Bearer $(kubectl create token caller -n {DEMO} --audience={AUDIENCE})" \\
     localhost:8000/{DEMO}/digits/v2/models/digits
   kubectl logs -n {SYSTEM} deployment/{GATEWAY} -c envoy     # who asked what, and how it ended
   kubectl scale mdep digits -n {DEMO} --replicas=5          # more GPUs than there are: read STATUS
   kubectl patch mdep digits -n {DEMO} --type=merge -p '{{"spec": {{"model": {{"uri": "s3://models/digts/1"}}}}}}'
   kubectl get mdep -n {DEMO} -w                             # a typo, told; the old revision goes on serving
   make cluster-down                                        # remove everything
Docs: docs/README.md
"""
    )


def _start_job(target: Target, name: str, documents: str) -> None:
    target.kube.run("delete", "job", name, "-n", DEMO, "--ignore-not-found", "--wait")
    target.kube.run("apply", "-f", "-", given=documents)


def _finish_job(target: Target, story: Story, name: str) -> None:
    """Show the log of a Job as it grows; an error when the Job fails."""
    story.line(f"{story.elapsed()} kubectl logs --follow job/{name}")
    deadline = time.monotonic() + JOB_SECONDS
    while not _has_started(target, name):
        if time.monotonic() > deadline:
            raise LocalError(f"job {name} has no running pod: kubectl describe job {name} -n {DEMO}")
        time.sleep(0.3)
    target.kube.show("logs", "--follow", f"job/{name}", "-n", DEMO)
    while time.monotonic() < deadline:
        status = target.kube.get("job", name, "-n", DEMO).get("status", {})
        if status.get("succeeded"):
            return
        if status.get("failed"):
            raise LocalError(f"job {name} failed; its log is above: kubectl logs job/{name} -n {DEMO}")
        time.sleep(0.3)
    raise LocalError(f"job {name} did not end within {JOB_SECONDS:.0f} s")


def _has_started(target: Target, name: str) -> bool:
    pods = target.kube.get("pods", "-n", DEMO, "-l", f"batch.kubernetes.io/job-name={name}")["items"]
    return any(pod["status"].get("phase") in ("Running", "Succeeded", "Failed") for pod in pods)
