"""What the API server itself refuses, in words that a person can act on, and what it must let through."""

import json
from typing import Any

import pytest
import yaml

from chart.rendering import PROJECT
from integration.running import MODELS, Cluster, Object, model
from modelyard_operator.crd_rules import RULES

pytestmark = pytest.mark.integration

COLLECTIONS = {
    "ModelDeployment": MODELS.format("default"),
    "ModelRuntime": "/apis/modelyard.dev/v1alpha1/modelruntimes",
    "AcceleratorProfile": "/apis/modelyard.dev/v1alpha1/acceleratorprofiles",
    "InferenceKey": "/apis/modelyard.dev/v1alpha1/namespaces/default/inferencekeys",
}
DIGEST = "sha256:" + "a" * 64
URI = "model.uri must be s3://bucket/path, pvc://claim/path or https://host/path"
NAME = "metadata.name must begin with a letter, hold only a-z, 0-9 and '-', and be at most 50 characters long"
DEADLINE = "rollout.progressDeadline must be longer than server.loadTimeout (10m unless set)"
DEVICES = "ask for GPUs and other devices in spec.gpu (gpu.count, gpu.resourceName)"
PROFILE = "gpu.profile already says what kind of GPU: give either the profile or the other fields; beside it only"
WHOLE = "gpu.resourceName is the whole name of an extended resource: leave out gpu.mig, gpu.shares and what is for DRA"
NVIDIA = "gpu.mig and gpu.shares are NVIDIA's: for another vendor use gpu.resourceName"
MIG = "gpu.mig already says how much memory a slice has: leave out gpu.product and gpu.memory"
SHARES = "gpu.shares counts parts of one GPU: leave out gpu.count"
CLAIM = "can only be asked for by a claim: set gpu.allocation to DRA or Auto"
NO_CLAIM = "a claim (DRA) knows neither gpu.resourceName nor gpu.shares"
DEVICES_LIMIT = "a claim (DRA) holds at most 32 devices: lower gpu.count"
ALTERNATIVES = "each of gpu.alternatives says product, memory, mig, selectors and deviceClassName for itself"
ONE_MIG = "mig already says how much memory a slice has: leave out product and memory"
TEMPLATE = "gpu.resourceClaimTemplateName names a template that says everything: beside it only gpu.count"
PROFILE_MIG = "mig and shares are NVIDIA's: for another vendor use resourceName"
PROFILE_WHOLE = "resourceName is the whole name of an extended resource: leave out mig, shares and deviceClassName"
PROFILE_CLAIM = "a claim (DRA) knows no shares: leave out shares or deviceClassName"
RESOURCE = "cannot go with gpu.resourceName: use scheduling.nodeSelector beside it"
VENDOR = "for another vendor use scheduling.nodeSelector"
PROFILE_VENDOR = "product and memory are read from NVIDIA's node labels: for another vendor use nodeSelector"


def source(**fields: Any) -> Object:
    """A spec with fields of `model` laid over the shortest one."""
    return {"model": {"uri": "s3://models/digits/1", **fields}}


def runtime(**spec: Any) -> Object:
    """The shortest ModelRuntime, with fields of spec laid over it."""
    body = {"image": "registry.example/server:1", "formats": [{"name": "onnx"}], **spec}
    return {
        "apiVersion": "modelyard.dev/v1alpha1",
        "kind": "ModelRuntime",
        "metadata": {"name": "other"},
        "spec": {key: value for key, value in body.items() if value is not None},
    }


def profile(**spec: Any) -> Object:
    """An AcceleratorProfile."""
    head = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "AcceleratorProfile", "metadata": {"name": "other"}}
    return {**head, "spec": spec}


def key(**spec: Any) -> Object:
    """An InferenceKey."""
    head = {"apiVersion": "modelyard.dev/v1alpha1", "kind": "InferenceKey", "metadata": {"name": "other"}}
    return {**head, "spec": spec}


def asked(shared: Cluster, document: Object) -> tuple[int, str]:
    """Status and message when the server is asked as kubectl does it, but not told, to store an object."""
    path = COLLECTIONS[document["kind"]] + "?dryRun=All&fieldValidation=Strict"
    status, answer = shared.plane.client()._send("POST", path, json.dumps(document).encode())
    return status, json.loads(answer).get("message", "")


ADDRESSES: list[tuple[Object, str]] = [
    ({"uri": "gs://bucket/digits"}, URI),
    ({"uri": "http://host/digits.tgz"}, URI),
    ({"uri": "s3://bucket"}, URI),
    ({"uri": "s3:///digits/1"}, URI),
    ({"uri": "https://user:word@host/digits.tar.gz"}, "model.uri must not hold a user or a password"),
    ({"uri": "pvc://claim/"}, URI),
    ({"uri": "models/digits/1"}, URI),
    ({"uri": "s3://b/" + "x" * 2048}, "spec.model.uri: Too long: may not be more than 2048 bytes"),
    ({"uri": None}, "spec.model.uri: Required value"),
    ({"digest": "sha256:abc"}, "spec.model.digest in body should match '^sha256:[0-9a-f]{64}$'"),
    ({"digest": "a" * 64}, "spec.model.digest in body should match"),
    (
        {"unsafeFormats": "Maybe"},
        'spec.model.unsafeFormats: Unsupported value: "Maybe": supported values: "Allow", "Deny"',
    ),
    ({"format": "ONNX"}, "spec.model.format in body should match"),
    ({"credentials": "My_Secret"}, "spec.model.credentials in body should match"),
    ({"url": "s3://models/digits/1"}, 'unknown field "spec.model.url"'),
]
SPECS: list[tuple[Object, str]] = [
    ({"replicas": -1}, "spec.replicas in body should be greater than or equal to 0"),
    ({"replicas": 1001}, "spec.replicas in body should be less than or equal to 1000"),
    ({"replicas": "two"}, 'spec.replicas: Invalid value: "string"'),
    ({"replica": 2}, 'unknown field "spec.replica"'),
    ({"runtime": "vLLM"}, "spec.runtime in body should match"),
    ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, DEVICES),
    ({"resources": {"requests": {"amd.com/gpu": "1"}}}, DEVICES),
    ({"resources": {"limits": {"memory": "1 GB"}}}, "spec.resources.limits.memory in body should match"),
    ({"resources": {"limits": {"memory": "1GB"}}}, "spec.resources.limits.memory in body should match"),
    ({"resources": {"limits": {"memory": True}}}, "spec.resources.limits.memory"),
    ({"gpu": {"count": 0}}, "spec.gpu.count in body should be greater than or equal to 1"),
    ({"gpu": {"count": 65}}, "spec.gpu.count in body should be less than or equal to 64"),
    ({"gpu": {"vendor": "nvidea"}}, 'spec.gpu.vendor: Unsupported value: "nvidea"'),
    ({"gpu": {"profile": "h100", "product": ["H100"]}}, PROFILE),
    ({"gpu": {"profile": "h100", "memory": "40Gi"}}, PROFILE),
    ({"gpu": {"profile": "h100", "resourceName": "nvidia.com/gpu"}}, PROFILE),
    ({"gpu": {"profile": "h100", "vendor": "nvidia"}}, PROFILE),
    ({"gpu": {"resourceName": "nvidia.com/mig-3g.40gb", "memory": "40Gi"}}, RESOURCE),
    ({"gpu": {"resourceName": "nvidia.com/mig-3g.40gb", "product": ["H100"]}}, RESOURCE),
    ({"gpu": {"resourceName": "gpu"}}, "spec.gpu.resourceName in body should match"),
    ({"gpu": {"vendor": "amd", "product": ["MI300X"]}}, VENDOR),
    ({"gpu": {"vendor": "intel", "memory": "40Gi"}}, VENDOR),
    ({"gpu": {"profile": "h100", "mig": "3g.40gb"}}, PROFILE),
    ({"gpu": {"profile": "h100", "shares": 1}}, PROFILE),
    ({"gpu": {"profile": "h100", "selectors": ["true"]}}, PROFILE),
    ({"gpu": {"resourceName": "example.org/npu", "mig": "3g.40gb"}}, WHOLE),
    ({"gpu": {"resourceName": "example.org/npu", "shares": 1}}, WHOLE),
    ({"gpu": {"resourceName": "example.org/npu", "deviceClassName": "npu"}}, WHOLE),
    ({"gpu": {"vendor": "amd", "mig": "3g.40gb"}}, NVIDIA),
    ({"gpu": {"vendor": "google", "shares": 1}}, NVIDIA),
    ({"gpu": {"mig": "3g.40gb", "memory": "20Gi"}}, MIG),
    ({"gpu": {"mig": "3g.40gb", "product": ["H100"]}}, MIG),
    ({"gpu": {"mig": "half"}}, "spec.gpu.mig in body should match"),
    ({"gpu": {"shares": 1, "count": 2}}, SHARES),
    ({"gpu": {"allocation": "ExtendedResource", "deviceClassName": "gpu.nvidia.com"}}, CLAIM),
    ({"gpu": {"allocation": "ExtendedResource", "alternatives": [{}]}}, CLAIM),
    ({"gpu": {"allocation": "DRA", "resourceName": "example.org/npu"}}, NO_CLAIM),
    ({"gpu": {"allocation": "DRA", "shares": 1}}, NO_CLAIM),
    ({"gpu": {"selectors": ["true"], "shares": 1}}, NO_CLAIM),
    ({"gpu": {"allocation": "Both"}}, 'spec.gpu.allocation: Unsupported value: "Both"'),
    ({"gpu": {"allocation": "DRA", "count": 33}}, DEVICES_LIMIT),
    ({"gpu": {"alternatives": [{}], "memory": "40Gi"}}, ALTERNATIVES),
    ({"gpu": {"alternatives": [{}], "deviceClassName": "gpu.nvidia.com"}}, ALTERNATIVES),
    ({"gpu": {"alternatives": [{"mig": "3g.40gb", "memory": "40Gi"}]}}, ONE_MIG),
    ({"gpu": {"alternatives": [{}] * 9}}, "spec.gpu.alternatives: Too many: 9: must have at most 8 items"),
    ({"gpu": {"resourceClaimTemplateName": "mine", "product": ["H100"]}}, TEMPLATE),
    ({"gpu": {"resourceClaimTemplateName": "mine", "alternatives": [{}]}}, TEMPLATE),
    ({"gpu": {"product": [""]}}, "spec.gpu.product[0] in body should be at least 1 chars long"),
    ({"rollout": {"strategy": "BlueGreen"}}, 'spec.rollout.strategy: Unsupported value: "BlueGreen"'),
    ({"rollout": {"revisionHistoryLimit": 51}}, "spec.rollout.revisionHistoryLimit in body should be less than or"),
    ({"rollout": {"revisionHistoryLimit": -1}}, "spec.rollout.revisionHistoryLimit in body should be greater than or"),
    ({"rollout": {"progressDeadline": "10m"}}, DEADLINE),
    ({"rollout": {"progressDeadline": "599s"}}, DEADLINE),
    ({"rollout": {"progressDeadline": "10m"}, "server": {"drainTimeout": "5s"}}, DEADLINE),
    ({"rollout": {"progressDeadline": "30m"}, "server": {"loadTimeout": "1h"}}, DEADLINE),
    ({"server": {"loadTimeout": "0s"}}, "server.loadTimeout must be at least 1s"),
    ({"server": {"loadTimeout": "9999999999999999h"}}, "spec.server.loadTimeout in body should match"),
    ({"gpu": {"memory": -1}}, "spec.gpu.memory in body should be greater than or equal to 0"),
    ({"resources": {"limits": {"memory": "-1Gi"}}}, "spec.resources.limits.memory in body should match"),
    ({"resources": {"limits": {"example.org/fpga": 1}}}, "ask for GPUs and other devices in spec.gpu"),
    ({"rollout": {"progressDeadline": "soon"}}, "spec.rollout.progressDeadline in body should match"),
    ({"server": {"loadTimeout": "10"}}, "spec.server.loadTimeout in body should match"),
    ({"server": {"drainTimeout": "-5s"}}, "spec.server.drainTimeout in body should match"),
    ({"server": {"queue": {"timeout": "1d"}}}, "spec.server.queue.timeout in body should match"),
    ({"server": {"queue": {"maxRows": 0}}}, "spec.server.queue.maxRows in body should be greater than or equal to 1"),
    ({"server": {"batching": {"maxRows": 65537}}}, "spec.server.batching.maxRows in body should be less than or equal"),
    ({"server": {"env": [{"name": "1ST"}]}}, "spec.server.env[0].name in body should match"),
    ({"server": {"env": [{"name": "A", "valueFrom": {}}]}}, 'unknown field "spec.server.env[0].valueFrom"'),
    ({"scheduling": {"queueName": "team.queue"}}, "spec.scheduling.queueName in body should match"),
    ({"scheduling": {"tolerations": [{"effect": "Never"}]}}, 'tolerations[0].effect: Unsupported value: "Never"'),
    ({"scheduling": {"topologySpread": [{"maxSkew": 1}]}}, "topologySpread[0].topologyKey: Required value"),
    ({"scheduling": {"nodeSelector": {"pool": "x" * 64}}}, "spec.scheduling.nodeSelector.pool: Too long"),
    ({"podTemplate": []}, 'spec.podTemplate: Invalid value: "array"'),
]
NAMES = ["a" * 51, "digits.v2", "2digits", "digits-"]
CATALOG = [
    (runtime(image=""), "spec.image in body should be at least 1 chars long"),
    (runtime(image=None), "spec.image: Required value"),
    (runtime(formats=[]), "spec.formats in body should have at least 1 items"),
    (runtime(formats=[{"name": "onnx", "priority": 1001}]), "spec.formats[0].priority in body should be less than or"),
    (runtime(port=65536), "spec.port in body should be less than or equal to 65535"),
    (runtime(port=8080, grpcPort=8080), "grpcPort must be another port than port"),
    (runtime(probes={"startupPath": "health"}), "spec.probes.startupPath in body should match '^/'"),
    (profile(vendor="amd", product=["MI300X"]), PROFILE_VENDOR),
    (profile(vendor="intel", memory="16Gi"), PROFILE_VENDOR),
    (profile(vendor="amd", mig="3g.40gb"), PROFILE_MIG),
    (profile(mig="3g.40gb", memory="20Gi"), ONE_MIG),
    (profile(mig="3g.40gb", resourceName="example.org/npu"), PROFILE_WHOLE),
    (profile(deviceClassName="gpu.nvidia.com", resourceName="example.org/npu"), PROFILE_WHOLE),
    (profile(deviceClassName="gpu.nvidia.com", shares=1), PROFILE_CLAIM),
    (profile(vendor="nvidea"), 'spec.vendor: Unsupported value: "nvidea"'),
    (profile(pricePerHour="cheap"), "spec.pricePerHour in body should match"),
    (profile(memory="80 GB"), "spec.memory in body should match"),
]
REFUSED = [
    *((model("default", **source(**fields)), words) for fields, words in ADDRESSES),
    *((model("default", **spec), words) for spec, words in SPECS),
    *((model("default", name), "metadata.name" if name == "digits-" else NAME) for name in NAMES),
    *CATALOG,
    (key(rateLimit={}), "rateLimit must say requestsPerMinute, tokensPerMinute or both; leave it out for no limit"),
    (
        key(rotation={"overlap": "2161h"}),
        "rotation.overlap must be at most 2160h (90 days): a key that was replaced is to end",
    ),
    (model("default") | {"spec": {"replicas": 1}}, "spec.model: Required value"),
    ({key: value for key, value in model("default").items() if key != "spec"}, "spec: Required value"),
]
ACCEPTED = [
    key(),
    key(rateLimit={"requestsPerMinute": 1}, rotation={"overlap": "2160h"}),
    model("default", "a"),
    model("default", "a" * 50),
    model("default", "digits-2"),
    model("default", **source(uri="s3://bucket/digits/1/")),
    model("default", **source(uri="https://host:8443/digits.tar.gz", credentials="my.secret")),
    model("default", **source(uri="pvc://claim/a/b", format="onnx", digest=DIGEST, unsafeFormats="Allow")),
    model("default", replicas=0),
    model("default", replicas=1000),
    model("default", resources={"requests": {"cpu": 2, "memory": "1.5Gi"}, "limits": {"hugepages-2Mi": "4Mi"}}),
    model("default", gpu={}),
    model("default", gpu={"count": 8, "profile": "h100"}),
    model("default", gpu={"vendor": "amd"}),
    model("default", gpu={"vendor": "nvidia", "product": ["H100", "A100"], "memory": "40G"}),
    model("default", gpu={"vendor": "nvidia", "resourceName": "nvidia.com/mig-3g.40gb"}),
    model("default", gpu={"mig": "3g.40gb", "count": 2, "allocation": "DRA"}),
    model("default", gpu={"mig": "1g.10gb.me", "shares": 1}),
    model("default", gpu={"count": 8, "profile": "h100", "allocation": "DRA"}),
    model("default", gpu={"vendor": "amd", "product": ["MI300X"], "allocation": "DRA"}),
    model("default", gpu={"vendor": "intel", "memory": "16Gi", "selectors": ["device.driver == 'gpu.intel.com'"]}),
    model("default", gpu={"count": 8, "resourceClaimTemplateName": "mine"}),
    model("default", gpu={"alternatives": [{"product": ["H100"], "memory": "70Gi"}, {"mig": "3g.40gb"}] * 4}),
    model("default", rollout={"strategy": "Borrow", "paused": True, "revisionHistoryLimit": 0}),
    model("default", rollout={}),
    model("default", rollout={"progressDeadline": "10m1s"}),
    model("default", rollout={"progressDeadline": "1.5h"}, server={"loadTimeout": "1h29m"}),
    model("default", rollout={"progressDeadline": "2m"}, server={"loadTimeout": "90s"}),
    model("default", server={"batching": {"maxRows": 1, "maxDelay": "2.5ms"}, "args": ["--verbose"]}),
    model("default", scheduling={"tolerations": [{"operator": "Exists"}], "topologySpread": [{"topologyKey": "zone"}]}),
    model("default", podTemplate={"spec": {"whatever": [{"a": None}]}, "metadata": {}}),
    runtime(),
    runtime(formats=[{"name": "package", "priority": 1000}], port=1, gpuRequired=True),
    profile(),
    profile(vendor="amd", nodeSelector={"amd.com/gpu.product-name": "MI300X"}),
    profile(vendor="amd", product=[]),
    profile(vendor="amd", product=["MI300X"], deviceClassName="gpu.amd.com"),
    profile(mig="3g.40gb", shares=4),
    profile(product=["H100"], memory="80G", pricePerHour="4.20"),
]


@pytest.mark.parametrize(("document", "words"), REFUSED, ids=[words[:60] for _, words in REFUSED])
def test_what_is_wrong_is_refused_with_what_to_do(shared: Cluster, document: Object, words: str) -> None:
    status, message = asked(shared, document)
    assert status >= 400, "accepted"
    assert words in message


@pytest.mark.parametrize("document", ACCEPTED, ids=lambda one: f"{one['kind']} {yaml.safe_dump(one['spec'])[:60]}")
def test_what_is_right_is_accepted(shared: Cluster, document: Object) -> None:
    status, message = asked(shared, document)
    assert status == 201, message


def test_every_rule_is_in_the_table() -> None:
    told = "\n".join(words for _, words in REFUSED)
    rules = [rule for rules in RULES.values() for rule in rules]
    assert [rule.message for rule in rules if not any(line in rule.message for line in told.split("\n"))] == []


def test_the_samples_are_accepted_as_a_folder(shared: Cluster) -> None:
    folder = PROJECT / "manifests" / "samples"
    done = shared.kubectl("apply", "--dry-run=server", "-R", "-f", str(folder))
    assert len(done.stdout.splitlines()) == len(list(folder.rglob("*.yaml")))
    assert done.stderr == ""


def test_a_model_that_exists_cannot_be_changed_to_a_wrong_one(shared: Cluster, namespace: str) -> None:
    shared.apply(model(namespace))
    patch = '{"spec": {"model": {"uri": "gs://bucket/digits"}}}'
    done = shared.kubectl("patch", "mdep/digits", "-n", namespace, "--type=merge", "-p", patch, check=False)
    assert URI in done.stderr
    done = shared.kubectl("scale", "mdep/digits", "-n", namespace, "--replicas=1001", check=False)
    assert "should be less than or equal to 1000" in done.stderr


def test_what_the_schema_fills_in_is_what_the_documentation_says(shared: Cluster, namespace: str) -> None:
    shared.apply(model(namespace, server={}, gpu={}))
    spec = shared.model(namespace)["spec"]
    assert spec["replicas"] == 1
    assert spec["model"]["unsafeFormats"] == "Deny"
    assert spec["server"] == {"loadTimeout": "10m", "drainTimeout": "30s"}
    assert spec["gpu"] == {"count": 1, "allocation": "Auto"}
