"""Requests by several threads, their results in order and few of them waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], *, at_once: int) -> Iterator[R]:
    """The result for each item, in the order of the items.

    When one fails, those that have not begun are dropped and those that have are waited for.

    Args:
        work: What a thread does with one item.
        items: Taken only as fast as results are taken, so that it may be a stream.
        at_once: Threads.
    """
    running: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="bucket") as threads:
        try:
            for item in items:
                running.append(threads.submit(work, item))
                if len(running) >= 2 * at_once:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
