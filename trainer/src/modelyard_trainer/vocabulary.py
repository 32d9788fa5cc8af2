"""Words and digits to token ids: small tokenizers whose files go into the package."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

PADDING, UNKNOWN, START, END = "[PAD]", "[UNK]", "[START]", "[END]"
SPECIAL = (PADDING, UNKNOWN, START, END)


def words(texts: Iterable[str], least: int) -> Tokenizer:
    """Lower-case words and punctuation that occur `least` times, the most frequent first."""
    splitter = pre_tokenizers.Whitespace()
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(text.lower()))
    known = [word for word, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])) if count >= least]
    made = _of((*SPECIAL, *known))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = splitter
    return made


def digits() -> Tokenizer:
    """One token for each digit; written without spaces."""
    made = _of((*SPECIAL, *"0123456789"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    return made


def _of(tokens: Sequence[str]) -> Tokenizer:
    made = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token=UNKNOWN))
    made.add_special_tokens(list(SPECIAL))
    return made


def number(tokenizer: Tokenizer, token: str) -> int:
    """Id of a token; raises KeyError."""
    return tokenizer.get_vocab()[token]


def padded(tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids [rows, longest] and lengths [rows], at least 1, as the server makes them."""
    rows = [one.ids[:longest] for one in tokenizer.encode_batch(list(texts))]
    lengths = np.array([max(1, len(row)) for row in rows], np.int64)
    ids = np.zeros((len(rows), int(lengths.max())), np.int64)
    for row, target in zip(rows, ids, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(ids), torch.from_numpy(lengths)
