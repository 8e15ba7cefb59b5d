"""The journal: every line on disk when it is closed, also after a cut-off and a failure."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from support.disks import FailingDisk, SteppingDisk

from harvester.api.events import RequestEvent
from harvester.errors import DiskError
from harvester.harvest.events import Committed, ProjectPlaced, Rescheduled, Settled, Started, Stopping
from harvester.model import Outcome
from harvester.operate import journal as module
from harvester.operate.journal import Journal, open_journal
from harvester.secrets import hide
from harvester.text import Duration


def stamp() -> str:
    return "2026-11-24T03:00:00.000+00:00"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def request() -> RequestEvent:
    return RequestEvent("backtests/read/report", 1, "x", 2, 1.23456, 0.5, 0.1, "again", error="cut short")


async def test_requests_and_decisions_are_written_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with open_journal(path, stamp=stamp) as journal:
        journal.notify(Started("2026-11-24", "run", ""))
        journal.request_ended(request())
        journal.notify(ProjectPlaced(1, 1))
        journal.notify(Settled(1, "P", "x", "name", Outcome.SAVED, 2, 0))
    found = lines(path)
    assert [line["event"] for line in found] == ["started", "request", "settled"]
    assert found[1] | {"started": 1.235, "error": "cut short", "attempt": 2} == found[1]
    assert all(line["at"] == stamp() for line in found)


async def test_a_wait_that_a_setting_gives_is_written_as_seconds(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with open_journal(path, stamp=stamp) as journal:
        journal.notify(Rescheduled(1, "x", 1, "generating", Duration(10), 1))
    (line,) = lines(path)
    assert (line["event"], line["wait_s"]) == ("asked", 10.0)


async def test_secrets_are_masked_in_every_line(tmp_path: Path) -> None:
    hide("CANARY-journal")
    path = tmp_path / "journal.jsonl"
    async with open_journal(path, stamp=stamp) as journal:
        journal.request_ended(RequestEvent("x", 1, "x", 2, 1.0, 0.5, 0.1, "again", error="at CANARY-journal"))
        journal.notify(Settled(1, "P", "x", "name", Outcome.FAILED, 2, 0, reason="at CANARY-journal"))
        journal.notify(Stopping("at CANARY-journal"))
    found = lines(path)
    assert [line.get("error") or line["reason"] for line in found] == ["at ***"] * 3


async def test_a_torn_last_line_is_ended_and_the_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"event":"request"}\n{"event":"sett')
    async with open_journal(path, stamp=stamp) as journal:
        journal.request_ended(request())
    found = path.read_bytes().split(b"\n")
    assert found[:2] == [b'{"event":"request"}', b'{"event":"sett']
    assert json.loads(found[2])["event"] == "request"


async def test_what_a_failing_run_has_told_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    async def fail() -> None:
        async with open_journal(path, stamp=stamp) as journal:
            journal.request_ended(request())
            raise RuntimeError("the run fails")

    with pytest.raises(BaseExceptionGroup):
        await fail()
    assert len(lines(path)) == 1


async def test_a_full_disk_is_told_as_one() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_journal(Path("/dev/full"), stamp=stamp) as journal:
            journal.request_ended(request())
    assert caught.group_contains(DiskError, match="/dev/full: the disk is full")


async def test_a_journal_that_cannot_be_opened_is_told_before_the_run_begins(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(DiskError, match="a directory has this name"):
        async with open_journal(tmp_path / "journal.jsonl", stamp=stamp):
            raise AssertionError("it has begun")


async def test_nothing_is_journalled_of_what_comes_after_the_asking(tmp_path: Path) -> None:
    journal = Journal(stamp)
    journal.notify(ProjectPlaced(1, 1))
    assert not isinstance(ProjectPlaced(1, 1), Committed)
    assert journal.take() == b""


async def test_lines_that_a_slow_disk_loses_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_WAITING", 2)
    journal = Journal(stamp)
    for _ in range(5):
        journal.request_ended(request())
    found = [json.loads(line) for line in journal.take().splitlines()]
    assert [line["event"] for line in found] == ["request", "request", "lost"]
    assert found[2]["lines"] == 3
    assert journal.take() == b""


@pytest.mark.parametrize("step", ["open_append", "write_chunk", "finish"])
async def test_a_journal_goes_through_the_archives_disk(tmp_path: Path, step: str) -> None:
    class Full(SteppingDisk):
        def before(self, number: int, step_taken: str) -> None:
            if step_taken == step:
                raise DiskError("the disk is full", path="journal.jsonl")

    with pytest.raises(ExceptionGroup) as caught:
        async with open_journal(tmp_path / "journal.jsonl", stamp=stamp, disk=Full()) as journal:
            journal.request_ended(request())
    assert caught.group_contains(DiskError, match="full")


async def test_a_torn_line_is_ended_through_the_archives_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"half')
    with pytest.raises(DiskError, match="the disk is full"):
        async with open_journal(path, stamp=stamp, disk=FailingDisk(1, errno.ENOSPC)):
            raise AssertionError("it has begun")
