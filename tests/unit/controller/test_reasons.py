"""The catalogue is closed and complete."""

from modelyard_operator.diagnosis import _SEVERITY
from modelyard_operator.reasons import CATALOGUE, Reason
from modelyard_operator.summary import SUMMARIES


def test_every_reason_is_in_the_catalogue() -> None:
    assert set(CATALOGUE) == set(Reason)


def test_every_entry_says_the_cause_and_what_to_do() -> None:
    assert all(entry.cause.endswith(".") and entry.remedy.endswith(".") for entry in CATALOGUE.values())


def test_other_tables_name_known_reasons_once() -> None:
    assert len(set(_SEVERITY)) == len(_SEVERITY)
    assert set(SUMMARIES) <= set(Reason)
