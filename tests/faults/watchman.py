"""Who looks on while a run goes, and remembers what must not have happened."""

from collections import Counter

import msgspec

from modelyard_operator import metrics

from .api.kinds import BUDGETS, DEPLOYMENTS, HISTORY, MODELS, POLICIES, SERVICES, Kind
from .api.storage import Event, Key
from .api.verbs import APPLY, JSON_PATCH
from .harness import Run

CHILDREN = (DEPLOYMENTS, SERVICES, BUDGETS, POLICIES, HISTORY)


class Watchman:
    """Looks at everything that is written while it is written."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._errors = _errors()
        self._told: dict[str, int] = {}
        self.wrong: list[str] = []
        self.created: Counter[tuple[Kind, Key]] = Counter()
        self.deleted: Counter[tuple[Kind, Key]] = Counter()
        run.storage.listeners.append(self._seen)

    def _seen(self, event: Event) -> None:
        if event.kind in CHILDREN:
            self.created[event.kind, event.key] += event.before is None
            self.deleted[event.kind, event.key] += event.after is None
        if event.kind is MODELS and event.after is not None:
            told = event.after.body.get("status", {}).get("observedGeneration", 0)
            generation, uid = event.after.body["metadata"]["generation"], event.after.uid
            if told > generation:
                self.wrong.append(f"{'/'.join(event.key)} tells of generation {told} before there is one")
            if told < self._told.get(uid, 0):
                self.wrong.append(f"{'/'.join(event.key)} went back from generation {self._told[uid]} to {told}")
            self._told[uid] = max(told, self._told.get(uid, 0))

    def alive(self) -> list[str]:
        """No process ended by itself, and no reconcile failed for a reason of its own."""
        wrong = [f"a process ended by itself: {one}" for one in self._run.lost_processes]
        if unexpected := _errors() - self._errors:
            told = [one for one in self._run.log.lines if "reconcile failed" in one]
            wrong.append(
                f"{unexpected:.0f} reconciles failed with an exception that is not the API server's: {told[:3]}"
            )
        return wrong

    def all(self) -> list[str]:
        """Everything that was seen."""
        return [*self.wrong, *self.alive(), *self._careless()]

    def _careless(self) -> list[str]:
        """Writes that would hit another object of the same name, had there been one by then."""
        wrong = []
        for request, target in self._run.sent:
            body = msgspec.json.decode(request.body)
            if request.method == "DELETE":
                careful = "uid" in body.get("preconditions", {})
            elif request.content_type == JSON_PATCH:
                careful = any(one["op"] == "test" and one["path"] == "/metadata/uid" for one in body)
            else:
                careful = request.content_type == APPLY or "uid" in body["metadata"] or target.kind is POLICIES
            if not careful:
                wrong.append(f"{request.method} {target.kind.name} {'/'.join(target.key)} does not say which one")
        return wrong


def _errors() -> float:
    return float(metrics.RECONCILES.labels("error")._value.get())
