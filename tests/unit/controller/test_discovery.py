"""Whether the API server serves the kinds of dynamic resource allocation: asked once, and again when in doubt."""

import asyncio

import pytest

from modelyard_operator.kube import discovery
from modelyard_operator.kube.discovery import Discovery
from modelyard_operator.kube.errors import ApiError, NotFoundError
from modelyard_operator.kube.transport import Request


class Server:
    """An API server that gives these answers, the last one for ever."""

    def __init__(self, *answers: ApiError | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def send(self, request: Request) -> bytes:
        self.asked.append(request.path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return b"{}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a pause."""
    monkeypatch.setattr(discovery, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(discovery, "ASK_SECONDS", 0.0)


def asking(server: Server) -> Discovery:
    return Discovery(server)  # type: ignore[arg-type]


NOT_SERVED = NotFoundError(404, "the server could not find the requested resource")
AWAY = ApiError(503, "service unavailable")


async def test_a_group_that_is_served_is_asked_for_once() -> None:
    server = Server(None)
    found = asking(server)
    await found.run()
    assert server.asked == ["/apis/resource.k8s.io/v1"]
    assert (found.asked.is_set(), found.served.is_set()) == (True, True)


async def test_a_group_that_is_not_served_is_known_not_to_be_and_asked_for_again_only_in_doubt() -> None:
    server = Server(NOT_SERVED, None)
    found = asking(server)
    running = asyncio.create_task(found.run())
    await found.asked.wait()
    assert (found.served.is_set(), len(server.asked)) == (False, 1)
    found.doubt()
    await running
    assert (found.served.is_set(), len(server.asked)) == (True, 2)


async def test_a_server_that_is_away_is_asked_until_it_answers() -> None:
    server = Server(AWAY, AWAY, None)
    found = asking(server)
    await found.run()
    assert len(server.asked) == 3
