"""Bounds the bytes of answers that are in memory at once, however many requests are in flight.

Rule 1: all answers but the largest fit into the budget together. So one answer of any size is always
received, and it is the only one that may exceed the budget.
Rule 2: the largest answer never waits, so there is always progress; when it is done, those that wait are
served in the order in which they came.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import anyio

from harvester.api.large import LARGE_BYTES

BUDGET_BYTES: Final = 16 * 2**20
"""Eight reports of the usual size, in addition to the largest one."""


class Shares:
    """Knows how many bytes each answer holds, and decides whether one may hold more: pure."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._held: dict[int, int] = {}

    @property
    def without_largest(self) -> int:
        """Bytes that all answers but the largest hold; never more than the budget."""
        return sum(self._held.values()) - max(self._held.values(), default=0)

    def grant(self, holder: int, size_bytes: int) -> bool:
        """Let an answer grow to a size if rule 1 allows it; returns whether it does."""
        held = self._held | {holder: size_bytes}
        if sum(held.values()) - max(held.values()) > self.budget_bytes:
            return False
        self._held[holder] = size_bytes
        return True

    def release(self, holder: int) -> None:
        """Forget an answer that is no longer in memory."""
        self._held.pop(holder, None)


@dataclass(frozen=True, eq=False)
class _Waiter:
    holder: int
    size_bytes: int
    granted: anyio.Event = field(default_factory=anyio.Event)


class Room:
    """The memory of one answer, from its first byte until it is no longer needed."""

    def __init__(self, budget: ByteBudget, holder: int) -> None:
        self._budget = budget
        self._holder = holder
        self.size_bytes = 0
        """Bytes that it may hold; grows until it is cleared."""

    def try_grow_to(self, size_bytes: int) -> bool:
        """Grow to this total size if that is possible at once; returns whether it is."""
        if size_bytes > self.size_bytes:
            if not self._budget.try_acquire(self._holder, size_bytes):
                return False
            self.size_bytes = size_bytes
        return True

    async def grow_to(self, size_bytes: int) -> None:
        """Wait until the answer may have this total size."""
        if not self.try_grow_to(size_bytes):
            await self._budget.acquire(self._holder, size_bytes)
            self.size_bytes = size_bytes

    def clear(self) -> None:
        """Release all of it."""
        self.size_bytes = 0
        self._budget.release(self._holder)


def _trim_heap() -> None:
    """Return free memory to the system; otherwise the C library keeps tens of megabytes of a large report."""
    with suppress(AttributeError):  # only glibc has this function
        ctypes.CDLL(None).malloc_trim(0)


class ByteBudget:
    """Makes answers wait for memory, first come first served."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._shares = Shares(budget_bytes)
        self._waiting: list[_Waiter] = []
        self._holders = 0

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Yield the memory of one answer; it is released at the end, whatever happens."""
        self._holders += 1
        room = Room(self, self._holders)
        try:
            yield room
        finally:
            was_large = room.size_bytes >= LARGE_BYTES
            room.clear()
            if was_large:
                _trim_heap()

    def try_acquire(self, holder: int, size_bytes: int) -> bool:
        """Let an answer have a size if that is possible at once; returns whether it is."""
        return self._shares.grant(holder, size_bytes)

    async def acquire(self, holder: int, size_bytes: int) -> None:
        """Wait, behind those who wait already, until an answer may have a size."""
        waiter = _Waiter(holder, size_bytes)
        self._waiting.append(waiter)
        try:
            await waiter.granted.wait()
        finally:
            if waiter in self._waiting:  # cancelled
                self._waiting.remove(waiter)

    def release(self, holder: int) -> None:
        """Release the memory of an answer, and wake those that waited for it."""
        self._shares.release(holder)
        for waiter in list(self._waiting):
            if self._shares.grant(waiter.holder, waiter.size_bytes):
                self._waiting.remove(waiter)
                waiter.granted.set()
