from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives import ACCOUNT, Night, make_reports, open_archive
from support.disks import check_archive

from harvester.archive import Archive
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError
from harvester.model import account_fingerprint

REPORTS = make_reports(projects=1, each=1)


def test_an_archive_is_made_where_there_is_none(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "new" / "archive")
    assert archive.snapshots() == []
    assert archive.newest() is None
    assert Archive.open(tmp_path / "new" / "archive").account == ACCOUNT


def test_an_archive_of_another_account_is_left_alone(tmp_path: Path) -> None:
    open_archive(tmp_path)
    with pytest.raises(ArchiveError, match="another account"):
        Archive.create_or_open(tmp_path, account="0" * 16)
    assert Archive.open(tmp_path).account == ACCOUNT


def test_an_archive_of_a_newer_harvester_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "harvester.json").write_text('{"format": 2, "account": "x", "created": ""}')
    for opened in (lambda: open_archive(tmp_path), lambda: Archive.open(tmp_path)):
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
        Archive.open(tmp_path)


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


def test_the_fingerprint_of_a_new_archive_is_salted_and_still_tells_accounts_apart(tmp_path: Path) -> None:
    first, second = (Archive.create_or_open(tmp_path / name, account=314159) for name in ("a", "b"))
    assert len({first.account, second.account, account_fingerprint(314159)}) == 3
    assert Archive.create_or_open(tmp_path / "a", account=314159).account == first.account
    assert Archive.open(tmp_path / "a").belongs_to(314159)
    assert not Archive.open(tmp_path / "a").belongs_to(314160)
    with pytest.raises(ArchiveError, match="another account"):
        Archive.create_or_open(tmp_path / "a", account=314160)


def test_the_salt_is_in_no_snapshot(tmp_path: Path) -> None:
    archive = Archive.create_or_open(tmp_path / "a", account=314159)
    Night(archive).run(make_reports(projects=1, each=1))
    salt = json.loads((archive.root / "harvester.json").read_bytes())["account_salt"].encode()
    found = [path for path in archive.root.rglob("*") if path.is_file() and salt in path.read_bytes()]
    assert found == [archive.root / "harvester.json"]


def test_an_archive_of_an_earlier_version_keeps_its_fingerprint(tmp_path: Path) -> None:
    Archive.create_or_open(tmp_path / "a", account=account_fingerprint(314159))
    assert "account_salt" not in (tmp_path / "a" / "harvester.json").read_text()
    assert Archive.create_or_open(tmp_path / "a", account=314159).account == account_fingerprint(314159)
    with pytest.raises(ArchiveError, match="another account"):
        Archive.create_or_open(tmp_path / "a", account=314160)


def test_a_salt_that_is_none_is_damage(tmp_path: Path) -> None:
    Archive.create_or_open(tmp_path / "a", account=1)
    path = tmp_path / "a" / "harvester.json"
    record = json.loads(path.read_bytes()) | {"account_salt": "no salt"}
    path.chmod(0o644)
    path.write_text(json.dumps(record))
    with pytest.raises(CorruptArchiveError):
        Archive.open(tmp_path / "a")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The process has this umask for a while."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(root: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (root, *root.rglob("*")) if path.is_dir()}


def test_every_directory_of_a_new_archive_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive).run(make_reports(projects=1, each=2))
    assert modes(archive.root) == {0o700}


@pytest.mark.parametrize("mode", [0o750, 0o755])
def test_others_may_read_an_archive_when_that_is_asked_for(tmp_path: Path, umask: int, mode: int) -> None:
    archive = Archive.create_or_open(tmp_path / "a", account=ACCOUNT, mode=mode)
    Night(archive).run(make_reports(projects=1, each=2))
    assert modes(archive.root) == {mode, mode & ~umask}


def test_an_older_archive_keeps_its_mode_and_nobody_gets_the_right_to_change_it(
    tmp_path: Path, umask: int
) -> None:
    open_archive(tmp_path / "a")
    (tmp_path / "a").chmod(0o777)
    archive = open_archive(tmp_path / "a")
    Night(archive).run(make_reports(projects=1, each=2))
    assert modes(archive.root) == {0o777, 0o775 & ~umask}


def test_a_directory_that_was_there_is_narrowed_and_never_widened(tmp_path: Path) -> None:
    for before, after in ((0o777, 0o750), (0o700, 0o700)):
        root = tmp_path / oct(before)
        root.mkdir()
        root.chmod(before)
        Archive.create_or_open(root, account=ACCOUNT, mode=0o750)
        assert root.stat().st_mode & 0o777 == after


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
    assert Archive.open(tmp_path / "link").root == archive.root == tmp_path / "disk"
    check_archive(tmp_path / "disk")
    with pytest.raises(ArchiveError, match="loop"):
        open_archive(tmp_path / "loop")
