"""What is left of a run, without what no two runs have in common; and in what two of them differ. Pure."""

from typing import Any

from .api.kinds import HISTORY, MODELS, SERVICES, Kind
from .harness import Run
from .watchman import CHILDREN

Body = dict[str, Any]


def picture(run: Run, *, history: bool = True) -> dict[str, Body]:
    """Everything that is left of a run, without what no two runs have in common."""
    found = {}
    for kind in (MODELS, *CHILDREN):
        if kind is HISTORY and not history:
            continue
        for key, record in run.storage.objects[kind].items():
            body = _masked(kind, record.body)
            if kind is MODELS and not history:
                # What was Ready before, and what a paused model had fetched, is of the past.
                body["status"].pop("readyRevision", None)
                body["status"].pop("model", None)
            found[f"{kind.name} {'/'.join(key)}"] = body
    return found


def _masked(kind: Kind, body: Body) -> Body:
    metadata = {name: body["metadata"].get(name) for name in ("labels", "annotations")}
    # What a stranger adds and nobody asked for stays.
    metadata["labels"] = {key: value for key, value in (metadata["labels"] or {}).items() if key != "mine"}
    rest = {name: value for name, value in body.items() if name not in ("metadata", "status")}
    if kind is HISTORY:
        # The second newest of two records may have any number below the newest.
        rest.pop("revision")
    if kind is SERVICES:
        rest["spec"] = {name: value for name, value in rest["spec"].items() if not name.startswith("clusterIP")}
    if kind is not MODELS:
        annotations = {key: value for key, value in (metadata["annotations"] or {}).items() if "spec-hash" not in key}
        return {"metadata": {**metadata, "annotations": annotations}, **rest}
    status = {name: value for name, value in body.get("status", {}).items() if name != "observedGeneration"}
    kept = [
        {name: value for name, value in one.items() if name in ("type", "status", "reason", "message")}
        for one in status.get("conditions", [])
    ]
    return {"metadata": metadata, **rest, "status": {**status, "conditions": kept}}


def differences(one: dict[str, Body], other: dict[str, Body], names: tuple[str, str]) -> list[str]:
    """What two pictures do not share."""
    wrong = [f"{what} only in {names[0]}" for what in sorted(one.keys() - other.keys())]
    wrong += [f"{what} only in {names[1]}" for what in sorted(other.keys() - one.keys())]
    for what in sorted(one.keys() & other.keys()):
        if one[what] != other[what]:
            left, right = only(one[what], other[what]), only(other[what], one[what])
            wrong.append(f"{what} differs: {names[0]} {left}, {names[1]} {right}")
    return wrong


def only(one: Any, other: Any) -> Any:
    """What is in the first and not in the second."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: only(value, other.get(name)) for name, value in one.items() if value != other.get(name)}
    return one
