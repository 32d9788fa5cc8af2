"""Quantities and durations."""

from decimal import Decimal

import pytest

from modelyard_operator.api.scalars import parse_duration, parse_quantity

QUANTITIES = [
    (2, Decimal(2)),
    ("500m", Decimal("0.5")),
    ("1Gi", Decimal(2**30)),
    ("1.5Ki", Decimal(1536)),
    ("80G", Decimal(80 * 10**9)),
    ("2k", Decimal(2000)),
    ("1e3", Decimal(1000)),
    ("100n", Decimal("1e-7")),
    ("+1", Decimal(1)),
]


@pytest.mark.parametrize(("text", "value"), QUANTITIES)
def test_quantity(text: int | str, value: Decimal) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1GB", "one", "1 Gi"])
def test_what_is_no_quantity_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity such as"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("250ms", 0.25), ("1.5s", 1.5)])
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "5 m", "1d"])
def test_what_is_no_duration_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration such as"):
        parse_duration(text)
