"""A client of the simulator that signs its requests and does nothing more."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp

from harvester.api.signing import sign
from harvester.simulator import Scenario, Simulator
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario


class Asker:
    def __init__(self, session: aiohttp.ClientSession, simulator: Simulator) -> None:
        self._session = session
        self.simulator = simulator

    async def ask(self, route: str, payload: dict[str, Any] | None = None, **more: Any) -> Any:
        _, body = await self.answer(route, json=payload or {}, **more)
        return json.loads(body)

    async def answer(self, route: str, **more: Any) -> tuple[int, bytes]:
        async with self.begun(route, **more) as response:
            return response.status, await response.read()

    def begun(
        self, route: str, *, method: str = "POST", at: float | None = None, **more: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An answer whose headers have come, and that is given up if its body is not read."""
        headers = sign(USER_ID, TOKEN, int(at or time.time())) | more.pop("headers", {})
        url = f"{self.simulator.base_url}/{route}"
        return self._session.request(method, url, headers=headers, **more)


@asynccontextmanager
async def asking(served: Scenario | Simulator | None = None) -> AsyncIterator[Asker]:
    """A client of this scenario; without one, of two projects with three and two backtests."""
    if not isinstance(served, Simulator):
        served = Simulator(served or make_scenario(make_backtests(3), make_backtests(2, first=4)))
    async with served as simulator, aiohttp.ClientSession() as session:
        yield Asker(session, simulator)
