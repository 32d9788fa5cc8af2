"""SentencePiece's BPE (Kudo and Richardson, 2018) from the metadata of a GGUF file, as a fast tokenizer.

Such a vocabulary has scores in the place of merges: of all neighbours, those are joined first whose common piece scores
highest. Written as merges in the order of their scores it is a BPE as every other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers

SPACE = "\u2581"
"""What stands for a space in a piece."""
NORMAL = 1
"""GGUF's kind of a piece that comes of joining others."""


def tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    """Raises KeyError for metadata without scores."""
    pieces: list[str] = fields["tokenizer.ggml.tokens"]
    scores: list[float] = fields["tokenizer.ggml.scores"]
    kinds: list[int] = fields["tokenizer.ggml.token_type"]
    unknown = fields.get("tokenizer.ggml.unknown_token_id", 0)
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    joined = [(piece, score) for piece, score, kind in zip(pieces, scores, kinds, strict=True) if kind == NORMAL]
    made = Tokenizer(models.BPE(
        vocab=vocabulary, merges=merges(vocabulary, joined), unk_token=pieces[unknown], fuse_unk=True,
        byte_fallback=True,
    ))  # fmt: skip
    prefixed = fields.get("tokenizer.ggml.add_space_prefix", True)
    spaces: list[Any] = [normalizers.Replace(" ", SPACE)]
    made.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), *spaces] if prefixed else spaces)
    back = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*back, decoders.Strip(" ", 1, 0)] if prefixed else back)
    return made


def merges(vocabulary: Mapping[str, int], pieces: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the highest score first."""
    found = [
        (-score, vocabulary[piece], cut, (piece[:cut], piece[cut:]))
        for piece, score in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    return [pair for *_, pair in sorted(found)]
