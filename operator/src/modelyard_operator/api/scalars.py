"""Scalar types of the API with the bounds that the CRD schema states, and the parsers that give them meaning."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated

from msgspec import Meta

QUANTITY_PATTERN = (
    r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
# Bounded, so that no duration overflows what CEL or a kubelet can hold.
DURATION_PATTERN = r"^([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)){1,4}$"
DNS_LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
RESOURCE_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"

# The marker `quantity` makes the CRD accept 2 as well as "2Gi"; everything else is ordinary JSON schema.
Quantity = Annotated[int | str, Meta(extra={"quantity": True})]
Duration = Annotated[str, Meta(pattern=DURATION_PATTERN, max_length=32, examples=["10m"])]
Name = Annotated[str, Meta(pattern=DNS_LABEL_PATTERN, min_length=1, max_length=63)]
ObjectName = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
ShortText = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=4096)]
LabelKey = Annotated[str, Meta(max_length=316)]
LabelValue = Annotated[str, Meta(max_length=63)]
Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
FormatName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", max_length=32)]
Price = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=32)]
ResourceName = Annotated[str, Meta(pattern=RESOURCE_NAME_PATTERN, max_length=253)]
LabelMap = Annotated[dict[str, LabelValue], Meta(max_length=32)]
ResourceList = Annotated[dict[str, Quantity], Meta(max_length=16)]

_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-z]*)$")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


def parse_quantity(value: int | str) -> Decimal:
    """Value of a Kubernetes quantity in base units ("500m" -> 0.5, "1Gi" -> 1073741824).

    Raises ValueError for anything that is not a quantity.
    Source: k8s.io/apimachinery/pkg/api/resource, the grammar in the package's documentation.
    """
    if isinstance(value, int):
        return Decimal(value)
    match = _NUMBER.match(value)
    if match is None:
        raise ValueError(f"{value!r} is not a Kubernetes quantity such as 500m, 2 or 4Gi")
    number, suffix = match.groups()
    try:
        if suffix in _BINARY:
            return Decimal(number) * Decimal(1024 ** _BINARY[suffix])
        return Decimal(number).scaleb(_SUFFIXES[suffix])
    except (KeyError, InvalidOperation) as error:
        raise ValueError(f"{value!r} is not a Kubernetes quantity such as 500m, 2 or 4Gi") from error


def parse_duration(value: str) -> float:
    """Seconds of a duration such as "1h30m" or "250ms"; ValueError when the text is not one."""
    if re.match(DURATION_PATTERN, value) is None:
        raise ValueError(f"{value!r} is not a duration such as 30s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))
