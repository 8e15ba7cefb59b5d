"""A clock for tests: an event loop whose hours pass in no time, so that waits are real and nobody waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

_PATIENCE_S = 10.0
"""Of this machine's time, for threads that are at work while nothing else is scheduled."""
_GLANCE_S = 0.05
"""The same before each jump, where threads are at work beside timers."""


class DeadlockError(AssertionError):
    """Everybody waits and nobody is going to act."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock to the moment that was waited for."""

    def __init__(self, glance_s: float) -> None:
        super().__init__()
        self.now = 0.0
        self._glance_s = glance_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        patience_s = _PATIENCE_S if timeout is None else min(timeout, self._glance_s)
        ready = super().select(max(0.0, patience_s))
        if timeout is None and not ready:
            raise DeadlockError("nothing is scheduled and nothing is ready")
        if not ready:
            self.now += max(0.0, timeout or 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio with its own time; threads take none of it."""

    def __init__(self, glance_s: float = 0.0) -> None:
        self._jumping = _JumpingSelector(glance_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(function: Callable[..., Awaitable[T]], *args: Any, threads: bool = False) -> T:
    """What the coroutine function gives; its hours pass in no time. `threads`: it has some at work."""

    async def run() -> T:
        return await function(*args)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(_GLANCE_S if threads else 0.0)) as runner:
        return runner.run(run())
