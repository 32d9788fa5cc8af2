"""Clauses of KServe's V1 protocol. A server that has no /v1/models does not support it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from modelyard_conformance.checks import good
from modelyard_conformance.clauses import InapplicableError, UnsupportedError, clause, expect
from modelyard_conformance.target import Target
from modelyard_conformance.tensors import nested
from modelyard_conformance.wire import Answer


def _clause(name: str, text: str) -> Callable[[Callable[[Target], None]], None]:
    def add(check: Callable[[Target], None]) -> None:
        @clause(f"v1.{name}", text)
        def judged(target: Target) -> None:
            answer = target.wire.get("/v1/models")
            if answer.status in (404, 405, 501):
                raise UnsupportedError(f"GET /v1/models: {answer.seen}")
            check(target)

    return add


def _path(target: Target, verb: str = "") -> str:
    return f"/v1/models/{quote(target.model, safe='')}{verb}"


def _instances(target: Target) -> list[Any]:
    """A row each; objects by input where the model has several."""
    rows = {one.name: nested(one) for one in target.samples()}
    if len(rows) == 1:
        return list(next(iter(rows.values())))
    return [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]


def _failed(answer: Answer) -> None:
    expect(answer.status >= 400, f"it was not refused: {answer.seen}")


@_clause("list", 'GET /v1/models answers {"models": […]} with the names of the models')
def _(target: Target) -> None:
    found = good(target.wire.get("/v1/models")).get("models")
    expect(isinstance(found, list) and target.model in found, f"models is {found!r}")


@_clause("ready", 'GET /v1/models/NAME answers {"name": its name, "ready": true}')
def _(target: Target) -> None:
    document = good(target.wire.get(_path(target)))
    expect(document.get("name") == target.model, f"{document}")
    expect(str(document.get("ready")).lower() == "true", f"{document}")


@_clause("ready.unknown", "a model that is not there has an HTTP error status")
def _(target: Target) -> None:
    _failed(target.wire.get("/v1/models/no-such-model"))


@_clause("predict", 'POST …:predict of {"instances": […]} answers {"predictions": […]}, one for each instance')
def _(target: Target) -> None:
    instances = _instances(target)
    found = good(target.wire.post(_path(target, ":predict"), {"instances": instances})).get("predictions")
    expect(isinstance(found, list), f"predictions is {found!r}")
    expect(len(found or []) == len(instances), f"{len(found or [])} predictions for {len(instances)} instances")


@_clause("predict.unknown", "a prediction by a model that is not there has an HTTP error status")
def _(target: Target) -> None:
    _failed(target.wire.post("/v1/models/no-such-model:predict", {"instances": _instances(target)}))


@_clause("predict.json", "a body that is not JSON has an HTTP error status")
def _(target: Target) -> None:
    _failed(target.wire.exchange("POST", _path(target, ":predict"), b'{"instances": ['))


@_clause("predict.instances", "a body without instances or inputs has an HTTP error status")
def _(target: Target) -> None:
    _failed(target.wire.post(_path(target, ":predict"), {"examples": []}))


@_clause("explain", 'POST …:explain, where it is supported, answers with "explanations"')
def _(target: Target) -> None:
    answer = target.wire.post(_path(target, ":explain"), {"instances": _instances(target)})
    if answer.status in (404, 405, 501):
        raise UnsupportedError(answer.seen)
    if answer.status == 400:
        raise InapplicableError(answer.seen)
    expect("explanations" in good(answer), answer.seen)
