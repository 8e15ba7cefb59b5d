"""Work on a stream by several threads, its results in order and few of them waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], *, waiting: int) -> Iterator[R]:
    """The result for each item, in the order of the items, by as many threads as there are cores.

    Args:
        work: What a thread does with one item.
        items: Taken from only as fast as results are taken, so that it may be a stream.
        waiting: Items at most that are worked on or whose results wait; bounds the memory.
    """
    running: deque[Future[R]] = deque()
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        try:
            for item in items:
                running.append(threads.submit(work, item))
                if len(running) >= waiting:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
