"""Clauses of the model repository extension over REST. The model is unloaded and loaded again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelyard_conformance.checks import refused, request, result
from modelyard_conformance.clauses import InapplicableError, UnsupportedError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.wire import Answer

EXTENSION = "model_repository"
ABSENT = frozenset({404, 405, 501})
"""Statuses of a server that does not have a path, or that is not set up for it."""


def _path(target: Target, verb: str) -> str:
    return f"/v2/repository/models/{target.model}/{verb}"


def _clause(name: str, text: str, need: Callable[[Target], Answer]) -> Callable[[Callable[[Target], None]], None]:
    """A clause of a server that has the path that `need` asks."""

    def add(check: Callable[[Target], None]) -> None:
        @clause(f"repository.{name}", text)
        def judged(target: Target) -> None:
            answer = need(target)
            if answer.status in ABSENT:
                raise UnsupportedError(answer.seen)
            check(target)

    return add


def _index(target: Target) -> Answer:
    return target.wire.post("/v2/repository/index", {})


def _load(target: Target) -> Answer:
    return target.wire.exchange("POST", _path(target, "load"))


@_clause("metadata", f"the server's metadata name {EXTENSION}", _index)
def _(target: Target) -> None:
    expect(EXTENSION in target.extensions, f"extensions are {sorted(target.extensions)}")


@_clause("index", "POST /v2/repository/index lists models by name and state", _index)
def _(target: Target) -> None:
    for entry in _entries(_index(target)):
        expect(isinstance(entry.get("name"), str), f"{entry}")
        expect(isinstance(entry.get("state"), str), f"{entry}")
        for field in ("version", "reason"):
            expect(isinstance(entry.get(field, ""), str), f"{field} is {entry.get(field)!r}")


@_clause("index.model", "the index holds the model that serves, as READY", _index)
def _(target: Target) -> None:
    states = [one["state"] for one in _entries(_index(target)) if one["name"] == target.model]
    expect("READY" in states, f"states of {target.model} are {states}")


@_clause("index.ready", 'with {"ready": true} the index lists ready models only', _index)
def _(target: Target) -> None:
    entries = _entries(target.wire.post("/v2/repository/index", {"ready": True}))
    expect(all(one["state"] == "READY" for one in entries), f"{entries}")


@_clause("load", "POST …/load of a loaded model loads it anew and answers 200, also with an empty body", _load)
def _(target: Target) -> None:
    answer = _load(target)
    expect(answer.status == 200, answer.seen)
    result(target)


@_clause("load.object", "a load may have an object with parameters", _load)
def _(target: Target) -> None:
    answer = target.wire.post(_path(target, "load"), {"parameters": {}})
    expect(answer.status == 200, answer.seen)


@_clause("load.unknown", "a load of a model that is not there is refused", _load)
def _(target: Target) -> None:
    refused(target.wire.exchange("POST", "/v2/repository/models/no-such-model/load"))


@_clause("unload.unknown", "an unload of a model that is not there is refused", _load)
def _(target: Target) -> None:
    refused(target.wire.exchange("POST", "/v2/repository/models/no-such-model/unload"))


@_clause("unload", "after POST …/unload the model is not ready and inference is refused; a load brings it back", _load)
def _(target: Target) -> None:
    answer = target.wire.exchange("POST", _path(target, "unload"))
    expect(answer.status == 200, answer.seen)
    ready = target.wire.get(f"{target.path}/ready")
    asked = target.infer(request(target.samples()))
    listed = [one["state"] for one in _after_unload(target)]
    again = _load(target)
    expect(again.status == 200, f"the load after the unload: {again.seen}")
    result(target)
    expect(ready.status >= 400 or ready.json.get("ready") is False, f"/ready after the unload: {ready.seen}")
    refused(asked)
    expect("READY" not in listed, f"the index says {listed} after the unload")


def _after_unload(target: Target) -> list[dict[str, Any]]:
    answer = _index(target)
    if answer.status in ABSENT:
        return []
    return [one for one in _entries(answer) if one["name"] == target.model]


def _entries(answer: Answer) -> list[dict[str, Any]]:
    expect(answer.status == 200, answer.seen)
    found = answer.json
    expect(isinstance(found, list) and all(isinstance(one, dict) for one in found), answer.seen)
    if not found:
        raise InapplicableError("the index is empty")
    return list(found)
