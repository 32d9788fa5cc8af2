"""The OpenAI API at `/v1` and, as KServe has it, at `/openai/v1`."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence

import numpy as np
import orjson

from modelyard_server.batching.jobs import Receive
from modelyard_server.errors import BadRequestError, NotFoundError
from modelyard_server.generation.generator import Generator
from modelyard_server.generation.requests import Constraint, Request
from modelyard_server.models.served import Served
from modelyard_server.openai import failures, messages, reading, tools, vectors
from modelyard_server.openai.answers import Head
from modelyard_server.openai.bodies import Chat, Completion, Embedding, Sampled
from modelyard_server.openai.failures import ModelNotFoundError
from modelyard_server.openai.reading import FieldError
from modelyard_server.openai.replies import ChatReply, CompletionReply, Options
from modelyard_server.service import ModelService
from modelyard_server.web import body as bodies
from modelyard_server.web import prompts
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import JSON, PASSED, Handler, Send
from modelyard_server.web.texts import Account, Exchange, guarded, respond, send_body

PREFIXES = ("/v1", "/openai/v1")
CALLS = ("/chat/completions", "/completions", "/embeddings")
PATHS = frozenset(prefix + call for prefix in PREFIXES for call in CALLS)
DONE = b"data: [DONE]\n\n"


class OpenAi:
    """All POST routes of the API."""

    def __init__(self, service: ModelService) -> None:
        self._service = service
        self._max_tokens = service.settings.max_answer_tokens

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by path."""
        handlers = [guarded("openai", failures, one) for one in (self._chat, self._completion, self._embed)]
        return {prefix + path: one for prefix in PREFIXES for path, one in zip(CALLS, handlers, strict=True)}

    async def _chat(self, scope: Scope, receive: Receive, send: Send, account: Account) -> int:
        content, timeout = await self._read(scope, receive)
        asked = reading.body(content, Chat)
        served, generator = self._generator(asked.model, account)
        template = generator.model.template
        if template is None:
            raise BadRequestError(f"model {asked.model!r} has no chat template; use /v1/completions")
        functions, demanded = messages.tools(asked), messages.demanded(asked)
        calls = bool(functions) and tools.convention(template.source)
        if demanded and not calls:
            message = (
                f"tool_choice: the template of {asked.model!r} shows no way to call; leave the choice to the model"
            )
            raise FieldError("tool_choice", message)
        prompt = await prompts.tokens(generator, template.render(messages.plain(asked), functions), special=False)
        wanted = asked.top_logprobs or 0 if asked.logprobs else -1
        limit = asked.max_completion_tokens or asked.max_tokens or self._max_tokens
        requests = await self._requests(asked, generator, (prompt, limit, timeout, wanted))
        generations = generator.submit(requests)
        how = Options(generator.model.tokenizer.piece, _new_id, wanted >= 0, asked.include_usage, calls)
        reply = ChatReply(_head("chatcmpl", asked, served), [one.usage for one in generations], how)
        exchange = Exchange(served, generations, reply, bool(asked.stream), DONE, scope.get(PASSED))
        return await respond(exchange, receive, send, failures)

    async def _completion(self, scope: Scope, receive: Receive, send: Send, account: Account) -> int:
        content, timeout = await self._read(scope, receive)
        asked = reading.body(content, Completion)
        served, generator = self._generator(asked.model, account)
        wanted = -1 if asked.logprobs is None else asked.logprobs
        limit = asked.max_tokens or min(16, self._max_tokens)
        beginnings = [await _prompt(generator, one) for one in reading.prompts(asked)]
        requests = []
        for prompt in beginnings:
            requests += await self._requests(asked, generator, (prompt, limit, timeout, wanted))
        generations = generator.submit(requests)
        tokenizer = generator.model.tokenizer
        echoes = [tokenizer.decode(prompt) for prompt in beginnings] if asked.echo else ()
        how = Options(tokenizer.piece, _new_id, wanted >= 0, asked.include_usage, False, echoes, asked.n or 1)
        reply = CompletionReply(_head("cmpl", asked, served), [one.usage for one in generations], how)
        exchange = Exchange(served, generations, reply, bool(asked.stream), DONE, scope.get(PASSED))
        return await respond(exchange, receive, send, failures)

    async def _embed(self, scope: Scope, receive: Receive, send: Send, account: Account) -> int:
        content, timeout = await self._read(scope, receive)
        asked = reading.body(content, Embedding)
        served = self._find(asked.model, account)
        name = embedding_input(served)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        rows = np.empty((len(texts),), np.object_)
        rows[:] = [text.encode("utf-8", "surrogatepass") for text in texts]
        outputs = await served.batcher.submit({name: rows}, len(texts), receive, timeout, scope.get(PASSED))
        document = vectors.document(asked, outputs["embedding"], sum(len(text.split()) for text in texts))
        await send_body(send, 200, [JSON], orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
        return 200

    async def _read(self, scope: Scope, receive: Receive) -> tuple[bytes, float | None]:
        limit = self._service.settings.max_body_bytes
        head = bodies.head(scope, limit)
        return await bodies.read(receive, limit, self._service.lifecycle), head.timeout

    def _find(self, name: str, account: Account) -> Served:
        try:
            served = self._service.models.find_for_request(self._service.called(name))
        except NotFoundError as error:
            raise ModelNotFoundError(str(error)) from error
        account.enter(served)
        return served

    def _generator(self, name: str, account: Account) -> tuple[Served, Generator]:
        served = self._find(name, account)
        if served.generator is None:
            raise FieldError("model", f"model {name!r} does not generate text; it answers at /v2/models/{name}/infer")
        return served, served.generator

    async def _requests(
        self, asked: Sampled, generator: Generator, told: tuple[Sequence[int], int, float | None, int]
    ) -> list[Request]:
        """One for each choice; `told` are prompt, limit of tokens, timeout and number of log probabilities."""
        prompt, limit, timeout, wanted = told
        sampling = reading.sampling(asked, wanted, generator.model.tokenizer.size)
        return [
            Request(
                prompt=tuple(prompt), max_tokens=limit, sampling=one, stop=reading.stops(asked),
                ignore_end=bool(asked.ignore_eos), timeout=timeout,
                constraint=await _constraint(generator, asked) if isinstance(asked, Chat) else None,
            )
            for one in reading.choice_seeds(sampling, asked.n or 1)
        ]  # fmt: skip


async def _constraint(generator: Generator, asked: Chat) -> Constraint | None:
    if demanded := messages.demanded(asked):
        marks = (tools.OPEN, tools.CLOSE)
        return await asyncio.to_thread(generator.grammars.of_call, tools.schema(demanded), marks)
    form = asked.response_format
    if form is None or form.type == "text":
        return None
    if form.type == "json_schema" and form.json_schema is None:
        raise FieldError("response_format", "response_format: json_schema is missing")
    schema = form.json_schema.schema if form.json_schema is not None else {"type": "object"}
    return await asyncio.to_thread(generator.grammars.of_schema, schema)


async def _prompt(generator: Generator, prompt: str | list[int]) -> Sequence[int]:
    if isinstance(prompt, str):
        return await prompts.tokens(generator, prompt, special=True)
    size = generator.model.tokenizer.size
    if max(prompt) >= size:
        raise FieldError("prompt", f"prompt: {max(prompt)} is not a token; tokens are 0 to {size - 1}")
    return prompt


def embedding_input(served: Served) -> str:
    """The input of a model that gives embeddings of texts. Raises FieldError for any other."""
    inputs, outputs = served.signature.inputs, served.signature.outputs
    texts = len(inputs) == 1 and inputs[0].datatype == "BYTES" and inputs[0].shape == (-1,)
    given = any(one.name == "embedding" and one.datatype == "FP32" and len(one.shape) == 2 for one in outputs)
    if not (texts and given):
        message = "gives no embeddings; it would need one BYTES input of [-1] and an FP32 output `embedding` of [-1, d]"
        raise FieldError("model", f"model {served.name!r} {message}")
    return inputs[0].name


def _head(kind: str, asked: Sampled, served: Served) -> Head:
    digest = served.package.digest.removeprefix("sha256:")[:12] or "unsealed"
    return Head(f"{kind}-{_new_id()}", int(time.time()), asked.model, f"fp_{digest}")


def _new_id() -> str:
    return secrets.token_hex(12)
