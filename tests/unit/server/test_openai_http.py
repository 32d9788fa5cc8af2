"""The OpenAI API through OpenAI's own client, on a real server with a tiny real decoder."""

import base64
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from modelyard_server.engines import registry
from modelyard_server.package.card import ModelCard, TensorSpec
from modelyard_server.protocol.generate import Parameters
from modelyard_server.settings import Settings
from unit.server import live, tiny_llm
from unit.server.live import LiveServer, Reply

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    root = tmp_path_factory.mktemp("llm")
    tiny_llm.write(root / "tiny")
    tiny_llm.write(root / "plain", template=None)
    tiny_llm.write(root / "silent", template="{{ messages[0].content }}")
    registry.ENGINES.update(live.ECHO | {"vectors": "unit.server.embedding_engine"})  # type: ignore[attr-defined]
    card = ModelCard(
        name="vectors", version="1", format="vectors",
        inputs=(TensorSpec(name="text", datatype="BYTES", shape=(-1,)),),
        outputs=(TensorSpec(name="embedding", datatype="FP32", shape=(-1, 3)),),
    )  # fmt: skip
    live.write_package(root / "vectors", card)
    live.write_package(root / "echo", live.echo_card())
    settings = Settings(
        model=Path("/nowhere"), repository=root, precision="float32", threads=1, max_sequences=4, max_waiting=8
    )
    running = LiveServer(settings)
    yield running
    running.stop()


@pytest.fixture(scope="module", params=["/v1", "/openai/v1"])
def client(request: pytest.FixtureRequest, server: LiveServer) -> Iterator[openai.OpenAI]:
    base = f"http://127.0.0.1:{server.port}{request.param}"
    with openai.OpenAI(base_url=base, api_key="none", max_retries=0, timeout=20) as made:
        yield made


def post(server: LiveServer, path: str, body: Any) -> Reply:
    return server.request("POST", path, body)


def events(reply: Reply) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in reply.body.split(b"\n\n") if line]
    return [line.decode() if line == b"[DONE]" else json.loads(line) for line in lines]


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=6, temperature=0)
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in {"length", "stop"}
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len("user: helloassistant: ") + 3
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert (answer.model, answer.object) == ("tiny", "chat.completion")
    assert answer.id.startswith("chatcmpl-")


def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI) -> None:
    how: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 12, "temperature": 1, "seed": 3}
    whole = client.chat.completions.create(**how)
    chunks = list(client.chat.completions.create(**how, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_prompt_that_was_seen_is_cached(client: openai.OpenAI) -> None:
    for _ in range(2):
        answer = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=1, temperature=0)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == answer.usage.prompt_tokens - 1


def test_several_choices_differ_and_share_their_prompt(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=8, n=3, seed=5)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 25
    chunks = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=8, n=3, seed=5, stream=True)
    texts = ["", "", ""]
    for chunk in chunks:
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [choice.message.content for choice in answer.choices]


def test_log_probabilities_come_with_the_likeliest_tokens(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=3, temperature=0, logprobs=True, top_logprobs=2
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    first = logprobs.content[0]
    assert first.logprob == first.top_logprobs[0].logprob > first.top_logprobs[1].logprob
    assert first.token == first.top_logprobs[0].token


def test_completions_of_several_prompts_come_in_order(client: openai.OpenAI) -> None:
    prompts: Any = ["one", [70, 71]]
    answer = client.completions.create(model="plain", prompt=prompts, max_tokens=4, n=2, echo=True, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in answer.choices[:2]] == ["one", "one"]
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 5


def test_a_stream_of_a_completion_says_the_same(client: openai.OpenAI) -> None:
    how: dict[str, Any] = {"model": "plain", "prompt": "one", "max_tokens": 6, "temperature": 0, "logprobs": 1}
    whole = client.completions.create(**how)
    chunks = list(client.completions.create(**how, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert whole.choices[0].logprobs is not None
    assert whole.choices[0].logprobs.tokens is not None
    assert len(whole.choices[0].logprobs.tokens) == 6
    assert chunks[-1].usage is not None


def test_a_bias_forces_a_token(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="plain", prompt="x", max_tokens=3, temperature=0, logit_bias={"40": 100})
    assert answer.choices[0].text == tiny_llm.tokenizer().decode([40, 40, 40])


def test_an_answer_follows_a_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
              "additionalProperties": False}  # fmt: skip
    answer = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=200, temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    )  # fmt: skip
    content = json.loads(answer.choices[0].message.content or "")
    assert isinstance(content["ok"], bool)


def test_a_schema_that_is_none_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="response_format"):
        client.chat.completions.create(
            model="tiny", messages=HELLO,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}},
        )  # fmt: skip


ADD: Any = {"type": "function", "function": {"name": "add", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["a"],
    "additionalProperties": False}}}  # fmt: skip


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
def test_a_demanded_call_is_made(client: openai.OpenAI, choice: Any) -> None:
    how: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 200, "temperature": 0}
    answer = client.chat.completions.create(**how, tools=[ADD], tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "add"
    assert json.loads(call.function.arguments)["a"] in range(10)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_call_is_not_demanded_of_a_model_that_knows_none(server: LiveServer) -> None:
    body = {"model": "silent", "messages": HELLO, "tools": [ADD], "tool_choice": "required"}
    reply = post(server, "/v1/chat/completions", body)
    assert reply.status == 400
    assert "shows no way to call" in reply.json["error"]["message"]


def test_models_are_listed(client: openai.OpenAI, server: LiveServer) -> None:
    assert sorted(model.id for model in client.models.list()) == ["echo", "plain", "silent", "tiny", "vectors"]
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")
    assert server.request("GET", "/v1/models/tiny").json["ready"] is True
    assert server.request("GET", "/v1/models").json["models"] == ["echo", "plain", "silent", "tiny", "vectors"]


def test_embeddings_come_as_numbers_and_as_base64(client: openai.OpenAI, server: LiveServer) -> None:
    found = client.embeddings.create(model="vectors", input=["AB", "C"])
    assert [item.embedding for item in found.data] == [[2, 65, 66], [1, 67, 0]]
    assert found.usage.prompt_tokens == 2
    shorter = client.embeddings.create(model="vectors", input="\x04", dimensions=2, encoding_format="float")
    assert shorter.data[0].embedding == pytest.approx([1 / 17**0.5, 4 / 17**0.5])
    raw = post(server, "/v1/embeddings", {"model": "vectors", "input": "AB", "encoding_format": "base64"}).json
    assert struct.unpack("<3f", base64.b64decode(raw["data"][0]["embedding"])) == (2, 65, 66)


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("chat/completions", {"model": "nobody", "messages": HELLO}, 404, "model_not_found", "'nobody' is not served"),
        ("chat/completions", {"model": "echo", "messages": HELLO}, 400, None, "does not generate text"),
        ("chat/completions", {"model": "plain", "messages": HELLO}, 400, None, "has no chat template"),
        ("chat/completions", {"model": "tiny"}, 400, None, "missing required field `messages`"),
        ("chat/completions", {"model": "tiny", "messages": HELLO, "temperature": 3}, 400, None, "temperature: "),
        ("chat/completions", {"model": "tiny", "messages": HELLO, "n": 99}, 400, None, "n: "),
        ("chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "x" * 300}]}, 400,
         "context_length_exceeded", "may have 256 together"),
        ("chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": "x" * 40_000}]}, 400,
         "context_length_exceeded", "characters"),
        ("chat/completions", {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400,
         None, "'image_url' is not taken"),
        ("completions", {"model": "plain", "prompt": [999]}, 400, None, "999 is not a token"),
        ("completions", {"model": "plain", "prompt": ["x"] * 65}, 400, None, "65 prompts, at most 64"),
        ("completions", {"model": "plain", "prompt": "x", "logit_bias": {"a": 1}}, 400, None, "'a' is not a token"),
        ("embeddings", {"model": "tiny", "input": "x"}, 400, None, "gives no embeddings"),
        ("embeddings", {"model": "vectors", "input": "x", "dimensions": 9}, 400, None, "dimensions: 9"),
        ("embeddings", {"model": "vectors", "input": []}, 400, None, "input: "),
    ],
)  # fmt: skip
def test_wrong_requests_get_an_error_object(
    server: LiveServer, path: str, body: Any, status: int, code: str | None, message: str
) -> None:
    reply = post(server, f"/v1/{path}", body)
    assert reply.status == status
    error = reply.json["error"]
    assert message in error["message"]
    assert (error["code"], error["type"]) == (code, "invalid_request_error")


def test_a_body_that_is_no_json_is_refused(server: LiveServer) -> None:
    reply = post(server, "/v1/chat/completions", b"{")
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


def test_too_many_answers_at_once_are_429(server: LiveServer) -> None:
    body = {"model": "tiny", "messages": HELLO, "n": 16, "max_tokens": 1}
    reply = post(server, "/v1/chat/completions", body)
    assert (reply.status, reply.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert reply.headers["retry-after"] == "1"


def test_generate_answers_and_streams(server: LiveServer) -> None:
    body = {"text_input": "abc", "id": "7", "parameters": {"max_tokens": 5}}
    whole = post(server, "/v2/models/tiny/generate", body)
    assert whole.status == 200
    assert (whole.json["id"], whole.json["model_name"], whole.json["model_version"]) == ("7", "tiny", "1")
    stream = post(server, "/v2/models/tiny/versions/1/generate_stream", body)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "".join(event["text_output"] for event in events(stream)) == whole.json["text_output"]
    echoed = post(server, "/v2/models/tiny/generate", {**body, "exclude_input_in_output": False})
    assert echoed.json["text_output"] == "abc" + whole.json["text_output"]


def test_wrong_generate_requests_are_told_why(server: LiveServer) -> None:
    assert post(server, "/v2/models/tiny/generate", {}).status == 400
    reply = post(server, "/v2/models/tiny/generate", {"text_input": "x", "parameters": {"max_tokens": 0}})
    assert (reply.status, reply.json["error"][:22]) == (400, "parameters: max_tokens")
    for path in ("generate", "generate_stream", "versions/3/generate"):
        no_text = post(server, f"/v2/models/echo/{path}", {"text_input": "x"})
        assert (no_text.status, no_text.json["error"][:30]) == (404, "model 'echo' generates no text")
    assert "server has" in post(server, "/v2/models/nobody/generate", {"text_input": "x"}).json["error"]
    assert post(server, "/v2/models/tiny/generate", {"text_input": "x" * 400}).status == 400


def test_generate_is_in_the_openapi_document_with_what_its_parser_takes(server: LiveServer) -> None:
    document = server.request("GET", "/openapi.json").json
    for path in ("/v2/models/{model}/generate", "/v2/models/{model}/versions/{version}/generate_stream"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/GenerateRequest"}
    asked = document["components"]["schemas"]["GenerateRequest"]
    assert asked["required"] == ["text_input"]
    assert set(asked["properties"]) == {"text_input", "id", "parameters", *Parameters.__struct_fields__}
    answers = document["paths"]["/v2/models/{model}/generate_stream"]["post"]["responses"]
    assert list(answers["200"]["content"]) == ["text/event-stream"]


def test_the_tensor_protocols_answer_rows_of_texts(server: LiveServer) -> None:
    tensor = {"name": "text_input", "shape": [2], "datatype": "BYTES", "data": ["abc", "xyz"]}
    reply = post(server, "/v2/models/tiny/infer", {"inputs": [tensor]})
    assert reply.status == 200
    assert reply.json["outputs"][0]["shape"] == [2]
    one = post(server, "/v1/models/tiny:predict", {"instances": ["abc"]})
    assert one.json["predictions"][0] == reply.json["outputs"][0]["data"][0]
    many = {**tensor, "shape": [65], "data": ["a"] * 65}
    assert post(server, "/v2/models/tiny/infer", {"inputs": [many]}).status == 400


def test_figures_of_generation_are_exported(server: LiveServer) -> None:
    body = {"text_input": "figures", "parameters": {"max_tokens": 4}}
    assert post(server, "/v2/models/tiny/generate", body).status == 200
    text = server.request("GET", "/metrics").body.decode()
    names = ("generated_tokens_total", "prompt_tokens_total", "time_to_first_token_seconds_count",
             "inter_token_seconds_count", "running_sequences", "waiting_sequences", "kv_cache_usage_ratio")  # fmt: skip
    for name in names:
        assert f'modelyard_server_{name}{{model="tiny",version="1"}}' in text
    assert 'protocol="openai"' in text


def test_a_client_that_goes_frees_its_slot(server: LiveServer) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 200, "ignore_eos": True, "stream": True}
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="tiny", messages=HELLO, max_tokens=220, stream=True, extra_body={"ignore_eos": True}
        )
        next(stream)
        stream.close()
    generator = server.service.models.find("tiny").generator
    assert generator is not None
    assert post(server, "/v1/chat/completions", {**body, "stream": False, "max_tokens": 1}).status == 200
    deadline = time.monotonic() + 10
    while generator.running or server.service.inflight:
        assert time.monotonic() < deadline, "the answer goes on"
        server.request("GET", "/v2/health/live")


def test_a_model_answers_to_its_aliases(tmp_path: Path) -> None:
    tiny_llm.write(tmp_path / "tiny")
    settings = Settings(model=tmp_path / "tiny", name="tiny", aliases=("team/tiny",), precision="float32", threads=1)
    running = LiveServer(settings)
    try:
        bodies = {
            name: {"model": name, "prompt": "hello", "max_tokens": 2} for name in ("tiny", "team/tiny", "other/tiny")
        }
        answers = {name: post(running, "/v1/completions", body).status for name, body in bodies.items()}
    finally:
        running.stop()
    assert answers == {"tiny": 200, "team/tiny": 200, "other/tiny": 404}
