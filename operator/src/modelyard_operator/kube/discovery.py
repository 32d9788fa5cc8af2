"""Whether the API server serves an API group: asked at the start, and again when something needs it."""

import asyncio
import logging

from .errors import ApiError, NotFoundError
from .resources import DEVICE_API
from .transport import Request, Transport

logger = logging.getLogger(__name__)

# After the API server could not be reached, and between two questions whose answer was no.
RETRY_SECONDS = 2.0
ASK_SECONDS = 30.0


class Discovery:
    """Knows whether `resource.k8s.io/v1` is served. Once it is, it is taken to stay."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._doubted = asyncio.Event()
        self.asked = asyncio.Event()
        self.served = asyncio.Event()

    def doubt(self) -> None:
        """Something needs the group and it was not served: ask again, though not more often than each half minute."""
        self._doubted.set()

    async def run(self) -> None:
        """Return once the group is served; until then ask when in doubt."""
        while not await self._ask():
            self.asked.set()
            self._doubted.clear()
            await self._doubted.wait()
            await asyncio.sleep(ASK_SECONDS)
        self.served.set()
        self.asked.set()

    async def _ask(self) -> bool:
        while True:
            try:
                await self._transport.send(Request("GET", "apis", f"/apis/{DEVICE_API}"))
            except NotFoundError:
                return False
            except ApiError as error:
                logger.warning("cannot ask whether %s is served: %s; trying again", DEVICE_API, error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return True
