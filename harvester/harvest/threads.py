"""Blocking work beside the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeVar

import anyio.to_thread

from harvester.harvest.plan import Decision

T = TypeVar("T")

_BATCH: Final = 64
"""Decisions that are brought from disk at once."""


class ThreadFeed:
    """Brings decisions from a blocking iterator, a batch at a time."""

    def __init__(self, decisions: Iterator[Decision]) -> None:
        self._decisions = decisions

    async def more(self) -> list[Decision]:
        """The next decisions; none when there are no more."""
        return await in_thread(lambda: list(islice(self._decisions, _BATCH)))


async def in_thread(function: Callable[[], T]) -> T:
    """The result of a function that blocks."""
    return await anyio.to_thread.run_sync(function)
