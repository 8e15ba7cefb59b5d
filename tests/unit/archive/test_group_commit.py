from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from harvester.archive.group_commit import GroupCommit
from harvester.errors import DiskError


def test_who_writes_alone_flushes_alone() -> None:
    shared = GroupCommit(lambda: None, shared_sync_from=2)
    with shared.writing() as first, shared.writing() as second:
        assert (first, second) == (True, False)
    with shared.writing() as third:
        assert third


def test_all_who_wait_are_served_by_one_flush() -> None:
    started, go_on = Event(), Event()
    flushes: list[int] = []

    def flush() -> None:
        flushes.append(1)
        started.set()
        assert go_on.wait(30)

    shared = GroupCommit(flush, shared_sync_from=1)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(shared.wait)
        assert started.wait(30)
        others = [threads.submit(shared.wait) for _ in range(8)]
        while not all(other.running() for other in others):
            pass
        go_on.set()
        for waiting in (first, *others):
            waiting.result(30)
    assert 2 <= len(flushes) <= 9


def test_who_comes_while_a_flush_runs_waits_for_the_next_one() -> None:
    written: list[str] = []
    durable: list[str] = []
    started, go_on = Event(), Event()

    def flush() -> None:
        seen = list(written)
        started.set()
        assert go_on.wait(30)
        durable[:] = seen

    shared = GroupCommit(flush, shared_sync_from=1)
    with ThreadPoolExecutor(2) as threads:
        written.append("a")
        first = threads.submit(shared.wait)
        assert started.wait(30)
        written.append("b")  # too late for the flush that runs
        second = threads.submit(shared.wait)
        go_on.set()
        first.result(30)
        second.result(30)
    assert durable == ["a", "b"]


def test_after_a_failure_nobody_is_told_that_all_is_well() -> None:
    answers = [DiskError("the disk reports an error", path="x"), None]

    def flush() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    shared = GroupCommit(flush, shared_sync_from=1)
    for _ in range(2):
        with pytest.raises(DiskError, match="reports an error"):
            shared.wait()
    assert answers == [None]
