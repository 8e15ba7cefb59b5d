"""The Archive as a whole, looked at while a run commits, and after one was killed."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from support.archives import Night, make_reports, open_archive
from support.disks import Killed, SteppingDisk

from harvester.archive import Archive
from harvester.audit import verify_archive
from harvester.audit.verify.ledger import check_ledger

REPORTS = make_reports(projects=1, each=2)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An Archive with one Snapshot."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS)
    return archive


class PausingDisk(SteppingDisk):
    """Stops before a step of a commit until it is told to go on."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step
        self.reached = Event()
        self.go_on = Event()

    def before(self, number: int, step: str) -> None:
        if step == self.step:
            self.reached.set()
            assert self.go_on.wait(30)


@pytest.mark.parametrize("step", ["append", "symlink_atomic"])
def test_a_run_that_commits_meanwhile_is_no_problem(archive: Archive, step: str) -> None:
    """It has given its Snapshot a name, and not yet its line in the Ledger, or not yet `latest`."""
    disk = PausingDisk(step)
    run = Thread(target=lambda: Night(open_archive(archive.root, disk), "2026-11-22").run(REPORTS))
    run.start()
    assert disk.reached.wait(30)

    def wait(_: float) -> None:
        disk.go_on.set()
        run.join()

    assert check_ledger(archive, wait=wait) == []
    assert len(archive.snapshots()) == 2


def test_what_is_wrong_all_the_time_is_a_problem_next_to_a_run_too(archive: Archive) -> None:
    (archive.root / "latest").unlink()
    pauses: list[float] = []
    with archive.lock(command="run", wait_s=0):
        (problem,) = check_ledger(archive, wait=pauses.append)
    assert problem.path == "latest"
    assert pauses == [0.0, 0.5, 1.0]


def test_nobody_is_waited_for_where_nobody_is(archive: Archive) -> None:
    (archive.root / "latest").unlink()
    (archive.root / ".harvester.lock").unlink()
    (archive.root / ".harvester.lock").symlink_to("elsewhere")
    pauses: list[float] = []
    assert len(check_ledger(archive, wait=pauses.append)) == 1
    assert pauses == [0.0]


class KilledAt(SteppingDisk):
    """Dies at a step, as at a second SIGTERM."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def before(self, number: int, step: str) -> None:
        if step == self.step:
            raise Killed(step)


def test_a_commit_that_was_killed_before_its_line_is_finished_by_the_next_run(archive: Archive) -> None:
    with suppress(Killed):
        Night(open_archive(archive.root, KilledAt("append")), "2026-11-22").run(REPORTS)
    found = {problem.place: problem for problem in verify_archive(archive)}
    assert str(found["2026-11-22"]).endswith("its run was stopped in the last steps of the commit")
    assert found["2026-11-22"].advice == "the next run or prune adds the line; nothing is lost"
    Night(open_archive(archive.root), "2026-11-23").run(REPORTS)
    assert not verify_archive(archive)


def test_a_snapshot_from_elsewhere_is_not_taken_for_one(archive: Archive, tmp_path: Path) -> None:
    other = open_archive(tmp_path / "other")
    Night(other, "2026-11-22").run(REPORTS)
    shutil.copytree(other.root / "2026-11-22", archive.root / "2026-11-22")
    found = {problem.place: problem for problem in verify_archive(archive)}
    assert str(found["2026-11-22"]).endswith("no run of this Archive is known to have written it")
    assert "move the directory out" in found["2026-11-22"].advice
