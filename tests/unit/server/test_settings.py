"""Settings: the environment that the operator writes, and what is refused."""

from pathlib import Path

import pytest

from modelyard_server.settings import Settings, SettingsError

FULL = {
    "MODEL_PATH": "/mnt/model", "MODEL_NAME": "digits", "PORT": "8081", "GPU_COUNT": "1",
    "MODELYARD_MAX_BATCH_ROWS": "32", "MODELYARD_MAX_BATCH_DELAY": "0.002", "MODELYARD_MAX_QUEUE_ROWS": "512",
    "MODELYARD_QUEUE_TIMEOUT": "10", "MODELYARD_LOAD_TIMEOUT": "60", "MODELYARD_DRAIN_TIMEOUT": "20",
    "MODELYARD_UNSAFE_FORMATS": "Allow", "MODELYARD_MODEL_FORMAT": "torch", "MODELYARD_DEVICE": "cpu",
    "MODELYARD_MODEL_DIGEST": "sha256:00", "MODELYARD_OPTIMISE": "int8, compile",
    "MODELYARD_REPOSITORY": "/models", "MODELYARD_VERSION_POLICY": "all", "MODELYARD_MODEL_CONTROL": "explicit",
    "MODELYARD_LOAD_MODELS": "digits, iris,", "MODELYARD_GRPC_PORT": "9000",
    "MODELYARD_MAX_BODY_BYTES": "1000", "MODELYARD_THREADS": "2", "MODELYARD_LOG_FORMAT": "text",
    "MODELYARD_PRECISION": "int8", "MODELYARD_MAX_SEQUENCES": "4", "MODELYARD_MAX_WAITING": "0",
    "MODELYARD_MAX_CONTEXT": "512", "MODELYARD_MAX_STEP_TOKENS": "64", "MODELYARD_MAX_ANSWER_TOKENS": "100",
}  # fmt: skip


def test_every_variable_is_read() -> None:
    assert Settings.from_env(FULL) == Settings(
        model=Path("/mnt/model"), name="digits", port=8081, max_batch_rows=32, max_batch_delay=0.002,
        max_queue_rows=512, queue_timeout=10.0, load_timeout=60.0, drain_timeout=20.0, unsafe_formats="Allow",
        model_format="torch", device="cpu", repository=Path("/models"), version_policy="all", model_control="explicit",
        model_digest="sha256:00", optimise=("int8", "compile"),
        load_models=("digits", "iris"), grpc_port=9000, max_body_bytes=1000, threads=2, log_format="text",
        precision="int8", max_sequences=4, max_waiting=0, max_context=512, max_step_tokens=64, max_answer_tokens=100,
    )  # fmt: skip


def test_nothing_set_means_the_defaults() -> None:
    assert Settings.from_env({}) == Settings(model=Path("/mnt/model"))
    assert Settings.from_env(dict.fromkeys(FULL, "")) == Settings(model=Path("/mnt/model"))


def test_a_package_s_wishes_can_be_declined() -> None:
    assert Settings.from_env({"MODELYARD_OPTIMISE": "none"}).optimise == ()


def test_an_unknown_optimisation_is_named() -> None:
    with pytest.raises(SettingsError, match="MODELYARD_OPTIMISE='fast': expected one of int8, compile"):
        Settings.from_env({"MODELYARD_OPTIMISE": "int8,fast"})


@pytest.mark.parametrize(
    ("key", "value"),
    [("PORT", "x"), ("PORT", "-1"), ("MODELYARD_MAX_BATCH_ROWS", "0"), ("MODELYARD_QUEUE_TIMEOUT", "nan"),
     ("MODELYARD_QUEUE_TIMEOUT", "inf"), ("MODELYARD_DEVICE", "tpu"), ("MODELYARD_UNSAFE_FORMATS", "allow")],
)  # fmt: skip
def test_a_wrong_value_is_named(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{key}='{value}'"):
        Settings.from_env({key: value})
