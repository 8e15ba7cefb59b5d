"""A clock for tests: an event loop whose hours pass in no time, so that waits are real and nobody waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(AssertionError):
    """Everybody waits and nobody is going to act."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock to the moment that was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("nothing is scheduled and nothing is ready")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio with its own time: for code that only waits, and neither threads nor sockets."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """What the coroutine function gives; its hours pass in no time."""

    async def run() -> T:
        return await function(*args)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())
