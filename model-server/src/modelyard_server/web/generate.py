"""V2 generate and generate_stream of one version of one model."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelyard_server.batching.jobs import Receive
from modelyard_server.errors import RequestError
from modelyard_server.generation.requests import Piece, Request, Sampling
from modelyard_server.lifecycle import Lifecycle
from modelyard_server.models.served import Served
from modelyard_server.protocol import generate
from modelyard_server.protocol.generate import GenerateRequest
from modelyard_server.web import body as bodies
from modelyard_server.web import prompts, texts
from modelyard_server.web.body import Scope
from modelyard_server.web.inference import PASSED, Handler, Send

Document = dict[str, Any]


class Errors:
    """Errors of V2 on these routes."""

    def status(self, error: RequestError) -> int:
        """As it is."""
        return error.status

    def document(self, error: RequestError) -> Document:
        """The protocol's error body."""
        return {"error": str(error)}


class Reply:
    """Whole texts, or what each piece adds."""

    def __init__(self, served: Served, asked: GenerateRequest) -> None:
        self._head: Document = {"model_name": served.name, "model_version": served.version}
        if asked.id is not None:
            self._head = {"id": asked.id, **self._head}
        self._echo = "" if asked.parameters.exclude_input_in_output else asked.text

    def whole(self, pieces: Sequence[Sequence[Piece]]) -> Document:
        """One document."""
        return {**self._head, "text_output": self._echo + "".join(piece.text for piece in pieces[0])}

    def begin(self) -> list[Document]:
        """The prompt, if it shall be repeated."""
        return [{**self._head, "text_output": self._echo}] if self._echo else []

    def chunks(self, _number: int, piece: Piece) -> list[Document]:
        """One document for each piece."""
        return [{**self._head, "text_output": piece.text}]

    def end(self) -> list[Document]:
        """Nothing."""
        return []


class Generate:
    """The two routes."""

    def __init__(self, served: Served, lifecycle: Lifecycle, limits: tuple[int, int]) -> None:
        self._served = served
        self._lifecycle = lifecycle
        self._max_body_bytes, self._max_tokens = limits

    def routes(self, place: str) -> Mapping[str, Handler]:
        """Handlers by path below a model's own."""
        errors = Errors()
        return {
            f"{place}/generate": texts.guarded("v2", errors, self._whole),
            f"{place}/generate_stream": texts.guarded("v2", errors, self._stream),
        }

    async def _whole(self, scope: Scope, receive: Receive, send: Send, account: texts.Account) -> int:
        return await self._answer(scope, (receive, send), account, stream=False)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, account: texts.Account) -> int:
        return await self._answer(scope, (receive, send), account, stream=True)

    async def _answer(
        self, scope: Scope, channel: tuple[Receive, Send], account: texts.Account, *, stream: bool
    ) -> int:
        served, (receive, send) = self._served, channel
        account.enter(served)
        head = bodies.head(scope, self._max_body_bytes)
        asked = generate.parse(await bodies.read(receive, self._max_body_bytes, self._lifecycle))
        generator = served.generator
        assert generator is not None  # noqa: S101 (the route exists for those that have one)
        how = asked.parameters
        request = Request(
            prompt=tuple(await prompts.tokens(generator, asked.text, special=True)),
            max_tokens=how.max_tokens or self._max_tokens,
            sampling=Sampling(
                temperature=how.temperature, top_p=how.top_p, top_k=how.top_k, seed=how.seed,
                presence_penalty=how.presence_penalty, frequency_penalty=how.frequency_penalty,
            ),
            stop=how.stops,
            timeout=head.timeout,
        )  # fmt: skip
        generations = generator.submit([request])
        exchange = texts.Exchange(served, generations, Reply(served, asked), stream, passed=scope.get(PASSED))
        return await texts.respond(exchange, receive, send, Errors())
