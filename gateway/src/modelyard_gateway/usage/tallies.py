"""What a key used, added up: what is not written yet, and what its status says. Pure."""

from msgspec import Struct, field
from msgspec.structs import replace

from modelyard_operator.api.inference_key import KeyUsage, ModelUse, Tally

MOST_MODELS = 64
OTHER = "other"
Model = tuple[str, str]  # name, revision


class Pending(Struct):
    """What one key used since it was last written: in all, and in the period that began at `since`."""

    since: str = ""
    total: Tally = Tally()
    period: Tally = Tally()
    models: dict[Model, Tally] = field(default_factory=dict)
    last_used: str = ""

    def add(self, since: str, model: Model, used: Tally, now: str) -> None:
        """One more request; a new period begins with nothing."""
        if since != self.since:
            self.since, self.period, self.models = since, Tally(), {}
        self.total = self.total.plus(used)
        self.period = self.period.plus(used)
        self.models[model] = self.models.get(model, Tally()).plus(used)
        self.last_used = now

    def after(self, earlier: "Pending") -> "Pending":
        """Both together, of which `earlier` came first: it could not be written."""
        whole = replace(self, total=earlier.total.plus(self.total), last_used=self.last_used or earlier.last_used)
        if not self.since or earlier.since == self.since:
            models = dict(earlier.models)
            for model, used in self.models.items():
                models[model] = models.get(model, Tally()).plus(used)
            return replace(whole, since=earlier.since, period=earlier.period.plus(self.period), models=models)
        return whole


def written(usage: KeyUsage, pending: Pending, writer: str) -> KeyUsage:
    """The usage of a status with what is pending; `writer` says who adds it.

    Others add to the same status. A period that began later wins: what is left of the one before counts in the total
    alone.
    """
    before = usage.since or ""
    found = replace(
        usage,
        total=usage.total.plus(pending.total),
        last_used=max(usage.last_used or "", pending.last_used),
        writer=writer,
    )
    if pending.since < before:
        return found
    same = pending.since == before
    return replace(
        found,
        since=pending.since,
        period=usage.period.plus(pending.period) if same else pending.period,
        models=_models(usage.models if same else [], pending.models),
    )


def _models(known: list[ModelUse], more: dict[Model, Tally]) -> list[ModelUse]:
    """By model, in order; beyond the most that a status holds, everything is of `other`."""
    found = {(one.model, one.revision): one.used for one in known}
    for model, used in more.items():
        # One place is kept for `other`.
        at = model if model in found or len(found) < MOST_MODELS - 1 else (OTHER, "")
        found[at] = found.get(at, Tally()).plus(used)
    return [ModelUse(model, used, revision) for (model, revision), used in sorted(found.items())]
