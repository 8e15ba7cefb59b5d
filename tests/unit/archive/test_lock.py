from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.archives import open_archive
from support.disks import DyingDisk, FailingDisk, Killed

from harvester.archive import Archive
from harvester.archive.lock import find_holder
from harvester.errors import ArchiveLockedError, CorruptArchiveError

HOLDER = """
import sys
from pathlib import Path
from harvester.archive import Archive
with Archive.open(Path(sys.argv[1])).lock(command="harvester run --held", wait_s=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the Archive in `tmp_path`."""
    open_archive(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_second_run_learns_who_holds_the_archive(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    try:
        with (
            pytest.raises(ArchiveLockedError) as caught,
            Archive.open(tmp_path).lock(command="x", wait_s=0.05),
        ):
            pass
    finally:
        end(holder)
    message = str(caught.value)
    assert f"process {holder.pid} on {os.uname().nodename}" in message
    assert "'harvester run --held'" in message
    assert "--lock-wait" in message


def test_a_killed_run_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    end(holder)
    with Archive.open(tmp_path).lock(command="x", wait_s=0):
        assert (tmp_path / ".harvester.lock").exists()


def test_a_waiting_run_gets_the_lock_when_the_other_ends(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    with Archive.open(tmp_path).lock(command="x", wait_s=30):
        pass
    holder.wait()
    assert holder.stdout is not None
    holder.stdout.close()


def test_the_lock_file_stays_and_the_note_goes(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    with archive.lock(command="x", wait_s=0):
        inode = (tmp_path / ".harvester.lock").stat().st_ino
        assert (tmp_path / ".harvester.lock.owner").exists()
    assert (tmp_path / ".harvester.lock").stat().st_ino == inode
    assert not (tmp_path / ".harvester.lock.owner").exists()


def test_an_owner_that_cannot_be_read_is_another_process(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    owner = tmp_path / ".harvester.lock.owner"
    owner.unlink()
    owner.symlink_to("/dev/zero")
    try:
        with (
            pytest.raises(ArchiveLockedError, match="another process"),
            Archive.open(tmp_path).lock(command="x", wait_s=0),
        ):
            pass
    finally:
        end(holder)


def test_a_snapshot_can_only_be_begun_under_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="lock"):
        open_archive(tmp_path).begin(date="2026-11-22", run_id="r", started="")


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_planted_as_the_lock_is_neither_followed_nor_waited_for(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / ".harvester.lock")
    with pytest.raises(CorruptArchiveError, match=r"harvester\.lock is (a symbolic link|not a regular file)"):
        find_holder(tmp_path)


def test_the_lock_is_let_go_of_whatever_happens_to_the_note_beside_it(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    archive.disk = DyingDisk(10**9)

    def hold() -> None:
        with archive.lock(command="test", wait_s=0):
            archive.disk.dies_at = 0  # type: ignore[attr-defined]

    with pytest.raises(Killed) as kept:
        hold()
    with Archive.open(tmp_path).lock(command="test", wait_s=0):
        assert kept.value.__traceback__ is not None, "what held the lock is still alive"


def test_a_full_disk_does_not_keep_anybody_from_the_lock(tmp_path: Path) -> None:
    open_archive(tmp_path)
    with Archive.open(tmp_path, disk=FailingDisk(1, errno.ENOSPC, lasting=True)).lock(
        command="prune", wait_s=0
    ):
        assert find_holder(tmp_path) == "another process"
