"""Work on a stream by several threads, its results in order and few of them waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@cache
def _threads() -> ThreadPoolExecutor:
    """One for the whole process: an archive of thousands of dates would start as many pools."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="audit")


def map_in_order(work: Callable[[T], R], items: Iterable[T], *, waiting: int) -> Iterator[R]:
    """The result for each item, in the order of the items, by as many threads as there are cores.

    Args:
        work: What a thread does with one item; must not call this function itself.
        items: Taken from only as fast as results are taken, so that it may be a stream.
        waiting: Most items that are worked on, or have a result that waits, at a time; bounds the memory.
    """
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(_threads().submit(work, item))
            if len(running) >= waiting:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
        wait(running)  # tasks that are running may still use files that the caller closes
