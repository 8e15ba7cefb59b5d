"""Linking directories by several threads, with a bound on what waits."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from harvester.archive.disk import Disk, LinkMode
from harvester.archive.placing import Carry, carry

_BATCH: Final = 32
"""Directories a thread takes at once."""
_WAITING: Final = 64
"""Batches that may wait; more would only hold memory."""


class Linker:
    """Carries directories in the background; errors come out of a later `add`, or of `finish`."""

    def __init__(self, disk: Disk, mode: LinkMode) -> None:
        self._disk = disk
        self._mode = mode
        self._threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="link")
        self._batch: list[Carry] = []
        self._running: deque[Future[None]] = deque()

    def add(self, job: Carry) -> None:
        """Have one directory linked."""
        self._batch.append(job)
        if len(self._batch) >= _BATCH:
            self._start()

    def finish(self) -> None:
        """Wait until all is linked."""
        self._start()
        while self._running:
            self._running.popleft().result()

    def close(self) -> None:
        """Let go of the threads; what has not started does not start."""
        self._threads.shutdown(cancel_futures=True)

    def _start(self) -> None:
        while len(self._running) >= _WAITING:
            self._running.popleft().result()
        self._running.append(self._threads.submit(self._carry_all, self._batch))
        self._batch = []

    def _carry_all(self, jobs: list[Carry]) -> None:
        for job in jobs:
            carry(self._disk, self._mode, job)
