"""A web server that keeps what it is told, in place of a monitor or a webhook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""
        self.status = 200

    async def hear(self, request: web.Request) -> web.Response:
        self.told.append((request.path, await request.text()))
        self.headers.append(request.headers)
        return web.Response(status=self.status)


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield listener
    await runner.cleanup()
