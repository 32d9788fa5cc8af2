"""One explanation at a time, in small pieces on the inference thread, each when no prediction waits."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
import numpy as np

from modelyard_server.errors import BadRequestError, InferenceError, OverloadedError, RequestError
from modelyard_server.explain import gradients, perturbation, text, wishes
from modelyard_server.explain.reading import Reading
from modelyard_server.explain.wishes import Wish
from modelyard_server.models.served import Served
from modelyard_server.protocol.datatypes import Array

AT_ONCE = 64
"""Points in one piece: a prediction that comes just then waits for so many rows."""
WAITING = 8
"""Explanations that may wait for their turn."""
T = TypeVar("T")


class Explanation(msgspec.Struct, frozen=True):
    """Of all rows of a request."""

    output: str
    targets: Array
    """Explained column of each row [rows]."""
    attributions: Array
    """In the shape of the input; of texts [rows, longest], zero behind the end of a row."""
    deltas: Array
    """Sum of a row's attributions less the change of its value from the baseline to the row [rows]."""
    tokens: Array | None = None
    """Of texts the tokens [rows, longest], empty behind the end of a row."""


class Explainer:
    """All explanations of the process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    def check(self, served: Served, inputs: dict[str, Array], wish: Wish) -> None:
        """Refuse what cannot be explained, before anything is computed. Raises BadRequestError."""
        wishes.output_of(served.signature)
        if text.has_embeddings(served.model):
            wishes.check_text(wish)
        else:
            spec = wishes.input_of(served.signature)
            wishes.check_cost(wish, len(inputs[spec.name]), spec)

    async def explain(self, served: Served, inputs: dict[str, Array], wish: Wish) -> Explanation:
        """Explain every row of what was checked. Raises RequestError."""
        if self._waiting >= WAITING:
            raise OverloadedError(f"{self._waiting} explanations wait already; try again later")
        self._waiting += 1
        try:
            async with self._turn:
                rows = inputs[served.signature.inputs[0].name]
                return await _Run(served, wish).explain(rows)
        finally:
            self._waiting -= 1


class _Run:
    def __init__(self, served: Served, wish: Wish) -> None:
        self._served = served
        self._wish = wish
        self._input = served.signature.inputs[0].name
        self._output = wishes.output_of(served.signature).name

    async def explain(self, rows: Array) -> Explanation:
        if text.has_embeddings(self._served.model):
            return await self._of_text(rows)
        if self._wish.method == "integrated_gradients":
            return await self._by_gradients(rows)
        flat = rows.reshape((len(rows), -1))
        baseline = wishes.baseline_of(self._wish, flat[0])
        ends = await self._values(np.concatenate([flat, baseline[None]]), rows.shape[1:])
        targets = wishes.targets(self._wish, ends[:-1])
        found = [
            await self._by_predictions(row, baseline, int(target), rows.shape[1:])
            for row, target in zip(flat, targets, strict=True)
        ]
        at = np.arange(len(rows))
        change = ends[at, targets] - ends[-1, targets]
        attributions = np.stack(found)
        return self._explanation(attributions.reshape(rows.shape), targets, attributions.sum(axis=1) - change)

    async def _by_gradients(self, rows: Array) -> Explanation:
        model = self._served.model
        if not gradients.has_gradients(model):
            raise BadRequestError("explain: this model has no gradients; ask for occlusion or shapley")
        gradients.load()
        baseline = wishes.baseline_of(self._wish, rows[0]).reshape((1, *rows.shape[1:]))
        values = await self._run(lambda: gradients.scores(model, self._input, rows))
        targets = wishes.targets(self._wish, values)
        parts, deltas = [], []
        for at, target in enumerate(targets):
            part, delta = await self._run(
                lambda at=at, target=target: gradients.attribute(  # type: ignore[misc]
                    model, self._input, (rows[at : at + 1], baseline), int(target), self._wish.steps
                )
            )
            parts.append(part)
            deltas.append(delta)
        return self._explanation(np.concatenate(parts), targets, np.array(deltas))

    async def _of_text(self, rows: Array) -> Explanation:
        model, wish, read = self._served.model, self._wish, Reading(self._served)
        gradients.load()
        baseline = read.baseline(wish)
        ids = await self._run(lambda: text.rows_of(model, self._input, read.prepared(rows)))
        lengths = [one.shape[1] for one in ids]
        wishes.check_tokens(wish, sum(lengths))
        values = np.concatenate([await self._run(lambda one=one: text.scores(model, one)) for one in ids])  # type: ignore[misc]
        targets = wishes.targets(wish, values)
        width = rows.shape[1] if rows.ndim > 1 else max(lengths)
        attributions, deltas = np.zeros((len(ids), width)), np.zeros((len(ids),))
        for at, (one, target) in enumerate(zip(ids, targets, strict=True)):
            way = await self._run(lambda one=one: text.path(model, one, baseline, read.kept))  # type: ignore[misc]
            for piece in text.pieces(lengths[at], wish.steps):
                found, delta = await self._run(
                    lambda way=way, target=target, piece=piece: text.attribute(model, way, int(target), piece)  # type: ignore[misc]
                )
                attributions[at, : lengths[at]] += found
                deltas[at] += delta
        made = self._explanation(attributions, targets, deltas)
        return msgspec.structs.replace(made, tokens=read.names([one[0].cpu().numpy() for one in ids], width))

    async def _by_predictions(self, row: Array, baseline: Array, target: int, shape: tuple[int, ...]) -> Array:
        async def evaluate(points: Array) -> Array:
            column: Array = (await self._values(points, shape))[:, target]
            return column

        if self._wish.method == "occlusion":
            return await perturbation.occlusion(evaluate, row, baseline)
        return await perturbation.shapley(evaluate, row, baseline, self._wish.samples, self._wish.seed)

    async def _values(self, points: Array, shape: tuple[int, ...]) -> Array:
        """The explained output of points [n, features] as [n, columns]."""
        parts = []
        for start in range(0, len(points), AT_ONCE):
            piece = points[start : start + AT_ONCE].reshape((-1, *shape))
            outputs = await self._run(lambda piece=piece: self._served.model.predict({self._input: piece}))  # type: ignore[misc]
            parts.append(wishes.columns(np.asarray(outputs[self._output], np.float64)))
        return np.concatenate(parts)

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await self._served.batcher.when_idle(call)
        except RequestError:
            raise
        except Exception as error:
            message = f"the model failed while it was explained: {type(error).__name__}: {str(error)[:256]}"
            raise InferenceError(message) from error

    def _explanation(self, attributions: Array, targets: Array, deltas: Array) -> Explanation:
        return Explanation(self._output, targets, attributions.astype(np.float32), deltas.astype(np.float32))
