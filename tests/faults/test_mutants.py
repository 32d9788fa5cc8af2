"""The oracles can fail: each of these defects is found by seeds of the quick set."""

import pytest

from faults.mutants import MUTANTS, Patch
from faults.oracles import ORACLES
from faults.test_oracles import SCENARIOS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__.replace("_", " "))
def test_a_defect_is_found(monkeypatch: pytest.MonkeyPatch, mutant: Patch) -> None:
    oracle, first = MUTANTS[mutant]
    mutant(monkeypatch)
    assert any(ORACLES[oracle](seed) for seed in range(first, SCENARIOS[oracle])), f"{oracle} does not find it"
