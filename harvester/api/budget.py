"""How many bytes of answers may be in memory at once, however many requests are in flight.

Rule 1: everything but the largest answer fits into the budget. So one answer of any size always gets through,
and it is the only one that may be larger than what is left.
Rule 2: the largest never waits, so something always goes on; when it is done, whoever has waited longest gets
what it asks for.
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
"""Eight reports of the usual size next to the largest one."""


class Shares:
    """The bytes that each of several answers holds, and whether one may hold more: pure."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._held: dict[int, int] = {}

    @property
    def beside_largest(self) -> int:
        """What all but the largest hold; never more than the budget."""
        return sum(self._held.values()) - max(self._held.values(), default=0)

    def grant(self, holder: int, size_bytes: int) -> bool:
        """Let an answer grow to a size, if it may; gives whether it may."""
        held = self._held | {holder: size_bytes}
        if sum(held.values()) - max(held.values()) > self.budget_bytes:
            return False
        self._held[holder] = size_bytes
        return True

    def release(self, holder: int) -> None:
        """An answer is gone from memory."""
        self._held.pop(holder, None)


@dataclass(frozen=True, eq=False)
class _Waiter:
    holder: int
    size_bytes: int
    granted: anyio.Event = field(default_factory=anyio.Event)


class Room:
    """The memory of one answer, from its first byte until nobody needs it any more."""

    def __init__(self, budget: ByteBudget, holder: int) -> None:
        self._budget = budget
        self._holder = holder
        self.size_bytes = 0
        """What it may hold; it never shrinks but to nothing."""

    def try_grow_to(self, size_bytes: int) -> bool:
        """Have this size in all, if that is possible at once; gives whether it is."""
        if size_bytes > self.size_bytes:
            if not self._budget.try_acquire(self._holder, size_bytes):
                return False
            self.size_bytes = size_bytes
        return True

    async def grow_to(self, size_bytes: int) -> None:
        """Wait until the answer may have this size in all."""
        if not self.try_grow_to(size_bytes):
            await self._budget.acquire(self._holder, size_bytes)
            self.size_bytes = size_bytes

    def clear(self) -> None:
        """Give everything back."""
        self.size_bytes = 0
        self._budget.release(self._holder)


def _give_back() -> None:
    """Return free memory to the system; the C library keeps tens of megabytes of a large report otherwise."""
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


class ByteBudget:
    """Makes answers wait for memory, first come first served."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._shares = Shares(budget_bytes)
        self._waiting: list[_Waiter] = []
        self._holders = 0

    @contextmanager
    def room(self) -> Iterator[Room]:
        """Memory for one answer; given back at the end, whatever happens."""
        self._holders += 1
        room = Room(self, self._holders)
        try:
            yield room
        finally:
            was_large = room.size_bytes >= LARGE_BYTES
            room.clear()
            if was_large:
                _give_back()

    def try_acquire(self, holder: int, size_bytes: int) -> bool:
        """Let an answer have a size, if that is possible at once; gives whether it is."""
        return self._shares.grant(holder, size_bytes)

    async def acquire(self, holder: int, size_bytes: int) -> None:
        """Wait, after those who wait already, until an answer may have a size."""
        waiter = _Waiter(holder, size_bytes)
        self._waiting.append(waiter)
        try:
            await waiter.granted.wait()
        finally:
            if waiter in self._waiting:  # cancelled
                self._waiting.remove(waiter)

    def release(self, holder: int) -> None:
        """An answer needs no memory any more; those that waited for it are let in."""
        self._shares.release(holder)
        for waiter in list(self._waiting):
            if self._shares.grant(waiter.holder, waiter.size_bytes):
                self._waiting.remove(waiter)
                waiter.granted.set()
