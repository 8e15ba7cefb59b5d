"""Blocking work in worker threads, next to the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeVar

import anyio.to_thread

from harvester.harvest.decision import FetchReport

T = TypeVar("T")

_BATCH: Final = 64
"""FetchReports that are brought from disk at once."""


class ThreadFeed:
    """Brings decisions from a blocking iterator, a batch at a time."""

    def __init__(self, decisions: Iterator[FetchReport]) -> None:
        self._decisions = decisions

    async def more(self) -> list[FetchReport]:
        """The next decisions; empty at the end."""
        return await in_thread(lambda: list(islice(self._decisions, _BATCH)))


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function that blocks in a worker thread; returns its result."""
    return await anyio.to_thread.run_sync(function)
