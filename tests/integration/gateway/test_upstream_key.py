"""What models are shown: the key of their namespace in the place of the client's token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from integration.gateway.envoy_binary import envoy_binary
from integration.gateway.pods import Pod
from integration.gateway.standing import PODS, Gateway, account, install, serving, standing
from integration.running import Cluster, eventually
from modelyard_operator.api import upstream

pytestmark = pytest.mark.integration

TEAM = "upstream-team"
OLD, NEW = (upstream.first(upstream.encoded(one * 32), 0.0) for one in (b"a", b"b"))


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "ring.json"
    path.write_bytes(msgspec.json.encode(OLD))
    return path


@pytest.fixture
def gateway(shared: Cluster, tmp_path: Path, ring: Path) -> Iterator[Gateway]:
    shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    shared.apply(*serving(TEAM, "digits", [PODS[0]]))
    with standing(install(shared), tmp_path, envoy_binary(), upstream_keys=str(ring)) as found:
        yield found


def test_a_model_is_shown_its_namespace_s_key_and_never_the_token(
    shared: Cluster, gateway: Gateway, ring: Path
) -> None:
    token = account(shared, TEAM, "client", "digits")
    pod = Pod(gateway.network, PODS[0])

    def shown() -> list[str]:
        answer = gateway.ask(f"/{TEAM}/digits/v2", token)
        assert answer.status == 200, answer.body
        return [value for name, value in answer.json()["headers"] if name == "authorization"]

    try:
        assert shown() == [f"Bearer {OLD.shown(TEAM, 0)}"]
        ring.write_bytes(msgspec.json.encode(NEW))
        eventually(lambda: shown() == [f"Bearer {NEW.shown(TEAM, 0)}"])
        assert OLD.shown(TEAM, 0) not in gateway.envoy_log.read_text()
    finally:
        pod.end()
