"""Bodies of V2 generate."""

import json
from typing import Any

import pytest

from modelyard_server.errors import BadRequestError
from modelyard_server.protocol import generate


def parse(**fields: Any) -> generate.GenerateRequest:
    return generate.parse(json.dumps(fields).encode())


def test_parameters_stand_beside_the_text_or_in_an_object() -> None:
    inside = parse(text_input="x", id="7", parameters={"max_tokens": 5, "stop": "a"})
    beside = parse(text_input="x", id="7", max_tokens=5, stop="a", stream=True, unknown=1)
    assert (inside.text, inside.id, inside.parameters.max_tokens) == ("x", "7", 5)
    assert (beside.parameters.max_tokens, beside.parameters.stop) == (5, "a")


def test_stop_texts_are_one_or_several() -> None:
    assert parse(text_input="x", stop="a").parameters.stops == ("a",)
    assert parse(text_input="x", stop=["a", "b"]).parameters.stops == ("a", "b")
    assert parse(text_input="x").parameters.stops == ()


def test_answers_are_greedy_unless_a_temperature_is_given() -> None:
    assert parse(text_input="x").parameters.temperature == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: not valid JSON"),
        (b"[]", "text_input"),
        (b'{"text_input": 1}', "text_input"),
        (b'{"text_input": "x", "parameters": [1]}', "parameters must be an object"),
        (b'{"text_input": "x", "id": 1}', "id a string"),
        (b'{"text_input": "x", "temperature": 9}', "parameters: temperature: expected `float` <= 2"),
    ],
)
def test_wrong_bodies_are_told_why(body: bytes, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        generate.parse(body)
    assert message in str(caught.value)
