"""Settings: environment, flags, and errors that name the setting."""

import pytest

from modelyard_operator.settings import SettingsError, load, parser

IMAGE = {"MODELYARD_FETCH_IMAGE": "server:1"}


def test_defaults() -> None:
    found = load([], IMAGE | {"POD_NAMESPACE": "modelyard-system"})
    assert (found.workers, found.lease_namespace, found.namespaces) == (16, "modelyard-system", [])


def test_a_flag_wins_over_the_environment() -> None:
    assert load(["--workers", "3"], IMAGE | {"MODELYARD_WORKERS": "5"}).workers == 3


def test_namespaces_are_split_at_commas() -> None:
    assert load([], IMAGE | {"MODELYARD_NAMESPACES": "a, b,"}).namespaces == ["a", "b"]


def test_an_empty_variable_is_as_if_absent() -> None:
    assert load([], IMAGE | {"MODELYARD_WORKERS": ""}).workers == 16


def test_clients_of_models_are_json() -> None:
    peer = '[{"podSelector": {"matchLabels": {"app": "door"}}}]'
    assert load([], IMAGE | {"MODELYARD_CLIENTS": peer}).clients == [{"podSelector": {"matchLabels": {"app": "door"}}}]


WRONG = [
    ({"MODELYARD_CLIENTS": "everybody"}, "--clients (MODELYARD_CLIENTS)"),
    ({"MODELYARD_CLIENTS": "[1]"}, "--clients (MODELYARD_CLIENTS)"),
    ({"MODELYARD_WORKERS": "0"}, "--workers (MODELYARD_WORKERS)"),
    ({"MODELYARD_API_QPS": "fast"}, "--api-qps (MODELYARD_API_QPS)"),
    ({"MODELYARD_LOG_LEVEL": "LOUD"}, "--log-level (MODELYARD_LOG_LEVEL)"),
    ({"MODELYARD_FETCH_IMAGE": ""}, "--fetch-image (MODELYARD_FETCH_IMAGE)"),
]


@pytest.mark.parametrize(("environment", "name"), WRONG)
def test_what_is_wrong_is_named(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load([], IMAGE | environment)
    assert str(raised.value).startswith(name)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"--fetch-image \(MODELYARD_FETCH_IMAGE\)"):
        load([], {})


def test_help_names_the_variable_of_every_flag() -> None:
    text = parser().format_help()
    assert "MODELYARD_OBJECT_STORE_ENDPOINT" in text
    assert "POD_NAME" in text
