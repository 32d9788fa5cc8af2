"""The OpenAI API without a server: bodies, messages, calls of functions, answers and errors."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from modelyard_server.errors import (
    BadRequestError,
    BodyTooLargeError,
    ContextLengthError,
    DeadlineExceededError,
    NotReadyError,
    OverloadedError,
    RequestError,
)
from modelyard_server.generation.requests import Chosen, Piece, Sampling, TokenScore, Usage
from modelyard_server.openai import failures, messages, reading, tools, vectors
from modelyard_server.openai.answers import Head
from modelyard_server.openai.bodies import Chat, Completion, Embedding
from modelyard_server.openai.failures import ModelNotFoundError
from modelyard_server.openai.reading import FieldError
from modelyard_server.openai.replies import ChatReply, CompletionReply, Options

HEAD = Head("id", 7, "m", "fp")
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def spell(token: int) -> str:
    return chr(token)


def options(**fields: Any) -> Options:
    return Options(spell, lambda: "x", **fields)


def chat(*turns: Any, **fields: Any) -> Chat:
    return reading.body(_json({"model": "m", "messages": list(turns), **fields}), Chat)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def completion(**fields: Any) -> Completion:
    return reading.body(_json({"model": "m", **fields}), Completion)


def test_messages_become_plain_texts() -> None:
    turns: list[dict[str, Any]] = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"x": 1}'}}]},
        {"role": "tool", "content": "2", "tool_call_id": "1"},
    ]
    assert messages.plain(chat(*turns)) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "ab", "name": "ann"},
        {"role": "assistant", "content": "",
         "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"x": 1}}}]},
        {"role": "tool", "content": "2", "tool_call_id": "1"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"role": "user"}, "messages[0].content: is missing"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "'image_url' is not taken"),
        ({"role": "user", "content": [{"type": "text"}]}, "a part has no text"),
        ({"role": "assistant", "tool_calls": [{}]}, "a call has no function with a name"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, "not valid JSON"),
    ],
)
def test_messages_that_cannot_be_shown_are_refused(turn: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        messages.plain(chat(turn))
    assert message in str(caught.value)


def test_arguments_may_be_an_object_already() -> None:
    turn = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]}
    assert messages.plain(chat(turn))[0]["tool_calls"][0]["function"]["arguments"] == {"x": 1}


def test_functions_are_shown_unless_calls_are_forbidden() -> None:
    turn, functions = {"role": "user", "content": "x"}, [{"type": "function"}]
    assert messages.tools(chat(turn, tools=functions)) == functions
    assert messages.tools(chat(turn, tools=functions, tool_choice="none")) is None
    assert messages.tools(chat(turn)) is None


FUNCTIONS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "fg"]


@pytest.mark.parametrize(("choice", "names"), [
    (None, []), ("auto", []), ("none", []), ("required", ["f", "g"]),
    ({"type": "function", "function": {"name": "g"}}, ["g"]),
])  # fmt: skip
def test_a_call_is_demanded_of_all_functions_or_of_one(choice: Any, names: list[str]) -> None:
    asked = chat({"role": "user", "content": "x"}, tools=FUNCTIONS, tool_choice=choice)
    assert [one["name"] for one in messages.demanded(asked)] == names


@pytest.mark.parametrize(("fields", "words"), [
    ({"tool_choice": "any", "tools": FUNCTIONS}, "must be auto, none, required"),
    ({"tool_choice": "required"}, "hold no such function"),
    ({"tool_choice": "required", "tools": [{"type": "function", "function": {}}]}, "hold no such function"),
    ({"tool_choice": {"function": {"name": "h"}}, "tools": FUNCTIONS}, "hold no such function"),
    ({"tool_choice": {"function": 3}, "tools": FUNCTIONS}, "hold no such function"),
    ({"tool_choice": "required", "tools": FUNCTIONS, "response_format": {"type": "json_object"}}, "not both"),
])  # fmt: skip
def test_a_call_that_nobody_could_make_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(FieldError, match=words):
        messages.demanded(chat({"role": "user", "content": "x"}, **fields))


def test_a_call_is_a_name_and_its_own_arguments() -> None:
    one, other = tools.schema([{"name": "f", "parameters": {"type": "object", "x": 1}}, {"name": "g"}])["anyOf"]
    assert one["properties"] == {"name": {"const": "f"}, "arguments": {"type": "object", "x": 1}}
    assert other["properties"] == {"name": {"const": "g"}, "arguments": {"type": "object"}}


def test_calls_are_told_from_text() -> None:
    assert tools.split("plain") == ("plain", [])
    assert tools.split(f"Let me see. {CALL}") == ("Let me see.", [tools.Call("add", '{"a":1}')])
    said, calls = tools.split(CALL + CALL.replace("add", "sub"))
    assert (said, [call.name for call in calls]) == ("", ["add", "sub"])
    assert tools.split('<tool_call>{"name": "f", "parameters": "{}"}')[1] == [tools.Call("f", "{}")]


@pytest.mark.parametrize("content", ["<tool_call>{no}</tool_call>", "<tool_call>[1]</tool_call>", "a<tool_call>"])
def test_a_call_that_is_none_stays_text(content: str) -> None:
    assert tools.split(content) == (content, [])


def test_a_template_shows_how_calls_are_written() -> None:
    assert tools.convention("…<tool_call>…</tool_call>…")
    assert not tools.convention("…")


def read(reply: ChatReply, pieces: Sequence[Piece]) -> tuple[str, list[Any], str | None]:
    """Text, calls and reason of a stream of one choice."""
    text, calls, reason = "", [], None
    for document in [*reply.begin(), *(one for piece in pieces for one in reply.chunks(0, piece))]:
        choice = document["choices"][0]
        text += choice["delta"].get("content", "")
        calls += choice["delta"].get("tool_calls", [])
        reason = choice["finish_reason"]
    return text, calls, reason


def pieces(*texts: str) -> list[Piece]:
    return [*(Piece(text) for text in texts), Piece("", (), "stop")]


def test_a_stream_holds_a_call_back_until_it_is_whole() -> None:
    reply = ChatReply(HEAD, [Usage(1)], options(calls=True))
    text, calls, reason = read(reply, pieces("Wait <tool", "_call>", '{"name": "f"}', "</tool_call>"))
    assert (text, reason) == ("Wait ", "tool_calls")
    assert calls == [{"index": 0, "id": "call_x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def test_what_only_looked_like_a_call_goes_out() -> None:
    reply = ChatReply(HEAD, [Usage(1)], options(calls=True))
    assert read(reply, pieces("a <tool", "box> b")) == ("a <toolbox> b", [], "stop")
    reply = ChatReply(HEAD, [Usage(1)], options(calls=True))
    assert read(reply, pieces("a <tool_call>", "{no}")) == ("a <tool_call>{no}", [], "stop")


def test_a_whole_answer_with_a_call_has_no_content() -> None:
    reply = ChatReply(HEAD, [Usage(2, 1, 3)], options(calls=True))
    document = reply.whole([pieces(CALL)])
    choice = document["choices"][0]
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert choice["finish_reason"] == "tool_calls"
    assert document["usage"] == {
        "prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1},
    }  # fmt: skip


def test_log_probabilities_of_a_chat_name_their_bytes() -> None:
    chosen = Chosen(65, -0.5, (TokenScore(65, -0.5), TokenScore(8364, float("-inf"))))
    document = ChatReply(HEAD, [Usage(1)], options(logprobs=True)).whole([[Piece("A", (chosen,), "stop")]])
    assert document["choices"][0]["logprobs"]["content"] == [{
        "token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": [
            {"token": "A", "logprob": -0.5, "bytes": [65]},
            {"token": "€", "logprob": -9999.0, "bytes": [226, 130, 172]}],
    }]  # fmt: skip


def test_usage_comes_last_when_it_is_asked_for() -> None:
    assert ChatReply(HEAD, [Usage(1)], options()).end() == []
    assert ChatReply(HEAD, [Usage(1)], options(include_usage=True)).end()[0]["choices"] == []
    assert CompletionReply(HEAD, [Usage(1)], options()).end() == []
    usages = [Usage(3, 0, 2), Usage(3, 3, 2), Usage(5, 0, 1), Usage(5, 5, 1)]
    assert CompletionReply(HEAD, usages, options(include_usage=True, choices=2)).end()[0]["usage"] == {
        "prompt_tokens": 8, "completion_tokens": 6, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 0},
    }  # fmt: skip


def test_a_completion_repeats_its_prompt_and_counts_offsets_from_it() -> None:
    chosen = (Chosen(66, -1.0), Chosen(67, -1.0))
    reply = CompletionReply(HEAD, [Usage(1)], options(logprobs=True, echoes=["AA"]))
    choice = reply.whole([[Piece("BC", chosen, "length")]])["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("AABC", "length")
    assert choice["logprobs"]["text_offset"] == [2, 3]
    stream = CompletionReply(HEAD, [Usage(1)], options(echoes=["AA"]))
    assert [one["choices"][0]["text"] for one in (*stream.begin(), *stream.chunks(0, Piece("B")))] == ["AA", "B"]


def test_sampling_has_openais_defaults() -> None:
    assert reading.sampling(completion(), -1, 100) == Sampling()
    asked = completion(temperature=0, top_p=0.5, top_k=-1, seed=3, presence_penalty=1, logit_bias={"7": -5})
    assert reading.sampling(asked, 2, 100) == Sampling(
        temperature=0.0, top_p=0.5, seed=3, presence_penalty=1.0, bias={7: -5.0}, top_logprobs=2
    )


def test_a_stream_may_ask_for_usage() -> None:
    assert completion(stream_options={"include_usage": True}).include_usage
    assert not completion(stream_options={}).include_usage
    assert not completion().include_usage


def test_a_bias_needs_a_token() -> None:
    with pytest.raises(FieldError, match="'100' is not a token; tokens are 0 to 99"):
        reading.sampling(completion(logit_bias={"100": 1}), -1, 100)


def test_choices_of_one_seed_differ() -> None:
    assert [one.seed for one in reading.choice_seeds(Sampling(seed=4), 3)] == [4, 5, 6]
    assert [one.seed for one in reading.choice_seeds(Sampling(), 2)] == [None, None]


def test_stops_are_one_text_or_several() -> None:
    assert reading.stops(completion(stop="a")) == ("a",)
    assert reading.stops(completion(stop=["a", ""])) == ("a",)
    assert reading.stops(completion()) == ()
    with pytest.raises(FieldError, match="stop"):
        reading.stops(completion(stop="x" * 1025))


def test_prompts_are_texts_or_tokens() -> None:
    assert reading.prompts(completion(prompt="a")) == ["a"]
    assert reading.prompts(completion(prompt=[1, 2])) == [[1, 2]]
    assert reading.prompts(completion(prompt=["a", [1]])) == ["a", [1]]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [True]}, "prompt"),
        ({"prompt": ["a"] * 10, "n": 16}, "n"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_prompts_and_fields_that_are_not_taken(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(FieldError) as caught:
        reading.prompts(completion(**({"prompt": "x"} | fields)))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("content", "param", "message"),
    [
        (b"{", "", "body: not valid JSON"),
        (b"[]", "", "xpected `object`, got `array`"),
        (b'{"model": "m"}', "messages", "messages: object missing required field `messages`"),
        (b'{"model": "m", "messages": [{"content": "x"}]}', "messages[0].role", "messages[0].role: object missing"),
        (b'{"model": 7, "messages": []}', "model", "model: expected `str`, got `int`"),
        (b'{"model": "\xff"}', "", "body: not valid JSON"),
    ],
)
def test_wrong_bodies_name_the_field(content: bytes, param: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        reading.body(content, Chat)
    assert caught.value.param == param
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (FieldError("n", "x"), 400, "invalid_request_error", None),
        (BadRequestError("x"), 400, "invalid_request_error", None),
        (ContextLengthError("x"), 400, "invalid_request_error", "context_length_exceeded"),
        (ModelNotFoundError("x"), 404, "invalid_request_error", "model_not_found"),
        (BodyTooLargeError("x"), 400, "invalid_request_error", None),
        (OverloadedError("x"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (NotReadyError("x"), 503, "server_error", None),
        (DeadlineExceededError("x"), 503, "server_error", "timeout"),
    ],
)
def test_errors_have_documented_codes_only(error: RequestError, status: int, kind: str, code: str | None) -> None:
    assert failures.status(error) == status
    found = failures.document(error)["error"]
    assert (found["type"], found["code"], found["message"]) == (kind, code, "x")


def test_embeddings_are_shortened_to_length_one() -> None:
    rows = np.array([[3.0, 4.0, 5.0], [0.0, 0.0, 1.0]], np.float32)
    assert vectors.shortened(rows, 2).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]
    assert vectors.shortened(rows, 3) is rows
    with pytest.raises(FieldError, match="embeddings have 3"):
        vectors.shortened(rows, 4)


def test_embeddings_come_in_both_encodings() -> None:
    rows = np.array([[1.0, 2.0]], np.float32)
    plain = vectors.document(Embedding(model="m", input="x"), rows, 1)
    assert plain["data"][0]["embedding"].tolist() == [1.0, 2.0]
    packed = vectors.document(Embedding(model="m", input="x", encoding_format="base64"), rows, 1)
    assert packed["data"][0]["embedding"] == "AACAPwAAAEA="
