"""Language models as packages, from a tiny GGUF file, and their answers through the engine."""

from pathlib import Path

import pytest
import torch

from modelyard_server.engines import registry
from modelyard_server.engines.generation_model import GenerationModel
from modelyard_server.engines.model import LoadOptions
from modelyard_server.errors import PackageError
from modelyard_server.generation.chunks import Chunk
from modelyard_server.package import files
from modelyard_trainer import language
from modelyard_trainer.packaging import RunOptions
from unit.server import tiny_gguf

OPTIONS = LoadOptions(device="cpu", threads=1, precision="float32", max_sequences=2, max_context=32)


def served(root: Path) -> GenerationModel:
    """The package as the server loads it."""
    model = registry.load(files.read(root), OPTIONS)
    assert isinstance(model, GenerationModel)
    return model


def test_both_forms_of_a_package_answer_alike(tmp_path: Path) -> None:
    source = tmp_path / "tiny.gguf"
    tiny_gguf.write(source)
    models = []
    for name, recipe in (("file", language.gguf), ("tensors", language.safetensors)):
        digest = recipe(RunOptions(tmp_path / name, "2", 0, 0, data=source))
        assert files.verify(tmp_path / name) == digest
        models.append(served(tmp_path / name))
    first, second = models
    text = "ab 12</s>"
    assert first.tokenizer.encode(text, special=True) == second.tokenizer.encode(text, special=True)
    assert first.end_tokens == second.end_tokens
    assert first.template is not None
    assert second.template is not None
    turn = [{"role": "user", "content": "hello"}]
    assert first.template.render(turn, None) == second.template.render(turn, None) == "hello</s>"
    scores = [torch.from_numpy(one.scores([Chunk(0, 0, [5, 17, 99])], [0])[0]) for one in models]
    assert (scores[0] - scores[1]).norm() / scores[0].norm() < 0.05


def test_a_file_that_is_no_gguf_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"no")
    with pytest.raises(PackageError, match=r"x\.gguf: not readable as GGUF"):
        language.gguf(RunOptions(tmp_path / "out", "1", 0, 0, data=tmp_path / "x.gguf"))


def test_without_the_weights_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "SOURCE", "nobody_has_this")
    with pytest.raises(PackageError, match="name a file with --data"):
        language.bundled()
