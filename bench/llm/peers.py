"""Who is measured, and how. `{model}` is the model's folder or file, `{prompts}` a file, `{port}` a free port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """One way to generate text."""

    name: str
    title: str
    package: str
    settings: str
    command: Sequence[str]
    form: str
    """Of the model: gguf (a package), file (the GGUF file alone) or transformers."""
    ready: str = ""
    """Path that answers 200 once it serves; empty for a program that measures itself."""
    environment: str = ""
    """Name of its requirements; empty for our own environment."""
    variables: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    """More of each request, where the peer takes it."""


_OURS = ("{python}", "-m", "modelyard_server", "serve", "--model", "{model}", "--port", "{port}", "--host", "127.0.0.1",
         "--termination-log", "/dev/null")  # fmt: skip
_GENERATE = ("{python}", "{here}/generate.py", "--model", "{model}", "--threads", "{threads}", "--tokens", "{tokens}",
             "--streams", "{streams}", "--dtype")  # fmt: skip
_LLAMA = ("node", "{here}/llama/llama.mjs", "{programs}", "{model}", "{prompts}", "{threads}", "{tokens}",
          "{streams}")  # fmt: skip
# Without its bounds the cache takes most of the machine's memory, and every token is attended over all of it.
_SERVE = ("{programs}/transformers", "serve", "--continuous-batching", "--cb-num-blocks", "32",
          "--cb-max-batch-tokens", "256", "--host", "127.0.0.1", "--port", "{port}", "--device", "cpu",
          "{model}")  # fmt: skip
_FULL = {"ignore_eos": True, "stream_options": {"include_usage": True}}
_READY = "/v2/health/ready"
BASE = "generate-float32"
"""The one that others are multiples of."""

PEERS = {
    one.name: one
    for one in (
        Peer("ours", "Modelyard", "modelyard-server", "as it comes", _OURS, "gguf", _READY, fields=_FULL),
        Peer("ours-int8", "Modelyard, int8", "modelyard-server", "MODELYARD_PRECISION=int8", _OURS, "gguf", _READY,
             variables={"MODELYARD_PRECISION": "int8"}, fields=_FULL),
        Peer(BASE, "transformers.generate, float32", "transformers", "use_cache, sdpa",
             (*_GENERATE, "float32"), "transformers", environment="transformers"),
        Peer("generate-bfloat16", "transformers.generate, bfloat16", "transformers", "use_cache, sdpa",
             (*_GENERATE, "bfloat16"), "transformers", environment="transformers"),
        Peer("serve", "transformers serve", "transformers",
             "--continuous-batching --cb-num-blocks 32 --cb-max-batch-tokens 256", _SERVE, "transformers",
             "/health", "transformers"),
        Peer("llama", "llama.cpp (node-llama-cpp)", "node-llama-cpp",
             "Q4_1 as it is, no server: sequences of one batch in the measuring process",
             _LLAMA, "file", environment="llama"),
    )
}  # fmt: skip
