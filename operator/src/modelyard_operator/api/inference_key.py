"""InferenceKey: lets people and services that Kubernetes does not know ask the models of one namespace."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .model_status import Condition
from .objects import ObjectMeta
from .scalars import Duration, LabelMap, Name, ShortText

# The Secret of a key, its type and where in it the key is.
SECRET_SUFFIX = "-inference-key"  # noqa: S105 - a name, not a secret
SECRET_TYPE = "modelyard.dev/inference-key"  # noqa: S105
SECRET_FIELD = "api-key"  # noqa: S105
ANNOTATION_ROTATE = "modelyard.dev/rotate"

Period = Literal["Day", "Month"]
# In UTC and to the second, so that texts sort like moments.
TIME_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
Time = Annotated[str, Meta(pattern=TIME_PATTERN, max_length=20, extra={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]


class KeyModels(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Which models of the key's namespace; a model must fit both fields, and an empty field fits all."""

    names: Annotated[list[Name], Meta(max_length=64, description="ModelDeployments by name.")] = []
    match_labels: Annotated[LabelMap, Meta(description="Labels that a ModelDeployment must carry.")] = {}


class RateLimit(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How fast a key may be used. Each replica of the gateway counts for itself unless they share a store."""

    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Requests in a minute; so many may come at once."),
    ] = None
    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Tokens in a minute, of prompts and answers; counted once an answer has ended."),
    ] = None


class Budget(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How much a key may use; more is refused until the next period begins, in UTC."""

    tokens: Annotated[int, Meta(ge=1, le=10**15, description="Tokens, of prompts and answers.")]
    period: Annotated[Period, Meta(description="How long a budget lasts.")] = "Month"
    warn_at_percent: Annotated[
        int, Meta(ge=1, le=100, description="From which part on answers carry a warning, and the key a condition.")
    ] = 80


class Rotation(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What happens when the key is made anew."""

    overlap: Annotated[Duration, Meta(description="How long the old key goes on working.")] = "24h"


class InferenceKeySpec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the key opens, how fast, how much and until when."""

    models: Annotated[KeyModels, Meta(description="Models that it opens; all of its namespace when empty.")] = (
        KeyModels()
    )
    rate_limit: Annotated[RateLimit | None, Meta(description="How fast it may be used; no limit when absent.")] = None
    budget: Annotated[Budget | None, Meta(description="How much it may use; no limit when absent.")] = None
    expires_at: Annotated[Time | None, Meta(description="When it ends; never when absent.")] = None
    rotation: Annotated[
        Rotation, Meta(description="How it is replaced, whenever the annotation modelyard.dev/rotate changes.")
    ] = Rotation()


class IssuedKey(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """One key that was given out. The key itself is nowhere but in its Secret."""

    prefix: Annotated[str, Meta(max_length=16, description="How it begins; no secret.")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key, in hexadecimal.")]
    created_at: Time
    expires_at: Annotated[Time | None, Meta(description="When it ends, if it was replaced by another.")] = None


class Tally(Struct, frozen=True, gc=False, rename="camel", omit_defaults=False):
    """What was used."""

    requests: Count = 0
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    milliseconds: Annotated[int, Meta(ge=0, description="How long the answers took, together.")] = 0

    @property
    def tokens(self) -> int:
        """Of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.milliseconds + other.milliseconds,
        )


class ModelUse(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What was used of one model."""

    model: Annotated[str, Meta(max_length=63)]
    used: Tally
    revision: Annotated[str, Meta(max_length=63, description="Its revision, where the gateway knows it.")] = ""


class KeyUsage(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What was used, as the gateway counts it; up to 30 s old."""

    total: Annotated[Tally, Meta(description="Since the key was made.")] = Tally()
    since: Annotated[Time | None, Meta(description="When the period of the budget began.")] = None
    period: Annotated[Tally, Meta(description="In this period: a day, or a month unless the budget says a day.")] = (
        Tally()
    )
    models: Annotated[
        list[ModelUse], Meta(max_length=64, description="In this period, by model; the rest is called other.")
    ] = []
    last_used: Time | None = None
    writer: Annotated[ShortText, Meta(description="Who wrote this last, and which of its writes it was.")] = ""


class InferenceKeyStatus(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What is known of the key. The gateway writes `usage`, the operator everything else."""

    observed_generation: int = 0
    summary: Annotated[str, Meta(max_length=512)] = ""
    prefix: Annotated[str, Meta(max_length=16, description="How the newest key begins.")] = ""
    secret: Annotated[str, Meta(max_length=253, description="The Secret that holds the newest key.")] = ""
    keys: Annotated[list[IssuedKey], Meta(max_length=4, description="Keys that work, the newest first.")] = []
    rotated: Annotated[str, Meta(max_length=256, description="The annotation that the newest key answers.")] = ""
    usage: KeyUsage = KeyUsage()
    conditions: Annotated[list[Condition], Meta(max_length=8, extra={"list_map_key": "type"})] = []

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if it was told."""
        return next((one for one in self.conditions if one.type == kind), None)


class InferenceKey(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Lets people and services that Kubernetes does not know ask the models of its namespace."""

    metadata: ObjectMeta
    spec: InferenceKeySpec = InferenceKeySpec()
    status: InferenceKeyStatus = InferenceKeyStatus()


def period_start(period: Period, now: str) -> str:
    """When the day or month of a moment began, both as Kubernetes writes them, in UTC."""
    return f"{now[:10]}T00:00:00Z" if period == "Day" else f"{now[:7]}-01T00:00:00Z"


def spent(usage: KeyUsage, period: Period, now: str) -> int:
    """Tokens of the period that `now` is in."""
    return usage.period.tokens if usage.since == period_start(period, now) else 0
