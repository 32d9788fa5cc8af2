"""Memory that a burst or a list took is given back to the machine once it is over.

The C library keeps what Python frees, since it may be wanted again. For the operator that is seldom so: it reads ten
times what it keeps when it starts, and then rests.
"""

import asyncio
import ctypes
import gc
from collections.abc import Callable

# So many keys asked for leave something that is worth the few ms that giving it back takes.
BUSY = 200
REST_SECONDS = 2.0


async def give_back_after_work(asked: Callable[[], int]) -> None:
    """Give memory back whenever work has come to rest, until cancelled; `asked` counts what there was to do."""
    given_at, before = 0, 0
    while True:
        await asyncio.sleep(REST_SECONDS)
        now = asked()
        if now == before and now - given_at >= BUSY:
            give_back()
            given_at = now
        before = now


def give_back() -> None:
    """Return freed memory to the machine."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only the GNU C library keeps so much, and has this
    if trim is not None:
        trim(0)
