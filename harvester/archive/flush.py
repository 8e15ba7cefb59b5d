"""What several threads have written, made durable by one call in place of one for each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class SharedFlush:
    """One flush after the other, each for all who wait; who comes while one runs is served by the next.

    Who writes alone is told so, and flushes its own files: a flush of everything would make it wait for what
    other programs have written, too.
    """

    def __init__(self, flush: Callable[[], None], *, shared_sync_from: int) -> None:
        """`flush` makes everything durable; it is shared from `shared_sync_from` writers at once."""
        self._flush = flush
        self._crowd = shared_sync_from
        self._state = Lock()
        self._turn = Lock()
        self._writers = 0
        self._next = 1
        self._done = 0
        """The newest flush that has ended; `_next` is the one that begins next."""
        self._failure: Exception | None = None

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Around the writing of one report; gives whether its writer is alone."""
        with self._state:
            self._writers += 1
            alone = self._writers < self._crowd
        try:
            yield alone
        finally:
            with self._state:
                self._writers -= 1

    def wait(self) -> None:
        """Return when everything that the caller has written is on disk.

        Raises:
            DiskError: it is not. From then on everyone is told: the system reports a failure only once.
        """
        with self._state:
            mine = self._next
        with self._turn:
            if self._failure is not None:
                raise self._failure
            if self._done >= mine:
                return
            with self._state:
                self._next += 1
            try:
                self._flush()
            except Exception as exc:
                self._failure = exc
                raise
            self._done = mine
