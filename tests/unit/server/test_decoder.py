"""The decoder: chunks and slots change nothing, forms of the weights little, and GGUF gives the same scores."""

import contextlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard_server.errors import StartupError
from modelyard_server.generation import configuration, gguf_file, precision, tokenizer, weight_files
from modelyard_server.generation import weights as weights_in_files
from modelyard_server.generation.chunks import Chunk
from modelyard_server.generation.decoder import Decoder
from modelyard_server.generation.linear import Blocked, Int8, Plain
from unit.server import tiny_gguf, tiny_llm

PROMPT = [5, 17, 99, 200, 3, 3, 42, 120, 7]


def build(
    config: dict[str, Any], weights: dict[str, torch.Tensor], pack: Any = Plain, dtype: Any = torch.float32
) -> Any:
    return Decoder(configuration.from_transformers(config, {}), weights, dtype, pack)


def last(decoder: Decoder, chunks: list[Chunk], cache: Any = None) -> torch.Tensor:
    cache = cache or decoder.cache(2, 64)
    return decoder.step(cache, chunks, list(range(len(chunks))))


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    made: Decoder = build(tiny_llm.CONFIG, tiny_llm.weights(tiny_llm.CONFIG))
    return made


def test_a_prompt_in_chunks_is_the_prompt_at_once(decoder: Decoder) -> None:
    cache = decoder.cache(2, 64)
    whole = last(decoder, [Chunk(0, 0, PROMPT)], cache)
    assert decoder.step(cache, [Chunk(1, 0, PROMPT[:4])], []).shape == (0, 260)
    decoder.step(cache, [Chunk(1, 4, PROMPT[4:5])], [])
    torch.testing.assert_close(last(decoder, [Chunk(1, 5, PROMPT[5:])], cache), whole)


@pytest.mark.parametrize("slots", [(0, 1, 2), (1, 3), (0, 7), (2, 0)])
def test_sequences_together_are_what_each_is_alone(decoder: Decoder, slots: tuple[int, ...]) -> None:
    cache, alone = decoder.cache(8, 64), decoder.cache(8, 64)
    for slot in slots:
        prompt = [*PROMPT[slot % 3 :], slot]
        for one in (cache, alone):
            decoder.step(one, [Chunk(slot, 0, prompt)], [])
    steps = [Chunk(slot, len(PROMPT) - slot % 3 + 1, [slot + 30]) for slot in sorted(slots)]
    joined = last(decoder, [*steps, Chunk(4, 0, PROMPT)], cache)
    for row, step in enumerate([*steps, Chunk(4, 0, PROMPT)]):
        torch.testing.assert_close(joined[row], last(decoder, [step], alone)[0], rtol=1e-4, atol=1e-4)


def test_a_copied_beginning_goes_on_like_its_source(decoder: Decoder) -> None:
    cache = decoder.cache(2, 64)
    whole = last(decoder, [Chunk(0, 0, PROMPT)], cache)
    cache.copy(0, 1, 5)
    torch.testing.assert_close(last(decoder, [Chunk(1, 5, PROMPT[5:])], cache), whole)


@pytest.mark.parametrize(("pack", "dtype", "bound"), [(Blocked, torch.bfloat16, 0.05), (Int8, torch.float32, 0.1)])
def test_coarser_weights_stay_close(decoder: Decoder, pack: Any, dtype: Any, bound: float) -> None:
    coarse = build(tiny_llm.CONFIG, tiny_llm.weights(tiny_llm.CONFIG), pack, dtype)
    exact, found = last(decoder, [Chunk(0, 0, PROMPT)])[0], last(coarse, [Chunk(0, 0, PROMPT)])[0]
    assert (found - exact).norm() / exact.norm() < bound
    assert coarse.nbytes < decoder.nbytes


def test_a_row_of_int8_hardly_depends_on_its_neighbours() -> None:
    draw = torch.Generator().manual_seed(0)
    matrix = Int8(torch.randn(64, 64, generator=draw), torch.randn(64, generator=draw))
    row, outlier = torch.randn(1, 64, generator=draw), torch.full((1, 64), 1000.0)
    assert (matrix(torch.cat((row, outlier)))[0] - matrix(row)[0]).abs().max() < 0.3


def test_a_form_that_is_not_faster_is_dropped() -> None:
    names = [form.name for form in (
        precision.fastest([(precision.FLOAT32, 1.0), (precision.BFLOAT16, 0.95), (precision.INT8, 0.9)]),
        precision.fastest([(precision.FLOAT32, 1.0), (precision.BFLOAT16, 0.5), (precision.INT8, 0.49)]),
        precision.fastest([(precision.FLOAT32, 1.0), (precision.BFLOAT16, 0.9), (precision.INT8, 0.4)]),
    )]  # fmt: skip
    assert names == ["float32", "bfloat16", "int8"]


def test_forms_are_chosen_as_asked() -> None:
    weights = tiny_llm.weights(tiny_llm.CONFIG)
    assert precision.choose("float32", weights, "cpu").name == "float32"
    assert precision.choose("bfloat16", weights, "cpu").name == "bfloat16"
    assert precision.choose("auto", weights, "cpu").name in {"float32", "bfloat16"}
    assert precision.choose("int8", weights, "cpu").name in {"float32", "bfloat16", "int8"}
    assert precision.choose("int8", weights, "cuda:0").name == "bfloat16"


def test_a_gguf_file_gives_the_same_scores(tmp_path: Path, decoder: Decoder) -> None:
    written = tiny_gguf.write(tmp_path / "m.gguf")
    config, weights = weight_files.from_gguf(gguf_file.read(tmp_path / "m.gguf"))
    shapes = {name: tuple(weight.shape) for name, weight in written.items()}
    assert weights.shapes == {name: tuple(weight.shape) for name, weight in weights.items()} == shapes
    assert (config.end_tokens, config.tied, config.context) == ((258,), True, 256)
    scores = last(Decoder(config, weights, torch.float32, Plain), [Chunk(0, 0, PROMPT)])
    torch.testing.assert_close(scores, last(decoder, [Chunk(0, 0, PROMPT)]), rtol=1e-4, atol=1e-4)


def test_a_gguf_vocabulary_cuts_words(tmp_path: Path) -> None:
    tiny_gguf.write(tmp_path / "m.gguf")
    words = tokenizer.from_gguf(gguf_file.read(tmp_path / "m.gguf").fields)
    tokens = words.encode("ab 12</s>", special=True)
    assert tokens[0] == 256
    assert tokens[-1] == 258
    assert len(tokens) == 5
    assert words.decode(tokens) == "ab 12"
    assert words.piece(258) == "</s>"
    assert words.size == 260


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1", "F16", "BF16"])
def test_quantised_weights_are_what_gguf_itself_reads(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(0).normal(size=(96, 64)).astype(np.float32)
    named = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_array("numbers", [1, 2, 3])
    writer.add_tensor("one.weight", gguf.quants.quantize(values, named), raw_dtype=named)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = gguf_file.read(tmp_path / "m.gguf")
    assert file.fields["numbers"] == [1, 2, 3]
    theirs = gguf.GGUFReader(tmp_path / "m.gguf").tensors[0]
    expected = torch.from_numpy(np.array(gguf.quants.dequantize(theirs.data, theirs.tensor_type)))
    stored = weights_in_files.FromGguf(file.tensors["one.weight"])
    torch.testing.assert_close(stored.read(torch.float32), expected, rtol=0, atol=0)
    torch.testing.assert_close(stored.read(torch.bfloat16), expected.bfloat16(), rtol=0, atol=0)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(StartupError, match=r"m\.gguf: not readable as GGUF"):
        gguf_file.read(tmp_path / "m.gguf")
    with pytest.raises(StartupError, match=r"n\.gguf: no such file"):
        gguf_file.read(tmp_path / "n.gguf")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), at=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_broken_gguf_file_never_does_more_than_fail(tmp_path: Path, cut: float, at: float, byte: int) -> None:
    path, broken = tmp_path / "m.gguf", tmp_path / "broken.gguf"
    if not path.is_file():
        tiny_gguf.write(path)
    content = bytearray(path.read_bytes())
    head = 16_000
    content[int(at * (head - 1))] = byte
    broken.write_bytes(content[: max(1, int(cut * len(content)))] if cut < 0.5 else content)
    with contextlib.suppress(StartupError):
        weight_files.from_gguf(gguf_file.read(broken))


def test_a_vocabulary_of_another_kind_is_refused() -> None:
    with pytest.raises(StartupError, match=r"tokenizer\.ggml\.model is 't5'"):
        tokenizer.from_gguf({"tokenizer.ggml.model": "t5"})


def test_missing_and_misshapen_weights_are_named(decoder: Decoder) -> None:
    weights = tiny_llm.weights(tiny_llm.CONFIG)
    del weights["model.norm.weight"]
    weights["model.layers.0.mlp.up_proj.weight"] = torch.zeros(3, 3)
    with pytest.raises(StartupError) as caught:
        weight_files.check(decoder.config, {name: tuple(weight.shape) for name, weight in weights.items()})
    assert "model.norm.weight [64] is missing" in str(caught.value)
    assert "up_proj.weight is [3, 3], not [128, 64]" in str(caught.value)


def test_a_gguf_name_that_nobody_knows_stays() -> None:
    assert weight_files.transformers_name("rope_freqs.weight") == "rope_factors"
    assert weight_files.transformers_name("blk.3.attn_q_norm.weight") == "model.layers.3.self_attn.q_norm.weight"
    assert weight_files.transformers_name("blk.3.other.weight") == "model.layers.3.other.weight"
