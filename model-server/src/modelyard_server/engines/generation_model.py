"""The engine of the formats `transformers` and `gguf`: a decoder of the Llama family, its tokenizer and its template.

`predict` is for the warm-up only. Requests come through `generation.generator`, which runs many of them together.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from modelyard_server.engines import threads, torch_device
from modelyard_server.engines.model import LoadOptions, Model
from modelyard_server.errors import StartupError
from modelyard_server.generation import chat, gguf_file, precision, tokenizer, weight_files
from modelyard_server.generation.chat import ChatTemplate
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.configuration import DecoderConfig
from modelyard_server.generation.decoder import Decoder
from modelyard_server.generation.tokenizer import Tokenizer
from modelyard_server.generation.weights import Weights
from modelyard_server.package.card import ModelCard
from modelyard_server.package.files import Package
from modelyard_server.protocol.datatypes import Array

log = logging.getLogger(__name__)
Parts = tuple[DecoderConfig, Weights, Tokenizer, ChatTemplate | None]


class GenerationModel:
    """One decoder with its cache. The inference thread computes, the event loop asks for texts and tokens."""

    def __init__(self, card: ModelCard, decoder: Decoder, words: tuple[Tokenizer, ChatTemplate | None],
                 room: tuple[int, int]) -> None:  # fmt: skip
        self._decoder = decoder
        self._output = card.outputs[0].name
        self._cache = decoder.cache(*room)
        self.tokenizer, self.template = words
        self.device = str(decoder.device)
        self.threads: int | None = None
        self.slots, self.context = room
        self.end_tokens = frozenset(decoder.config.end_tokens)

    @property
    def network(self) -> "GenerationModel":
        """Itself: it computes scores and copies slots."""
        return self

    @property
    def parameter_bytes(self) -> int:
        """Weights as they lie in memory."""
        return self._decoder.nbytes

    @property
    def cache_bytes(self) -> int:
        """The cache when every slot is full."""
        return self._cache.nbytes

    def copy(self, source: int, target: int, tokens: int) -> None:
        """Copy the first tokens of one slot to another."""
        self._cache.copy(source, target, tokens)

    def scores(self, chunks: Sequence[Chunk], wanted: Sequence[int]) -> Array:
        """Compute the chunks; float32 scores [len(wanted), vocabulary]."""
        if self.threads is not None:
            threads.use(self.threads)
        scores: Array = self._decoder.step(self._cache, chunks, wanted).numpy()
        return scores

    def predict(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """A prompt, then one token in every slot: the shapes that traffic brings. Texts are not looked at."""
        rows = len(next(iter(inputs.values())))
        length = min(16, self.context - 1)
        self.scores([Chunk(slot, 0, [0] * length) for slot in range(self.slots)], [0])
        self.scores([Chunk(slot, length, [0]) for slot in range(self.slots)], list(range(self.slots)))
        return {self._output: np.full((rows,), b"", np.object_)}

    def device_memory(self) -> Mapping[str, int]:
        """Figures of the accelerator; none on a CPU."""
        return torch_device.memory(self.device)


def load(package: Package, options: LoadOptions) -> Model:
    """Read, measure, lay out; raises StartupError."""
    card = package.card
    check_signature(card)
    config, weights, words, template = _gguf(package) if card.format == "gguf" else _folder(package.root)
    device = torch_device.choose(options)
    if words.size > config.vocabulary:
        message = f"tokenizer: {words.size} tokens, the network knows {config.vocabulary}"
        raise StartupError("LoadFailed", message)
    form = precision.choose(options.precision, weights, device)
    decoder = Decoder(config, weights.wanted(form.dtype, device), form.dtype, form.pack)
    context = min(config.context, options.max_context)
    model = GenerationModel(card, decoder, (words, template), (options.max_sequences, context))
    if device == "cpu":
        model.threads = threads.choose(options.threads, lambda: model.scores([Chunk(0, 0, [0])], [0]))
    fields = {"precision": form.name, "threads": model.threads, "slots": model.slots, "context": context}
    log.info("decoder is loaded", extra={**fields, "cache_bytes": model.cache_bytes})
    return model


def check_signature(card: ModelCard) -> None:
    """Texts in, texts out."""
    for field, specs in (("inputs", card.inputs), ("outputs", card.outputs)):
        if len(specs) != 1 or specs[0].datatype != "BYTES" or specs[0].shape != (-1,):
            raise StartupError("LoadFailed", f"model.yaml: {field}: a model that generates text has one, BYTES of [-1]")


def _folder(root: Path) -> Parts:
    config, weights = weight_files.from_folder(root)
    return config, weights, tokenizer.from_folder(root), chat.from_folder(root)


def _gguf(package: Package) -> Parts:
    file = gguf_file.read(file_of(package))
    config, weights = weight_files.from_gguf(file)
    return config, weights, tokenizer.from_gguf(file.fields), chat.from_gguf(file.fields)


def file_of(package: Package) -> Path:
    """The file that model.yaml names, or the only one there is."""
    if package.card.weights:
        return package.root / package.card.weights
    found = sorted(package.root.glob("*.gguf"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise StartupError("LoadFailed", f"*.gguf: format gguf needs one file, found {names}; name it in `weights`")
    return found[0]
