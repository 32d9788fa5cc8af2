"""Corners of rendering that no golden case holds."""

from typing import Any

import msgspec

from builders import DEFAULTS, catalog, model, runtime
from modelyard_operator.render.fetch import fetch_container, fetch_volumes
from modelyard_operator.render.network_policy import network_policy
from modelyard_operator.render.server import server_container
from modelyard_operator.render.service import url
from modelyard_operator.revision import Defaults, Resolved, resolve


def resolved(defaults: Defaults = DEFAULTS, **over: Any) -> Resolved:
    found = resolve(model(), catalog(runtime(**over)), defaults)
    assert isinstance(found, Resolved)
    return found


def test_without_an_object_store_the_client_s_own_default_counts() -> None:
    container = fetch_container(resolved(msgspec.structs.replace(DEFAULTS, object_store_endpoint="")))
    assert "AWS_ENDPOINT_URL" not in [one["name"] for one in container["env"]]


def test_without_default_credentials_nothing_is_mounted() -> None:
    found = resolved(msgspec.structs.replace(DEFAULTS, credentials=""))
    assert fetch_volumes(found) == []
    assert "--credentials" not in fetch_container(found)["args"]


def test_a_runtime_that_serves_grpc_is_told_the_port_and_shows_it() -> None:
    container = server_container(resolved(grpcPort=9001), "digits")
    assert [(one["name"], one["containerPort"]) for one in container["ports"]] == [("http", 8080), ("grpc", 9001)]
    assert {"name": "GRPC_PORT", "value": "9001"} in container["env"]


def test_a_runtime_without_grpc_has_one_port() -> None:
    container = server_container(resolved(), "digits")
    assert [one["name"] for one in container["ports"]] == ["http"]
    assert "GRPC_PORT" not in [one["name"] for one in container["env"]]


def test_a_runtime_without_a_command_uses_the_image_s_own() -> None:
    assert "command" not in server_container(resolved(command=[]), "digits")


def test_a_model_is_found_below_the_gateway_or_at_its_own_service() -> None:
    assert url(model(), "https://models.example.com/") == "https://models.example.com/team/digits"
    assert url(model()) == "http://digits.team.svc"


def test_clients_of_a_namespace_s_models_are_everybody_or_those_who_are_named() -> None:
    peer = {"podSelector": {"matchLabels": {"app": "door"}}}
    [opened], [shut] = (network_policy("team", clients)["spec"]["ingress"] for clients in ((), (peer,)))
    assert "from" not in opened
    assert shut == opened | {"from": [peer]}
