from __future__ import annotations

import os
from pathlib import Path

import pytest
from archives import ACCOUNT, Night, make_reports, open_archive
from faults import check_archive

from harvester.archive import Archive
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError

REPORTS = make_reports(projects=1, each=1)


def test_an_archive_is_made_where_there_is_none(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "new" / "archive")
    assert archive.snapshots() == []
    assert archive.newest() is None
    assert Archive.read(tmp_path / "new" / "archive").account == ACCOUNT


def test_an_archive_of_another_account_is_left_alone(tmp_path: Path) -> None:
    open_archive(tmp_path)
    with pytest.raises(ArchiveError, match="another account"):
        Archive.open(tmp_path, account="0" * 16)
    assert Archive.read(tmp_path).account == ACCOUNT


def test_an_archive_of_a_newer_harvester_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "harvester.json").write_text('{"format": 2, "account": "x", "created": ""}')
    for opened in (lambda: open_archive(tmp_path), lambda: Archive.read(tmp_path)):
        with pytest.raises(ArchiveError, match="newer harvester"):
            opened()


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"thesis\.tex"):
        open_archive(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_root_of_a_fresh_disk_is_as_good_as_empty(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".Trash").mkdir()
    assert open_archive(tmp_path).snapshots() == []


def test_snapshots_without_harvester_json_are_not_taken_for_a_new_archive(tmp_path: Path) -> None:
    Night(open_archive(tmp_path)).run(REPORTS)
    (tmp_path / "harvester.json").unlink()
    with pytest.raises(CorruptArchiveError, match="Restore"):
        open_archive(tmp_path)


def test_what_is_no_archive_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is no Archive"):
        Archive.read(tmp_path)


def test_an_archive_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError):
        open_archive(tmp_path / "file" / "archive")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to a user that may not write")
def test_a_directory_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        os.seteuid(65534)
        try:
            open_archive(tmp_path / "archive")
        except DiskError as exc:
            os._exit(0 if "may not write" in str(exc) else 2)
        except PermissionError:
            os._exit(0)  # a directory above tmp_path is closed to others already
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_snapshot_is_found_by_name_or_as_the_latest(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    Night(archive, "2026-11-21").run(REPORTS)
    Night(archive, "2026-11-22").run(REPORTS)
    assert archive.snapshot("2026-11-21").name == "2026-11-21"
    assert archive.snapshot("latest") == archive.newest()
    with pytest.raises(ArchiveError, match="it has 2026-11-21, 2026-11-22"):
        archive.snapshot("2026-11-23")


def test_an_archive_without_snapshots_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="none yet"):
        open_archive(tmp_path).snapshot("latest")


def test_of_many_snapshots_a_message_names_the_first_and_last(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    for day in range(1, 13):
        directory = tmp_path / f"2026-11-{day:02d}"
        directory.mkdir()
        (directory / "snapshot.json").touch()
    with pytest.raises(ArchiveError, match=r"2026-11-03, \.\.\., 2026-11-07"):
        archive.snapshot("2027-01-01")


def test_a_planted_link_is_no_snapshot(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    (tmp_path / "2026-11-22").symlink_to("/etc")
    assert archive.snapshots() == []


@pytest.mark.parametrize("date", ["2026-11-22.2", "../x", "today", ""])
def test_a_run_begins_on_a_date(tmp_path: Path, date: str) -> None:
    archive = open_archive(tmp_path)
    with archive.lock(command="x", wait_s=0), pytest.raises(ValueError, match="not a date"):
        archive.begin(date=date, run_id="r", started="")


def test_an_archive_may_be_named_by_a_link_to_its_directory(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "loop").symlink_to("loop")
    archive = open_archive(tmp_path / "link")
    Night(archive).run(make_reports(1, 1))
    assert Archive.read(tmp_path / "link").root == archive.root == tmp_path / "disk"
    check_archive(tmp_path / "disk")
    with pytest.raises(ArchiveError, match="loop"):
        open_archive(tmp_path / "loop")
