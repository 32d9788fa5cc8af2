"""Text generation's part of the page, and the client that measures it."""

import json

from bench.llm import streams
from bench.llm.streams import Stream
from bench.report import language, servers

LINES = [
    {"kind": "head", "cpu": "EPYC", "threads": 2, "torch": "2", "bandwidth": 20.0},
    {"kind": "peer", "peer": "ours", "title": "Modelyard", "version": "1", "settings": "plain", "load_before": 0.1,
     "tokens": 64},
    {"kind": "peer", "peer": language.BASE, "title": "generate", "version": "5", "settings": "sdpa", "load_before": 0.2,
     "tokens": 64},
    {"figure": "s1.tokens_per_second", "peer": "ours", "value": 50.0},
    {"figure": "s1.tokens_per_second", "peer": language.BASE, "value": 20.0},
    {"figure": "s1.first_median", "peer": "ours", "value": 0.05},
]  # fmt: skip


def test_the_table_shows_multiples_and_what_was_not_measured() -> None:
    page = "\n".join(language.section(servers.parse(json.dumps(line) for line in LINES)))
    assert "| Modelyard 1 | plain | 50 (2.5x) | 0.05 | – |" in page  # noqa: RUF001
    assert "| generate 5 | sdpa | 20 | – |" in page  # noqa: RUF001
    assert "37 in float32, 74 in bfloat16, 149 in int8" in page


def test_streams_are_summed_up() -> None:
    good = Stream(began=1.0, pieces=[1.5, 1.7, 1.9], tokens=4)
    late = Stream(began=1.0, pieces=[2.0, 2.2], tokens=2)
    found = streams.summary([good, late, Stream(error="503")], 2.0)
    assert (found.tokens_per_second, found.first_worst, found.errors) == (3.0, 1.0, 1)
    assert found.first_median == 0.75
    assert round(found.between_median, 3) == 0.2


def test_events_are_read() -> None:
    stream = Stream()
    for document in ({"choices": [{"delta": {"role": "assistant", "content": ""}}]},
                     {"choices": [{"delta": {"content": "a"}}]},
                     {"choices": [], "usage": {"completion_tokens": 7}}):  # fmt: skip
        streams._event(b"data: " + json.dumps(document).encode(), stream)
    streams._event(b"data: [DONE]", stream)
    assert (len(stream.pieces), stream.tokens) == (1, 7)
