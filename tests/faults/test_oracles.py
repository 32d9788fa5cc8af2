"""A few scenarios of each oracle, in about a minute; `make faults` runs thousands."""

import pytest

from faults.oracles import ORACLES

# Fewer of those that play a scenario twice.
SCENARIOS = {"O1": 24, "O2": 12, "O3": 28, "O4": 28, "O5": 32, "O6": 12, "O7": 20, "O8": 22, "O9": 22}


@pytest.mark.parametrize(
    ("oracle", "seed"), [(oracle, seed) for oracle, count in SCENARIOS.items() for seed in range(count)]
)
def test_nothing_is_wrong(oracle: str, seed: int) -> None:
    assert ORACLES[oracle](seed) == []
