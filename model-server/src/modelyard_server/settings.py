"""Settings of `serve`: parsed once from the environment (the contract with the operator) and from flags, which win."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

UnsafeFormats = Literal["Deny", "Allow"]
Device = Literal["auto", "cpu", "cuda"]
Optimisation = Literal["int8", "compile"]
LogFormat = Literal["json", "text"]
AccessLog = Literal["off", "on"]
TraceExport = Literal["off", "otlp"]
VersionPolicy = Literal["latest", "all"]
ModelControl = Literal["none", "explicit"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
T = TypeVar("T")


class SettingsError(ValueError):
    """A setting is not usable; the message names the variable, its value and what is accepted."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this process serves; every field's environment name is in `from_env`."""

    model: Path
    """Directory of the model package."""
    name: str = ""
    """Name in URLs and metrics; the package's own name when empty."""
    aliases: tuple[str, ...] = ()
    """Further names by which clients of OpenAI may call the model, separated by commas, such as NAMESPACE/NAME."""
    repository: Path | None = None
    """Directory of several models, NAME/VERSION/package or NAME/package; in the place of the one package."""
    version_policy: VersionPolicy = "latest"
    """Which versions of a model are served: the highest, or all."""
    model_control: ModelControl = "none"
    """Whether clients may load and unload models: explicit, or none."""
    load_models: tuple[str, ...] | None = None
    """Models of the repository to serve from the start, separated by commas; all when it is not set."""
    host: str = ""
    """Address to bind; empty means every address, IPv6 too where the node has it."""
    port: int = 8080
    grpc_port: int = 0
    """Port for gRPC, by custom 9000; 0 means none, which saves 15 MB and 0.1 s."""
    max_batch_rows: int = 64
    max_batch_delay: float = 0.0
    """Seconds to wait for a fuller batch. Zero is best for most models: a batch grows while the previous one runs."""
    max_queue_rows: int = 1024
    queue_timeout: float = 30.0
    load_timeout: float = 600.0
    drain_timeout: float = 30.0
    unsafe_formats: UnsafeFormats = "Deny"
    model_format: str = ""
    model_digest: str = ""
    """Digest that the package was pinned to; formats that are programs are read only with it."""
    optimise: tuple[Optimisation, ...] | None = None
    """int8 and compile, separated by commas, in the place of what the package asks for; or none."""
    device: Device = "auto"
    max_body_bytes: int = 64 * 1024 * 1024
    threads: int | None = None
    """CPU threads of the engine; None means the container's CPU share as the engine sees it."""
    log_format: LogFormat = "json"
    precision: Precision = "auto"
    """Form of the weights of a model that generates text. `auto` measures float32 and bfloat16 at load; int8 changes
    what the model says and is dropped where it is no faster."""
    max_sequences: int = 8
    """Answers that a model generates at once; each has room for a whole context in the cache."""
    max_waiting: int = 64
    """Answers that may wait for their turn; beyond it a client gets 429 with Retry-After."""
    max_context: int = 4096
    """Tokens of prompt and answer together, at most; a model's own limit holds as well."""
    max_step_tokens: int = 128
    """Tokens that one step computes, at most, so that long prompts hold up nobody; at least max_sequences."""
    max_answer_tokens: int = 1024
    """Tokens of an answer for which the client names no limit."""
    access_log: AccessLog = "off"
    """Whether every answer gets a log line: method, path, status, bytes, duration, model, X-Request-Id; no contents."""
    api_key_file: Path | None = None
    """File with the keys that clients show, one a line; without it nobody is asked. Health and metrics need none."""
    tracing: TraceExport = "off"
    """Where spans go: off, or otlp with the standard OTEL_ variables; needs modelyard-server[tracing]."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Parse what the operator writes into the server container; unset or empty variables keep the defaults."""
        fields = {name: parse(env[key], key) for name, (key, parse) in _ENVIRONMENT.items() if env.get(key, "") != ""}
        fields.setdefault("model", Path("/mnt/model"))
        return msgspec.convert(fields, cls, dec_hook=lambda _type, value: value)


def _number(kind: Callable[[str], T], at_least: float) -> Callable[[str, str], T]:
    def parse(text: str, key: str) -> T:
        try:
            value = kind(text)
        except ValueError as error:
            raise SettingsError(f"{key}={text!r}: expected {kind.__name__} of at least {at_least:g}") from error
        if not (isinstance(value, int | float) and at_least <= value < float("inf")):
            raise SettingsError(f"{key}={text!r}: must be {at_least:g} or more")
        return value

    return parse


def _one_of(*values: str) -> Callable[[str, str], str]:
    def parse(text: str, key: str) -> str:
        if text not in values:
            raise SettingsError(f"{key}={text!r}: expected one of {', '.join(values)}")
        return text

    return parse


def _path(text: str, _key: str) -> Path:
    return Path(text)


def _text(text: str, _key: str) -> str:
    return text


def _names(text: str, _key: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _optimisations(text: str, key: str) -> tuple[str, ...]:
    names = () if text == "none" else _names(text, key)
    for name in names:
        _one_of("int8", "compile")(name, key)
    return names


_ENVIRONMENT: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "model": ("MODEL_PATH", _path),
    "name": ("MODEL_NAME", _text),
    "aliases": ("MODELYARD_MODEL_ALIASES", _names),
    "repository": ("MODELYARD_REPOSITORY", _path),
    "version_policy": ("MODELYARD_VERSION_POLICY", _one_of("latest", "all")),
    "model_control": ("MODELYARD_MODEL_CONTROL", _one_of("none", "explicit")),
    "load_models": ("MODELYARD_LOAD_MODELS", _names),
    "port": ("PORT", _number(int, 0)),
    "grpc_port": ("MODELYARD_GRPC_PORT", _number(int, 0)),
    "max_batch_rows": ("MODELYARD_MAX_BATCH_ROWS", _number(int, 1)),
    "max_batch_delay": ("MODELYARD_MAX_BATCH_DELAY", _number(float, 0)),
    "max_queue_rows": ("MODELYARD_MAX_QUEUE_ROWS", _number(int, 1)),
    "queue_timeout": ("MODELYARD_QUEUE_TIMEOUT", _number(float, 0.001)),
    "load_timeout": ("MODELYARD_LOAD_TIMEOUT", _number(float, 0.001)),
    "drain_timeout": ("MODELYARD_DRAIN_TIMEOUT", _number(float, 0)),
    "unsafe_formats": ("MODELYARD_UNSAFE_FORMATS", _one_of("Deny", "Allow")),
    "model_format": ("MODELYARD_MODEL_FORMAT", _text),
    "model_digest": ("MODELYARD_MODEL_DIGEST", _text),
    "optimise": ("MODELYARD_OPTIMISE", _optimisations),
    "device": ("MODELYARD_DEVICE", _one_of("auto", "cpu", "cuda")),
    "max_body_bytes": ("MODELYARD_MAX_BODY_BYTES", _number(int, 1)),
    "threads": ("MODELYARD_THREADS", _number(int, 1)),
    "log_format": ("MODELYARD_LOG_FORMAT", _one_of("json", "text")),
    "precision": ("MODELYARD_PRECISION", _one_of("auto", "float32", "bfloat16", "int8")),
    "max_sequences": ("MODELYARD_MAX_SEQUENCES", _number(int, 1)),
    "max_waiting": ("MODELYARD_MAX_WAITING", _number(int, 0)),
    "max_context": ("MODELYARD_MAX_CONTEXT", _number(int, 2)),
    "max_step_tokens": ("MODELYARD_MAX_STEP_TOKENS", _number(int, 1)),
    "max_answer_tokens": ("MODELYARD_MAX_ANSWER_TOKENS", _number(int, 1)),
    "access_log": ("MODELYARD_ACCESS_LOG", _one_of("off", "on")),
    "api_key_file": ("MODELYARD_API_KEY_FILE", _path),
    "tracing": ("MODELYARD_TRACING", _one_of("off", "otlp")),
}
