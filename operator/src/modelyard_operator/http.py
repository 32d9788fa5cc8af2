"""/metrics, /healthz and /readyz on one port."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], list[str]]


async def start(port: int, alive: Check, ready: Check, collect: Callable[[], None]) -> web.AppRunner:
    """Serve; `alive` and `ready` return what is wrong, nothing when all is well."""

    async def probe(check: Check) -> web.Response:
        problems = check()
        return web.Response(status=503 if problems else 200, text="\n".join(problems or ["ok"]) + "\n")

    async def healthz(_: web.Request) -> web.Response:
        return await probe(alive)

    async def readyz(_: web.Request) -> web.Response:
        return await probe(ready)

    async def show(_: web.Request) -> web.Response:
        collect()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", show)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
