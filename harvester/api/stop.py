"""The one signal that ends a command early: a signal of the system, its time being up, a lasting "slow down".

Who works for a command shares one `StopSignal`, which its `RateLimiter` carries:

1. Whoever notices a reason to end calls `request` or `interrupt`; the first reason is kept.
2. Whoever waits, for a turn, a pause or a poll, waits with `sleep` or `wait` and is woken at once.
3. What is in flight may finish within `GRACE_S`; then the `stage` around it is cancelled.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from harvester.errors import HarvesterError, StoppedError
from harvester.model import Ending

GRACE_S: Final = 20.0
"""How long what is in flight may take after a stop."""
TIME_IS_UP: Final = "the time for this run is up"


class StopSignal:
    """Whether, why and until when a command has to end; may be made outside of an event loop."""

    def __init__(self) -> None:
        self.reason = ""
        """Why it has to end, as the user reads it; empty: nothing was requested."""
        self.ending: Ending | None = None
        """What the Snapshot's record says about it; None: the reason is no ending of a committed run."""
        self.cause: HarvesterError | None = None
        """The error that was the reason, if one was."""
        self.interrupted = False
        """Whether a signal of the system asked for it, so that nothing may be committed."""
        self.ends_at = math.inf
        """When the command's time is up, on the event loop's clock."""
        self.deadline = math.inf
        """When what is in flight is cancelled; infinite before a request to stop."""
        self.on_request: Callable[[str], None] = lambda _: None
        """Receives the reason, once."""
        self._event: anyio.Event | None = None

    @property
    def is_requested(self) -> bool:
        """Whether nothing new may start."""
        return bool(self.reason)

    def interrupt(self, reason: str) -> None:
        """End because of a signal of the system; nothing is committed, also if another reason came first."""
        self.interrupted = True
        self.request(reason)

    def request(
        self, reason: str, *, ending: Ending | None = None, cause: HarvesterError | None = None
    ) -> None:
        """End; only the first request counts."""
        if self.reason:
            return
        self.reason, self.ending, self.cause = reason, ending, cause
        self.deadline = anyio.current_time() + GRACE_S
        if self._event is not None:
            self._event.set()
        self.on_request(reason)

    async def wait(self) -> None:
        """Wait until a stop is requested; requests it itself when the time is up."""
        self._event = self._event or anyio.Event()
        if not self.reason:
            with anyio.move_on_after(self.ends_at - anyio.current_time()):
                await self._event.wait()
            self.request(TIME_IS_UP, ending=Ending.TIME)

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until a stop is requested.

        Raises:
            StoppedError: a stop is requested.
        """
        self._event = self._event or anyio.Event()
        if not self.reason:
            with anyio.move_on_after(seconds):
                await self._event.wait()
        self.check()

    def check(self) -> None:
        """Do nothing while nothing asks to stop.

        Raises:
            StoppedError: a stop is requested.
        """
        if self.reason:
            raise StoppedError("no further request is sent")

    @asynccontextmanager
    async def stage(self, on_stop: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """A part of the command that a stop ends: what it has in flight is cancelled after `GRACE_S`.

        A `StoppedError` of the body ends the stage and is not raised: `is_requested` says so as well.
        `on_stop` is called at the stop, for a body that waits for something else than this signal.
        """
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._cancel_late, group.cancel_scope, on_stop)
            try:
                yield
            except StoppedError:
                pass
            except Exception as exc:  # raised below, outside of the group, as itself
                failure = exc
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _cancel_late(self, scope: anyio.CancelScope, on_stop: Callable[[], None]) -> None:
        await self.wait()
        on_stop()
        scope.deadline = min(scope.deadline, self.deadline)
