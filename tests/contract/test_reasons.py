"""The catalogue of reasons against recorded clusters: each is reached, and told with what to do."""

import pytest

from modelyard_operator.reasons import CATALOGUE, ConditionType, Reason
from recorded import CASES, Case, told


def test_every_reason_is_reached_by_a_recorded_case() -> None:
    assert {case.reason for case in CASES} == set(Reason)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason.value)
def test_a_recorded_case_is_told_by_its_condition(case: Case) -> None:
    kind = CATALOGUE[case.reason].condition
    conditions = {one.type: one for one in told(case).conditions}
    # Stages are told by Ready as well; only one of both need have the reason.
    kinds = {kind.value, ConditionType.READY.value}
    assert case.reason.value in {conditions[one].reason for one in kinds}


CAUSES = [case for case in CASES if told(case).conditions[0].reason == case.reason.value]


@pytest.mark.parametrize("case", CAUSES, ids=lambda case: case.reason.value)
def test_what_keeps_a_model_from_being_ready_is_told_in_a_line(case: Case) -> None:
    found = told(case)
    assert found.conditions[0].message
    assert 0 < len(found.summary) <= 160
