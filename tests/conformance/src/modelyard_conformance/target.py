"""The server and the model under test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from modelyard_conformance.tensors import Declared, Tensor, sample
from modelyard_conformance.wire import Answer, Wire


class NoTargetError(Exception):
    """There is no server, or no model that could be asked."""


@dataclass(frozen=True)
class Target:
    """What the clauses ask."""

    wire: Wire
    model: str
    metadata: dict[str, Any]
    extensions: frozenset[str]
    grpc: str = ""
    """HOST:PORT, or nothing."""

    @property
    def path(self) -> str:
        """The model's path over REST."""
        return f"/v2/models/{quote(self.model, safe='')}"

    @property
    def inputs(self) -> list[Declared]:
        """Inputs as the metadata declares them."""
        return _declared(self.metadata["inputs"])

    @property
    def outputs(self) -> list[Declared]:
        """Outputs likewise."""
        return _declared(self.metadata["outputs"])

    @property
    def versions(self) -> list[str]:
        """The versions that may be asked for."""
        return list(self.metadata.get("versions") or [])

    def samples(self) -> list[Tensor]:
        """A tensor for each input."""
        return [sample(one) for one in self.inputs]

    def infer(self, document: object) -> Answer:
        """One inference request."""
        return self.wire.post(f"{self.path}/infer", document)


def _declared(entries: list[dict[str, Any]]) -> list[Declared]:
    return [Declared(one["name"], one["datatype"], tuple(int(size) for size in one["shape"])) for one in entries]


def find(wire: Wire, model: str, grpc: str) -> Target:
    """Read the metadata. Raises NoTargetError when the server or the model cannot be read."""
    try:
        server = wire.get("/v2")
        if server.status >= 300:
            server = wire.get("/v2/")
        name = model or _first(wire)
        answer = wire.get(f"/v2/models/{quote(name, safe='')}")
    except OSError as error:
        raise NoTargetError(f"no server answers: {error}") from error
    if answer.status != 200:
        raise NoTargetError(f"the metadata of model {name!r} cannot be read: {answer.seen}")
    extensions = server.json.get("extensions", []) if server.status == 200 else []
    target = Target(wire, name, answer.json, frozenset(extensions), grpc)
    if not target.inputs or not target.outputs:
        raise NoTargetError(f"the metadata of model {name!r} declares no inputs or no outputs: {answer.seen}")
    return target


def _first(wire: Wire) -> str:
    """The first model that the repository, or V1, names."""
    index = wire.post("/v2/repository/index", {"ready": True})
    if index.status == 200 and index.json:
        return str(index.json[0]["name"])
    listed = wire.get("/v1/models")
    if listed.status == 200 and listed.json.get("models"):
        return str(listed.json["models"][0])
    raise NoTargetError("the server lists no models; name one with --model")
