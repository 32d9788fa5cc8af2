"""Where it is measured: Envoys that answer at once as pods, Envoy alone before them, and the gateway."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.gateway.envoy_binary import envoy_binary
from integration.gateway.netns import Network
from integration.gateway.standing import PODS, Gateway, account, install, serving, standing
from integration.running import MODELS, Cluster, cluster, eventually
from modelyard_local.components import UNBOUND

TEAM = "bench"
ALONE = 8001
ANSWER = json.dumps({"model_name": "digits", "outputs": [{"name": "label", "datatype": "INT64", "data": [7] * 40}]})
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
_TYPE = "type.googleapis.com/envoy.extensions.filters"
_BUFFER = {"@type": f"{_TYPE}.http.buffer.v3.Buffer", "max_request_bytes": 1 << 20}


@dataclass
class Scene:
    """Everything runs."""

    shared: Cluster
    gateway: Gateway
    token: str

    @property
    def network(self) -> Network:
        """Where the addresses are."""
        return self.gateway.network

    def tokens(self, count: int) -> list[str]:
        """Tokens that nobody has shown yet, each of a ServiceAccount of its own."""
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda number: account(self.shared, TEAM, f"new-{number}", "digits"), range(count)))

    def fill(self, present: int, count: int) -> None:
        """Have so many models more than are present, each with a pod."""
        client = self.shared.plane.client

        def make(number: int) -> None:
            model, pods = serving(TEAM, f"other-{number}", [PODS[2]])
            client().request("POST", MODELS.format(TEAM), model)
            client().request("POST", SLICES.format(TEAM), pods)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(make, range(present, count)))
        eventually(lambda: self.gateway.metric("modelyard_gateway_models") >= count, 300)
        eventually(lambda: self.ask(f"/{TEAM}/other-{count - 1}/v2") == 200, 300)

    def move(self, address: str) -> None:
        """Have the model's pod at another address."""
        self.shared.plane.client().merge(
            f"{SLICES.format(TEAM)}/digits-x", {"endpoints": [{"addresses": [address], "conditions": {"ready": True}}]}
        )

    def ask(self, path: str) -> int:
        """Ask the gateway."""
        return self.gateway.ask(path, self.token).status


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Make it, and end it all."""
    with ExitStack() as stack:
        shared = stack.enter_context(cluster(folder, rate=UNBOUND))
        shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
        shared.apply(*serving(TEAM, "digits", [PODS[0]]))
        place = folder / "gateway"
        place.mkdir()
        gateway = stack.enter_context(standing(install(shared), place, envoy_binary(), envoy_threads="1"))
        for number, address in enumerate(PODS):
            document = _listener(address, 8080, [_direct(f"pod-{number}")], waits=True)
            stack.enter_context(_envoy(gateway.network, folder, f"pod-{number}", document, []))
        to_pod = {"name": "pod", "connect_timeout": "1s", "load_assignment": _assignment(PODS[0])}
        way = {"match": {"prefix": "/"}, "route": {"cluster": "pod", "timeout": "0s"}}
        alone = _listener("127.0.0.1", ALONE, [way], waits=False)
        stack.enter_context(_envoy(gateway.network, folder, "alone", alone, [to_pod]))
        found = Scene(shared, gateway, account(shared, TEAM, "client", "*"))
        eventually(lambda: found.ask(f"/{TEAM}/digits/v2") == 200)
        yield found


@contextmanager
def _envoy(
    network: Network, folder: Path, name: str, listener: dict[str, Any], clusters: Sequence[dict[str, Any]]
) -> Iterator[None]:
    """An Envoy of one thread."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": list(clusters)}}))
    options = ["--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]
    process = subprocess.Popen(network.command(envoy_binary(), "-c", str(path), *options))
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _listener(address: str, port: int, routes: list[dict[str, Any]], *, waits: bool) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            # Else an answer that needs no body would come before it, and end the connection.
            *([{"name": "envoy.filters.http.buffer", "typed_config": _BUFFER}] if waits else []),
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"}},
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }


def _direct(name: str) -> dict[str, Any]:
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": ANSWER}},
        "response_headers_to_add": [{"header": {"key": "x-pod", "value": name}}],
    }


def _assignment(address: str) -> dict[str, Any]:
    endpoint = {"address": {"socket_address": {"address": address, "port_value": 8080}}}
    return {"cluster_name": "pod", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}
