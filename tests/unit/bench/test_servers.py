"""The page of the model servers, and the results that peers share."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench.model_server import bodies, store
from bench.model_server.measure import Figure
from bench.report import servers

HEAD = {"kind": "head", "cpu": "any", "cpus": 2, "python": "3.11", "torch": "2.15"}
ABOUT = {"title": "Ours", "version": "1", "settings": "plain", "date": "2026-01-01", "load_before": 0.1}


def written(path: Path, peer: str, rps: float) -> None:
    figures = [Figure("mlp.json.c1.rps", rps, "requests/s"), Figure("mlp.json.c64.rps", rps * 2, "requests/s")]
    figures += [Figure("mlp.stop.lost", 1, "requests"), Figure("mlp.stop.lost", 2, "requests")]
    echo = [Figure("mlp.json.c1.rps", 1000, "requests/s"), Figure("mlp.json.c64.rps", 1000, "requests/s")]
    store.write(path, HEAD, peer, store.lines(peer, {**ABOUT, "title": peer.title()}, figures, echo))


def test_a_peer_that_is_measured_anew_replaces_its_own_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    written(path, "ours", 100)
    written(path, "kserve", 50)
    written(path, "ours", 200)
    found = servers.parse(path.read_text().splitlines())
    assert found.value("ours", "mlp.json.c1.rps") == 200
    assert found.value("kserve", "mlp.json.c1.rps") == 50
    assert len(path.read_text().splitlines()) == 1 + 2 * 4


def test_lost_requests_are_summed_and_rates_told_as_a_share_of_the_echo(tmp_path: Path) -> None:
    written(tmp_path / "results.jsonl", "ours", 250)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    by_name = {line["figure"]: line for line in lines if "figure" in line}
    assert by_name["mlp.stop.lost"]["value"] == 3
    assert by_name["mlp.json.c1.rps"]["ratio"] == 0.25
    assert by_name["mlp.json.c1.rps"]["ratio_to"] == "echo mlp.json.c1.rps"


def test_the_page_has_a_row_for_each_server_and_a_picture_for_each_model(tmp_path: Path) -> None:
    written(tmp_path / "results.jsonl", "ours", 250)
    found = servers.parse((tmp_path / "results.jsonl").read_text().splitlines())
    page = "\n\n".join(servers.section(found))
    assert "| Ours | 250 (25%) | – | 500 (50%) |" in page  # noqa: RUF001 (an en dash)
    assert list(servers.pictures(found)) == ["servers-mlp"]


def test_results_without_a_head_are_refused() -> None:
    with pytest.raises(ValueError, match="make bench-model-server"):
        servers.parse(['{"figure": "x", "peer": "ours", "value": 1}'])


@pytest.mark.parametrize("form", ["v2", "bentoml", "binary"])
def test_every_form_carries_the_same_numbers(form: str) -> None:
    row = np.array([[0.5, 0.25, 0.125]], np.float32)
    body = bodies.make(form, row)
    if form == "binary":
        head = int(body.headers[bodies.LENGTH])
        assert np.frombuffer(body.content[head:], "<f4").tolist() == row[0].tolist()
    else:
        document = json.loads(body.content)
        assert np.ravel(document.get("x") or document["inputs"][0]["data"]).tolist() == row[0].round(4).tolist()
