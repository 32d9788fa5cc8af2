"""A vocabulary of SentencePiece, as a GGUF file has it: cut as the library itself cuts."""

import io
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard_server.errors import StartupError
from modelyard_server.generation import tokenizer

PAGES = sorted((Path(__file__).parents[3] / "docs" / "how-to").glob("*.md"))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Trained as Llama's vocabulary was, on our own pages."""
    lines = [line for page in PAGES for line in page.read_text().splitlines() if line.strip()]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=700, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.99, minloglevel=2,
        num_threads=1,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def fields(theirs: Any, **more: Any) -> dict[str, Any]:
    numbers = range(theirs.get_piece_size())
    kinds = [2 if theirs.is_unknown(n) else 3 if theirs.is_control(n) else 6 if theirs.is_byte(n) else 1
             for n in numbers]  # fmt: skip
    return {
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.tokens": [theirs.id_to_piece(n) for n in numbers],
        "tokenizer.ggml.scores": [theirs.get_score(n) for n in numbers],
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
    } | {f"tokenizer.ggml.{name}": value for name, value in more.items()}  # fmt: skip


@pytest.fixture(scope="module")
def ours(theirs: Any) -> tokenizer.Tokenizer:
    return tokenizer.from_gguf(fields(theirs))


def test_our_own_pages_are_cut_alike(theirs: Any, ours: tokenizer.Tokenizer) -> None:
    for page in PAGES:
        for line in page.read_text().splitlines():
            if "<s>" not in line and "▁" not in line:
                assert ours.encode(line, special=False) == theirs.encode(line), line


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00▁"), max_size=60))
def test_any_text_is_cut_alike_and_comes_back(theirs: Any, ours: tokenizer.Tokenizer, text: str) -> None:
    tokens = ours.encode(text, special=False)
    assert tokens == theirs.encode(text)
    assert ours.decode(tokens) == text


def test_the_first_token_is_added_unless_it_is_switched_off(theirs: Any, ours: tokenizer.Tokenizer) -> None:
    assert ours.encode("a", special=True)[0] == 1
    without = tokenizer.from_gguf(fields(theirs, add_bos_token=False))
    assert without.encode("a", special=True) == without.encode("a", special=False)


def test_a_space_is_put_before_a_text_unless_it_is_switched_off(theirs: Any, ours: tokenizer.Tokenizer) -> None:
    plain = tokenizer.from_gguf(fields(theirs, add_space_prefix=False))
    assert plain.encode(" model", special=False) == ours.encode("model", special=False)
    assert plain.decode(plain.encode(" model", special=False)) == " model"


def test_scores_that_are_missing_are_named(theirs: Any) -> None:
    found = fields(theirs)
    del found["tokenizer.ggml.scores"]
    with pytest.raises(StartupError, match=r"not complete: 'tokenizer\.ggml\.scores'"):
        tokenizer.from_gguf(found)
