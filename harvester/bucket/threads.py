"""Requests by several threads, their results in order and few of them waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    at_once: int,
    known: Callable[[T], R | None] = lambda _: None,
) -> Iterator[R]:
    """The result for each item, in the order of the items.

    When one fails, those that have not begun are dropped and those that have are waited for.

    Args:
        work: What a thread does with one item.
        items: Taken only as fast as results are taken, so that it may be a stream.
        at_once: Threads.
        known: Gives the result of an item that needs no thread; None for all others.
    """
    running: deque[Future[R]] = deque()
    waiting = 2 * at_once
    with ThreadPoolExecutor(at_once, thread_name_prefix="bucket") as threads:
        try:
            for item in items:
                result = known(item)
                if result is not None and not running:
                    yield result
                    continue
                running.append(threads.submit(work, item) if result is None else _done(result))
                if len(running) >= waiting:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _done(result: R) -> Future[R]:
    future: Future[R] = Future()
    future.set_result(result)
    return future
