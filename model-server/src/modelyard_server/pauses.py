"""How long Python's garbage collection stops the process. Nothing else runs in that time."""

import gc
import time
from collections.abc import Callable


class GcPauses:
    """Tells `observe` the seconds of every collection between `start` and `stop`."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._began = 0.0

    def start(self) -> None:
        """Begin."""
        gc.callbacks.append(self._called)

    def stop(self) -> None:
        """End; a second time does nothing."""
        if self._called in gc.callbacks:
            gc.callbacks.remove(self._called)

    def _called(self, phase: str, _about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._observe(time.perf_counter() - self._began)
