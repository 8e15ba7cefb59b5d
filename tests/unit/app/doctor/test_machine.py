from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from support.archives import Night, make_reports, open_archive

from harvester.app.doctor.api import check_clock
from harvester.app.doctor.check import Check, Status
from harvester.app.doctor.machine import (
    check_archive,
    check_configuration,
    check_credentials,
    check_inodes,
    check_links,
    check_space,
)
from harvester.app.exits import ExitCode
from harvester.archive import Archive, LinkMode
from harvester.archive.calls import Room
from harvester.config.credentials import Credentials
from harvester.config.load import load_settings
from harvester.model import Ending
from harvester.secrets import Secret

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
"""The night after the one that the archives of these tests were made in."""


def checks(root: Path, user_id: int | None = None, now: datetime = NOW) -> dict[str, Check]:
    credentials = None if user_id is None else Credentials(user_id, Secret("aaaabbbbccccdddd"), "a test")
    return {check.name: check for check in check_archive(root, credentials, now=now)}


def archive_with(root: Path, **fields: object) -> Archive:
    """An archive with one Snapshot whose `snapshot.json` says something else."""
    archive = open_archive(root)
    snapshot = Night(archive).run(make_reports(1, 1))
    record = msgspec.structs.replace(snapshot.record(), **fields)  # type: ignore[arg-type]
    path = snapshot.path / "snapshot.json"
    path.chmod(0o644)
    path.write_bytes(msgspec.json.encode(record))
    return archive


@contextmanager
def as_nobody() -> Iterator[None]:
    """Whoever runs the tests, root too, has no special rights here."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """A directory that everybody can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_archive_in_good_order_passes_everything(tmp_path: Path) -> None:
    archive_with(tmp_path)
    found = checks(tmp_path)
    found.pop("inodes", None)  # some file systems do not count them
    assert {name: check.status for name, check in found.items()} == dict.fromkeys(
        ("permissions", "links", "lock", "last run", "disk"), Status.OK
    )
    assert found["last run"].text == "2026-11-22, 23h50m ago, ended with 0 (ok)"


def test_doctor_leaves_nothing_behind(tmp_path: Path) -> None:
    archive_with(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    checks(tmp_path)
    checks(tmp_path / "not" / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_archive_that_is_not_there_yet_will_be_made(tmp_path: Path) -> None:
    found = checks(tmp_path / "new" / "archive")
    assert found["archive"].status is Status.OK
    assert "1.0 GB" in found["disk"].text


@pytest.mark.parametrize(
    ("free", "fields", "status", "text"),
    [
        (20, {"listed": 8, "gone": 2}, Status.OK, "a night with nothing new takes about 20"),
        (19, {"listed": 8, "gone": 2}, Status.WARNING, "19 inodes free"),
        (29, {"listed": 5, "files": 20, "link_mode": "copy"}, Status.WARNING, "takes about 30"),
    ],
)
def test_free_inodes_are_held_against_what_a_night_takes(
    tmp_path: Path, free: int, fields: dict[str, object], status: Status, text: str
) -> None:
    newest = archive_with(tmp_path, **fields).newest()
    assert newest is not None
    (found,) = check_inodes(Room(10**9, free), newest.record())
    assert found.status is status
    assert text in found.text


def test_free_inodes_are_held_against_a_first_run(tmp_path: Path) -> None:
    (found,) = check_inodes(Room(10**9, 9_999), None)
    assert (found.status, found.text) == (
        Status.WARNING,
        "9,999 inodes free; a first run over 500 reports takes about 10,000",
    )


def test_a_file_system_that_does_not_count_inodes_is_not_asked() -> None:
    assert not list(check_inodes(Room(10**9, None), None))


def test_directory_of_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    assert checks(tmp_path)["archive"].code is ExitCode.ERROR


def test_volume_that_was_just_made_will_be_used(tmp_path: Path) -> None:
    for name in ("lost+found", ".Trash-0"):
        (tmp_path / name).mkdir()
    assert checks(tmp_path)["archive"].status is Status.OK
    assert open_archive(tmp_path).root == tmp_path


def test_archive_that_lost_its_file_is_damaged_for_doctor_as_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "2026-11-22").mkdir()
    found = checks(tmp_path)["archive"]
    assert (found.status, found.code) == (Status.ERROR, ExitCode.DAMAGED)
    assert "Restore that file from a backup" in found.text


def test_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert checks(tmp_path / "file" / "archive")["archive"].text == f"{tmp_path / 'file'} is not a directory"


def test_directory_that_may_not_be_written_is_a_disk_error(public_dir: Path) -> None:
    with as_nobody():
        found = checks(public_dir / "archive")["permissions"]
    assert (found.status, found.code) == (Status.ERROR, ExitCode.DISK)
    assert "this user may not write here" in found.text


def test_directory_that_may_not_even_be_looked_into_is_a_disk_error(public_dir: Path) -> None:
    (public_dir / "secret").mkdir(mode=0o700)
    with as_nobody():
        found = checks(public_dir / "secret" / "archive")["archive"]
    assert (found.status, found.code) == (Status.ERROR, ExitCode.DISK)


def test_archive_that_anybody_may_change_is_a_warning_with_its_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    found = checks(tmp_path)["permissions"]
    assert (found.status, found.advice) == (Status.WARNING, f"chmod o-w {tmp_path}")


def test_archive_that_everybody_may_read_is_a_warning_unless_that_is_asked_for(tmp_path: Path) -> None:
    archive_with(tmp_path)
    tmp_path.chmod(0o755)
    found = checks(tmp_path)["permissions"]
    assert (found.status, found.text) == (Status.WARNING, f"every user of this machine may read {tmp_path}")
    asked = {check.name: check for check in check_archive(tmp_path, None, now=NOW, mode=0o755)}
    assert asked["permissions"].status is Status.OK


def test_archive_of_another_account_is_an_error(tmp_path: Path) -> None:
    archive_with(tmp_path)
    found = checks(tmp_path, user_id=999)["archive"]
    assert found.code is ExitCode.ERROR
    assert "another account" in found.text


def test_archive_that_is_in_use_is_a_warning_that_names_its_holder(tmp_path: Path) -> None:
    archive = archive_with(tmp_path)
    with archive.lock(command="harvester run", wait_s=0):
        found = checks(tmp_path)["lock"]
    assert found.status is Status.WARNING
    assert f"process {os.getpid()}" in found.text
    assert checks(tmp_path)["lock"].status is Status.OK


def test_archive_without_a_snapshot_waits_for_its_first_run(tmp_path: Path) -> None:
    open_archive(tmp_path)
    assert checks(tmp_path)["last run"].advice == "harvester run"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"ending": Ending.PARTIAL}, "ended with 3 (partial)"),
        ({"ending": Ending.THROTTLED}, "ended with 18 (throttled)"),
        ({"finished": "yesterday"}, "at an unreadable time"),
    ],
)
def test_last_run_that_did_not_go_well_is_a_warning(
    tmp_path: Path, fields: dict[str, object], text: str
) -> None:
    archive_with(tmp_path, **fields)
    found = checks(tmp_path)["last run"]
    assert found.status is Status.WARNING
    assert text in found.text


def test_last_run_of_long_ago_is_a_warning(tmp_path: Path) -> None:
    archive_with(tmp_path)
    found = checks(tmp_path, now=NOW + timedelta(days=3))["last run"]
    assert found.status is Status.WARNING
    assert "4d ago" in found.text


def test_directory_that_only_looks_like_a_snapshot_is_a_warning(tmp_path: Path) -> None:
    archive_with(tmp_path)
    (tmp_path / "2027-05-05").mkdir()
    found = checks(tmp_path)
    assert found["archive"].status is Status.WARNING
    assert str(tmp_path / "2027-05-05") in found["archive"].text
    assert found["last run"].status is Status.OK


def test_record_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    newest = archive_with(tmp_path).newest()
    assert newest is not None
    (newest.path / "snapshot.json").write_text("{")
    assert checks(tmp_path)["archive"].code is ExitCode.DAMAGED


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"written_bytes": 10**18, "link_mode": "hardlink"}, Status.WARNING),
        ({"written_bytes": 1, "payload_bytes": 10**18, "link_mode": "hardlink"}, Status.OK),
        ({"written_bytes": 1, "payload_bytes": 10**18, "link_mode": "copy"}, Status.WARNING),
    ],
)
def test_free_space_is_held_against_what_the_last_run_needed(
    tmp_path: Path, fields: dict[str, object], status: Status
) -> None:
    newest = archive_with(tmp_path, **fields).newest()
    assert newest is not None
    assert check_space(tmp_path, newest.record()).status is status


def test_file_system_without_links_is_a_warning(tmp_path: Path) -> None:
    assert check_links(tmp_path, LinkMode.REFLINK).status is Status.OK
    found = check_links(tmp_path, LinkMode.COPY)
    assert (found.status, found.code) == (Status.WARNING, ExitCode.OK)


@pytest.mark.parametrize(
    ("offset_s", "status", "text"),
    [
        (0.4, Status.OK, "0 s behind"),
        (-20, Status.OK, "20 s ahead of"),
        (31, Status.WARNING, "31 s behind"),
        (-7300, Status.WARNING, "7300 s ahead of"),
    ],
)
def test_clock_is_held_against_the_server(offset_s: float, status: Status, text: str) -> None:
    (found,) = check_clock(offset_s)
    assert found.status is status
    assert found.text == f"{text} the server's"
    assert bool(found.advice) is (status is Status.WARNING)


def test_clock_of_a_server_that_was_not_reached_is_not_judged() -> None:
    assert list(check_clock(None)) == []


def test_configuration_says_how_much_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "harvester.toml"
    path.write_text("[pace]\nworkers = 2\nburst = 2")
    loaded = load_settings(path=path, environ={}, overrides={})
    (check,) = check_configuration(loaded)
    assert check.text.startswith(f"{path}, 2 of ")


def test_a_configuration_that_others_may_change_is_a_warning_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "harvester.toml"
    path.touch()
    path.chmod(0o666)
    loaded = load_settings(path=path, environ={}, overrides={})
    check = list(check_configuration(loaded))[1]
    assert (check.status, check.code) == (Status.WARNING, ExitCode.OK)
    assert check.text == f"anybody may change {path}, and it can run commands"
    assert check.advice == f"run: chmod go-w {path}"


def test_a_configuration_from_a_pipe_is_taken_as_it_is() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    loaded = load_settings(path=Path(f"/dev/fd/{reading}"), environ={}, overrides={})
    assert len(list(check_configuration(loaded))) == 1
    os.close(reading)


def test_credentials_that_others_can_read_are_a_warning_with_the_command() -> None:
    found = Credentials(
        7, Secret("x" * 16), "/token", ("/token can be read by others; run: chmod 600 /token",)
    )
    first, second = check_credentials(found)
    assert (first.status, first.text) == (Status.OK, "from /token")
    assert (second.status, second.advice) == (Status.WARNING, "run: chmod 600 /token")
