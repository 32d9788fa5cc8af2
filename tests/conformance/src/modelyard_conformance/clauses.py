"""What a clause is, the list of all, and how one is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelyard_conformance.target import Target


class Verdict(StrEnum):
    """How a clause ended."""

    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    INAPPLICABLE = "inapplicable"


class FailedError(Exception):
    """The server does something else; the message says what was seen."""


class UnsupportedError(Exception):
    """An optional part that the server does not have."""


class InapplicableError(Exception):
    """The model cannot show it."""


Check = Callable[["Target"], None]


@dataclass(frozen=True)
class Clause:
    """One sentence of a specification, in our words, with its check."""

    id: str
    text: str
    check: Check

    @property
    def part(self) -> str:
        """The part of the protocol: the id up to its first dot."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Result:
    """The verdict on one clause, and what was seen where it is not a pass."""

    id: str
    text: str
    verdict: Verdict
    seen: str = ""


ALL: list[Clause] = []
"""In the order in which they are judged."""


def clause(identifier: str, text: str) -> Callable[[Check], Check]:
    """Add a check to the list."""

    def add(check: Check) -> Check:
        if any(one.id == identifier for one in ALL):
            raise ValueError(f"clause {identifier} is there twice")
        ALL.append(Clause(identifier, text, check))
        return check

    return add


def expect(condition: object, seen: str) -> None:
    """Raise FailedError with what was seen, unless the condition holds."""
    if not condition:
        raise FailedError(seen)


def judge(clauses: Iterable[Clause], target: Target) -> list[Result]:
    """Every clause against a server; a check that breaks is a failure of the server, never of the run."""
    return [_judge(one, target) for one in clauses]


def _judge(one: Clause, target: Target) -> Result:
    try:
        one.check(target)
    except FailedError as error:
        return Result(one.id, one.text, Verdict.FAIL, str(error))
    except UnsupportedError as error:
        return Result(one.id, one.text, Verdict.UNSUPPORTED, str(error))
    except InapplicableError as error:
        return Result(one.id, one.text, Verdict.INAPPLICABLE, str(error))
    except Exception as error:  # noqa: BLE001 (an answer that no check foresaw)
        return Result(one.id, one.text, Verdict.FAIL, f"{type(error).__name__}: {error}")
    return Result(one.id, one.text, Verdict.PASS)
