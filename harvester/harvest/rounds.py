"""Calls for many items by several workers, whatever the calls are for.

Rule 1: an item whose call failed is called for once more, after all others.
Rule 2: a server that nobody can reach is waited for; no item is blamed for it.
Rule 3: a stop, a lasting "slow down", or a server that stays away ends everything early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, TypeVar

import anyio

from harvester.errors import ApiError, AuthenticationError, StoppedError, ThrottledError, TransportError
from harvester.harvest.outage import Authenticator, Outage

T = TypeVar("T")

_ROUNDS: Final = 2
_GLANCE_S: Final = 1.0
"""How long a stop may go unnoticed while the server is waited for."""


class Rounds:
    """Makes calls, and keeps what it has learned about the server from one use to the next."""

    def __init__(self, client: Authenticator, outage: Outage, *, stopped: Callable[[], str]) -> None:
        self._client = client
        self._outage = outage
        self._stopped = stopped
        self._server_gone = False
        self.throttled: ThrottledError | None = None
        """Why it ended early, when that was the server's "slow down"."""

    async def run(
        self,
        items: Iterable[T],
        workers: int,
        call: Callable[[T], Awaitable[None]],
        failed: Callable[[T, ApiError, float], None],
    ) -> None:
        """Call for every item, unless something ends it early.

        Args:
            items: In the order in which they are called for.
            workers: Calls in flight at once.
            call: Makes the call for one item and keeps its result.
            failed: Is told of each call that failed, with the seconds until it is made again because the
                server is away; 0 when it is not.

        Raises:
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        left = list(items)
        for _ in range(_ROUNDS):
            left = await self._round(left, workers, call, failed)

    @property
    def over(self) -> bool:
        """Whether something has ended it early."""
        return bool(self._stopped() or self._server_gone or self.throttled)

    async def _round(
        self,
        items: list[T],
        workers: int,
        call: Callable[[T], Awaitable[None]],
        failed: Callable[[T, ApiError, float], None],
    ) -> list[T]:
        """Call for every item once; returns those without a result."""
        waiting, left = deque(items), list[T]()

        async def work() -> None:
            while waiting and not self.over:
                item = waiting.popleft()
                with suppress(StoppedError):  # `over` says so as well
                    if await self._finish(item, call, failed):
                        continue
                left.append(item)
            if self.throttled:
                group.cancel_scope.cancel()  # the others wait for a turn that may come in hours

        async with anyio.create_task_group() as group:
            for _ in range(min(workers, len(items))):
                group.start_soon(work)
        return [*waiting, *left]

    async def _finish(
        self,
        item: T,
        call: Callable[[T], Awaitable[None]],
        failed: Callable[[T, ApiError, float], None],
    ) -> bool:
        """Call for one item, again and again while the server is away; returns whether it has a result."""
        while not self.over:
            try:
                await call(item)
            except AuthenticationError:
                raise
            except ThrottledError as exc:
                self.throttled = exc
            except ApiError as exc:
                pause_s = await self._pause_s(exc)
                failed(item, exc, pause_s)
                if not pause_s:
                    return False
                await self._pause(pause_s)
            else:
                self._outage.good()
                return True
        return False

    async def _pause_s(self, exc: ApiError) -> float:
        """How long to wait for the server; 0 when it is there, and the failure is the item's own."""
        if not isinstance(exc, TransportError):
            self._outage.good()
            return 0.0
        try:
            pause_s = await self._outage.wait_s(self._client)
        except ThrottledError as throttled:
            self.throttled = throttled
            return 0.0
        self._server_gone = pause_s is None
        return pause_s or 0.0

    async def _pause(self, pause_s: float) -> None:
        until = anyio.current_time() + pause_s
        while not self.over and (left_s := until - anyio.current_time()) > 0:  # noqa: ASYNC110 -- no event
            await anyio.sleep(min(left_s, _GLANCE_S))
