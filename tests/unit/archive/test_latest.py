from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.disks import FailingDisk, NoSymlinksDisk, check_archive

from harvester.archive import Archive, Disk
from harvester.archive.latest import point_latest, read_latest
from harvester.archive.store import Store
from harvester.audit import verify_archive
from harvester.errors import DiskError

REPORTS = make_reports(projects=1, each=2)
FIRST, SECOND = "2026-11-21", "2026-11-22"
NO_LINKS = [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP]
"""What the kernel, FUSE and network shares answer."""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An Archive with one Snapshot."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, FIRST).run(REPORTS)
    return archive


def notes_of_run(archive: Archive, date: str, disk: Disk) -> tuple[str, ...]:
    archive = open_archive(archive.root, disk)
    with archive.lock(command="test", wait_s=0):
        Night(archive, date).run_locked(REPORTS)
        assert archive._partial is not None
        return archive._partial.notes


def test_without_symbolic_links_latest_is_a_text_file(tmp_path: Path) -> None:
    for code in NO_LINKS:
        archive = open_archive(tmp_path / str(code), NoSymlinksDisk(code))
        (note,) = notes_of_run(archive, FIRST, archive.disk)
        assert "has no symbolic links" in note
        assert (archive.root / "latest").read_text() == f"{FIRST}\n"
        assert notes_of_run(archive, SECOND, archive.disk) == ()  # said once, not every night
        assert (archive.root / "latest").read_text() == f"{SECOND}\n"
        assert not verify_archive(archive)
        check_archive(archive.root)


def test_a_text_file_that_came_from_such_a_file_system_is_replaced_by_a_link(archive: Archive) -> None:
    (archive.root / "latest").unlink()
    (archive.root / "latest").write_text(f"{FIRST}\n")
    assert not verify_archive(archive)
    Night(archive, SECOND).run(REPORTS)
    assert (archive.root / "latest").readlink() == Path(SECOND)


def _copied(latest: Path) -> None:
    target = latest.resolve()
    latest.unlink()
    shutil.copytree(target, latest)


def _empty(latest: Path) -> None:
    latest.unlink()
    latest.mkdir()


@pytest.mark.parametrize("plant", [_copied, _empty])
@pytest.mark.parametrize("disk", [Disk(), NoSymlinksDisk(errno.EPERM)], ids=["links", "no links"])
def test_a_directory_with_the_name_latest_is_set_aside(
    archive: Archive, plant: Callable[[Path], None], disk: Disk
) -> None:
    """`cp -rL` and `rsync -L` make one of the link."""
    plant(archive.root / "latest")
    notes = notes_of_run(archive, SECOND, disk)
    assert ".latest.set-aside1. No Snapshot needs it" in notes[0]
    assert (archive.root / ".latest.set-aside1").is_dir()
    check_archive(archive.root)
    assert not verify_archive(archive)


def test_a_second_directory_is_set_aside_under_another_name(archive: Archive) -> None:
    for _ in range(2):
        _empty(archive.root / "latest")
        point_latest(Store(archive.root, Disk()), FIRST)
    assert (archive.root / ".latest.set-aside2").is_dir()


def _pipe(latest: Path) -> None:
    latest.unlink()
    os.mkfifo(latest)


def _large(latest: Path) -> None:
    latest.unlink()
    latest.write_bytes(FIRST.encode() + b" " * 100)


def _binary(latest: Path) -> None:
    latest.unlink()
    latest.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("plant", [Path.unlink, _empty, _pipe, _large, _binary])
def test_anything_else_names_no_snapshot(archive: Archive, plant: Callable[[Path], None]) -> None:
    plant(archive.root / "latest")
    assert read_latest(archive.root) != FIRST
    (problem,) = verify_archive(archive)
    assert str(problem) == f"latest does not point to {FIRST}"
    archive.disk = Disk()
    with archive.lock(command="test", wait_s=0):
        archive.recover()
    check_archive(archive.root)


def test_a_full_disk_is_not_taken_for_one_without_links(archive: Archive) -> None:
    class Full(Disk):
        def symlink(self, target: str, link: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskError, match="full"):
        point_latest(Store(archive.root, Full()), SECOND)


def test_what_cannot_be_moved_is_an_error(archive: Archive) -> None:
    _empty(archive.root / "latest")
    with pytest.raises(DiskError, match="may not write"):
        point_latest(Store(archive.root, FailingDisk(1, errno.EACCES)), FIRST)
