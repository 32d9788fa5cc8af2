"""The process's state: STARTING -> READY -> DRAINING, or FAILED from anywhere."""

from enum import StrEnum

from modelyard_server.errors import NotReadyError


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

    def loaded(self) -> None:
        """Model is loaded and warm."""
        if self.state is State.STARTING:
            self.state = State.READY

    def drain(self) -> None:
        """SIGTERM arrived."""
        if self.state is not State.FAILED:
            self.state = State.DRAINING

    def fail(self) -> None:
        """Nothing can be served any more."""
        self.state = State.FAILED

    def require_serving(self, name: str) -> None:
        """Raise NotReadyError unless requests are answered; a draining server still answers."""
        if self.state is State.STARTING:
            raise NotReadyError(f"model {name!r} is still loading")
        if self.state is State.FAILED:
            raise NotReadyError(f"model {name!r} has failed; the server is about to restart")
