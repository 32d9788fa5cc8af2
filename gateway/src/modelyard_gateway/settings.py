"""What the gateway is told; each field is an environment variable MODELYARD_GATEWAY_FIELD. Read once, in `__main__`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

PREFIX = "MODELYARD_GATEWAY_"
_LISTS = ("audiences", "namespaces")
AUDIENCE = "modelyard.dev/inference"


class SettingsError(Exception):
    """A setting is wrong; the message names the variable and says what is expected."""


class Settings(Struct, frozen=True, kw_only=True):
    """How one gateway works."""

    folder: Annotated[Path, Meta(description="where Envoy's files and sockets are, shared with Envoy alone")] = Path(
        "/run/modelyard"
    )
    address: Annotated[str, Meta(description="address on which Envoy listens")] = "0.0.0.0"  # noqa: S104 - a pod's door
    port: Annotated[int, Meta(ge=1, le=65535, description="port on which Envoy listens")] = 8080
    audiences: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(min_length=1, description="audiences of tokens that are taken, by commas"),
    ] = (AUDIENCE,)
    allow_public: Annotated[bool, Meta(description="whether models with access.mode Public need no token")] = False
    domain: Annotated[str, Meta(description="name.namespace.DOMAIN is a model's host; none when empty")] = ""
    upstream_keys: Annotated[
        Path | None,
        Meta(description="file of the keys that models ask for, from the operator; none is shown when empty"),
    ] = None
    longest_body: Annotated[int, Meta(ge=1, description="bytes of a request's body that are taken")] = 64 * 1024 * 1024
    trusted_hops: Annotated[int, Meta(ge=0, le=10, description="proxies in front whose X-Forwarded-For counts")] = 0
    most_connections: Annotated[int, Meta(ge=1, description="clients' connections at once")] = 10_000
    reviews_per_second: Annotated[float, Meta(gt=0, description="questions to the API server, on average")] = 200.0
    limits_url: Annotated[
        str, Meta(description="address of the Valkey or Redis in which replicas share rate limits; none when empty")
    ] = ""
    usage_seconds: Annotated[float, Meta(gt=0, description="seconds between writes of usage to InferenceKeys")] = 30.0
    http_port: Annotated[int, Meta(ge=0, le=65535, description="port of /metrics, /healthz, /readyz")] = 8081
    namespaces: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="namespaces whose models are served, by commas; all when empty"),
    ] = ()
    tls: Annotated[str, Meta(description="folder with tls.crt and tls.key; Envoy speaks plain HTTP when empty")] = ""
    envoy_port: Annotated[int, Meta(ge=1, le=65535, description="port of Envoy's /metrics, /healthz, /readyz")] = 8082
    envoy_threads: Annotated[int, Meta(ge=1, le=256, description="threads of Envoy that carry requests")] = 2
    drain_timeout: Annotated[float, Meta(ge=0, description="seconds that running requests get at the end")] = 120.0
    log_format: Annotated[Literal["json", "text"], Meta(description="how log lines look; audit is JSON")] = "json"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="least level logged")] = "INFO"
    pod_name: Annotated[str, Meta(description="name of this pod")] = ""


def load(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment; SettingsError names what is wrong."""
    raw: dict[str, object] = {}
    for field in Settings.__struct_fields__:
        value = environment.get(PREFIX + field.upper(), "")
        if value:
            raw[field] = [one.strip() for one in value.split(",")] if field in _LISTS else value
    try:
        return msgspec.convert(raw, Settings, strict=False, dec_hook=lambda _type, value: Path(value))
    except msgspec.ValidationError as error:
        raise SettingsError(_explained(str(error))) from error


def _explained(message: str) -> str:
    for field in Settings.__struct_fields__:
        if f"`$.{field}" in message:
            return f"{PREFIX}{field.upper()}: {message.split(' - at', maxsplit=1)[0]}"
    return message
