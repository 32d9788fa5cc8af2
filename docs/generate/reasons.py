"""The page of reasons, from the catalogue that the operator itself reads."""

from modelyard_operator.reasons import CATALOGUE, ConditionType

from .markdown import document

INTRO = (
    "The reasons are a closed list. Each belongs to one condition, and Ready carries it as well while it is what keeps "
    "the model from being Ready. [Troubleshoot by status](../how-to/troubleshoot-by-status.md) tells where to look, "
    "[status](../explanation/status.md) how a reason is found."
)


def page() -> str:
    """Every reason, under the condition that it belongs to."""
    parts = [INTRO]
    for kind in ConditionType:
        parts.append(f"## Condition {kind.value}")
        parts += [
            f"### {reason.value}\n\n{entry.cause}\n\n**Do:** {entry.remedy}"
            for reason, entry in CATALOGUE.items()
            if entry.condition is kind
        ]
    return document("Reasons", *parts)
