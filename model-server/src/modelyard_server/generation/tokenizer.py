"""Text to tokens and back, from `tokenizer.json` or from the metadata of a GGUF file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Tokenizer as Fast
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from modelyard_server.errors import StartupError
from modelyard_server.generation import sentencepieces

CONTROL, USER_DEFINED = 3, 4
"""Token types of GGUF: control tokens are never text; user-defined ones are, in one piece."""
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = {
    # How a text is cut before pairs are merged; names and expressions as the models' own tokenizers have them.
    "qwen2": _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama-bpe": _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
SUPPORTED_PRE = ("smollm", "gpt-2", *_WORDS)


class Tokenizer:
    """One model's vocabulary. `document` is its `tokenizer.json`, which constraints need."""

    def __init__(self, fast: Fast) -> None:
        self._fast = fast
        self.size: int = fast.get_vocab_size(with_added_tokens=True)

    @property
    def document(self) -> str:
        """The text of `tokenizer.json`."""
        return self._fast.to_str()

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text; `special` adds what the model expects around it, such as a first token."""
        ids: list[int] = self._fast.encode(text, add_special_tokens=special).ids
        return ids

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens, without control tokens."""
        return str(self._fast.decode(list(tokens), skip_special_tokens=True))

    def piece(self, token: int) -> str:
        """The text of one token, control tokens included."""
        return str(self._fast.decode([token], skip_special_tokens=False))

    def token(self, text: str) -> int | None:
        """The number of a token by its exact name."""
        found: int | None = self._fast.token_to_id(text)
        return found


def from_folder(root: Path) -> Tokenizer:
    """`tokenizer.json`. Raises StartupError."""
    path = root / "tokenizer.json"
    if not path.is_file():
        raise StartupError("LoadFailed", "tokenizer.json: no such file in the package; save the fast tokenizer with it")
    try:
        return Tokenizer(Fast.from_file(str(path)))
    except Exception as error:  # the library raises nothing narrower
        raise StartupError("LoadFailed", f"tokenizer.json: not readable: {error}") from error


def from_gguf(fields: Mapping[str, Any]) -> Tokenizer:
    """The vocabulary of a GGUF file, byte-level or SentencePiece's BPE. Raises StartupError."""
    kind, cut = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "gpt-2")
    try:
        if kind == "llama":
            fast = sentencepieces.tokenizer(fields)
        elif kind == "gpt2" and cut in SUPPORTED_PRE:
            fast = _byte_level(fields, cut)
        else:
            raise _unsupported(kind, cut)
        _add_special(fast, fields, usual=kind == "llama")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StartupError("LoadFailed", f"tokenizer.ggml: the vocabulary is not complete: {error}") from error
    return Tokenizer(fast)


def _unsupported(kind: object, cut: object) -> StartupError:
    names = ", ".join(SUPPORTED_PRE)
    return StartupError(
        "LoadFailed",
        f"tokenizer.ggml.model is {kind!r} with pre {cut!r}; served are llama, and gpt2 with {names}. Convert the "
        "model to format transformers, whose tokenizer.json says it all",
    )


def _byte_level(fields: Mapping[str, Any], cut: str) -> Fast:
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {text: number for number, text in enumerate(fields["tokenizer.ggml.tokens"])}
    fast = Fast(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=False, byte_fallback=False))
    if cut == "qwen2":
        fast.normalizer = normalizers.NFC()
    fast.pre_tokenizer = _pre_tokenizer(cut)
    fast.decoder = decoders.ByteLevel()
    return fast


def _add_special(fast: Fast, fields: Mapping[str, Any], *, usual: bool) -> None:
    """Tokens that are never text, or text in one piece; and the first token, which is `usual` where nothing is said."""
    texts: list[str] = fields["tokenizer.ggml.tokens"]
    kinds = fields.get("tokenizer.ggml.token_type", [])
    fast.add_tokens([
        tokenizers.AddedToken(text, special=kind == CONTROL, normalized=False)
        for text, kind in zip(texts, kinds, strict=False)
        if kind in (CONTROL, USER_DEFINED)
    ])  # fmt: skip
    first = fields.get("tokenizer.ggml.bos_token_id")
    if fields.get("tokenizer.ggml.add_bos_token", usual) and first is not None:
        name = texts[first]
        fast.post_processor = processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, first)])


def _pre_tokenizer(cut: str) -> pre_tokenizers.PreTokenizer:
    if cut == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if cut == "smollm":
        return pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ])  # fmt: skip
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(_WORDS[cut]), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
