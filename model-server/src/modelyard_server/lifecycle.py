"""The process's state: STARTING -> READY -> DRAINING, or FAILED from anywhere."""

from enum import StrEnum


class State(StrEnum):
    """What readiness answers follow from."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class Lifecycle:
    """Holds the state; each step is legal only from the state before it, so that a late load cannot undo a drain."""

    def __init__(self) -> None:
        self.state = State.STARTING

    @property
    def ready(self) -> bool:
        """May new traffic be routed here?"""
        return self.state is State.READY

    @property
    def draining(self) -> bool:
        """Are we answering only what still arrives?"""
        return self.state is State.DRAINING

    @property
    def ending(self) -> bool:
        """Will this process be gone soon?"""
        return self.state in (State.DRAINING, State.FAILED)

    def loaded(self) -> None:
        """What was asked for at the start is loaded and warm."""
        if self.state is State.STARTING:
            self.state = State.READY

    def drain(self) -> None:
        """SIGTERM arrived."""
        if self.state is not State.FAILED:
            self.state = State.DRAINING

    def fail(self) -> None:
        """Nothing can be served any more."""
        self.state = State.FAILED
