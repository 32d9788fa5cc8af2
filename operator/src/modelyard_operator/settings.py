"""Settings of the operator, from the environment and flags of the same names; read once, checked once."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

PREFIX = "MODELYARD_"
MANY_QPS = 1_000_000.0


class Settings(Struct, frozen=True):
    """What the operator is told. Each field is `--field-name` and, but for the pod's own, `MODELYARD_FIELD_NAME`."""

    fetch_image: Annotated[str, Meta(min_length=1, description="image with `modelyard-server fetch`")]
    namespaces: Annotated[list[str], Meta(description="namespaces to watch, by commas; all when empty")] = []
    object_store_endpoint: Annotated[str, Meta(description="S3 endpoint for s3:// addresses; AWS when empty")] = ""
    object_store_region: Annotated[str, Meta(description="region of the object store")] = "us-east-1"
    default_credentials: Annotated[str, Meta(description="Secret used for s3:// when a model names none")] = (
        "modelyard-object-store"
    )
    image_pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"], Meta(description="pull policy of the model pods")
    ] = "IfNotPresent"
    bundle: Annotated[
        str, Meta(description="file of the ModelRuntimes and AcceleratorProfiles of this installation; none when empty")
    ] = ""
    clients: Annotated[
        list[dict[str, Any]],
        Meta(description="NetworkPolicyPeers that may reach the models, as JSON; everybody when empty"),
    ] = []
    inference_keys: Annotated[bool, Meta(description="whether keys are made for InferenceKeys; needs a gateway")] = (
        False
    )
    gateway_url: Annotated[
        str, Meta(description="address of the gateway, for status.url; each model's own Service when empty")
    ] = ""
    upstream_secret: Annotated[
        str, Meta(description="Secret of the keys that models take from the gateway; they take any request when empty")
    ] = ""
    upstream_key_days: Annotated[float, Meta(ge=0, description="days after which such a key is replaced; 0: never")] = (
        90.0
    )
    workers: Annotated[int, Meta(ge=1, le=256, description="models reconciled at the same time")] = 16
    api_qps: Annotated[float, Meta(gt=0, description="requests a second to the API server, on average")] = 300.0
    api_burst: Annotated[int, Meta(ge=1, description="requests to the API server at once")] = 600
    lease_name: Annotated[str, Meta(min_length=1, description="Lease by which one replica leads")] = (
        "modelyard-operator"
    )
    lease_namespace: Annotated[str, Meta(description="its namespace; POD_NAMESPACE when empty")] = ""
    lease_duration: Annotated[float, Meta(ge=2, description="seconds after which a silent leader is replaced")] = 8.0
    http_port: Annotated[int, Meta(ge=0, le=65535, description="port of /metrics, /healthz, /readyz")] = 8080
    drain_timeout: Annotated[float, Meta(ge=0, description="seconds that running reconciles get at the end")] = 20.0
    log_format: Annotated[Literal["json", "text"], Meta(description="how log lines look")] = "json"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="least level logged")] = "INFO"
    pod_name: Annotated[str, Meta(description="identity in the Lease (environment: POD_NAME)")] = ""
    pod_namespace: Annotated[str, Meta(description="own namespace (environment: POD_NAMESPACE)")] = "default"

    def installation(self) -> str:
        """What tells this installation from others in the cluster: replicas of one share a Lease."""
        return f"{self.lease_namespace}/{self.lease_name}"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what is expected."""


def variable(field: str) -> str:
    """Environment variable of a field."""
    return field.upper() if field.startswith("pod_") else PREFIX + field.upper()


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from flags, else from the environment, else defaults. SettingsError names what is wrong."""
    given = vars(parser().parse_args(arguments))
    raw: dict[str, object] = {}
    for field in Settings.__struct_fields__:
        value = given[field] if given[field] is not None else environment.get(variable(field))
        if value is not None and (value != "" or field == "fetch_image"):
            raw[field] = _parsed(field, value)
    try:
        settings = msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explained(str(error))) from error
    if not settings.lease_namespace:
        settings = msgspec.structs.replace(settings, lease_namespace=settings.pod_namespace)
    return settings


def parser() -> argparse.ArgumentParser:
    """Flags with their help, made from the fields."""
    found = argparse.ArgumentParser(
        prog="modelyard-operator",
        description="Reconciles ModelDeployments into model servers. Every flag may be given by the environment.",
    )
    for field in msgspec.inspect.type_info(Settings).fields:  # type: ignore[attr-defined]
        text = (field.type.extra_json_schema or {}).get("description", "")
        found.add_argument(f"--{field.name.replace('_', '-')}", help=f"{text} [{variable(field.name)}]")
    return found


def _parsed(field: str, value: str) -> object:
    if field == "namespaces":
        return _split(value)
    if field == "clients":
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise SettingsError(f"--clients ({variable(field)}): not JSON: {error}") from error
    return value


def _split(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _explained(message: str) -> str:
    """Turn `… - at `$.workers`` into the names that a user knows."""
    for field in Settings.__struct_fields__:
        if f"`$.{field}`" in message or f"`$.{field}[" in message or f"field `{field}`" in message:
            return f"--{field.replace('_', '-')} ({variable(field)}): {message.split(' - at', maxsplit=1)[0]}"
    return message
