from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.archives import ACCOUNT, STARTED, Night, Report, make_reports, open_archive
from support.disks import DyingDisk, Killed, check_archive

from harvester.archive import Archive, PartialSnapshot
from harvester.errors import ArchiveError

REPORTS = make_reports(projects=1, each=3)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An Archive with one Snapshot and a run that was cut off after one report."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-20").run(REPORTS[:1])
    begin(archive, "2026-11-21", "cut-off", REPORTS[1])
    return archive


def begin(archive: Archive, date: str, run_id: str, *reports: Report) -> PartialSnapshot:
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date=date, run_id=run_id, started=STARTED)
        for report in reports:
            record = report.record(partial.run_id)
            partial.save_report(record, report.html, report.offline, report.pictures)
    return partial


def state_of(archive: Archive, **fields: object) -> None:
    path = archive.root / ".2026-11-21.partial" / ".run" / "partial.json"
    state = {"format": 1, "account": ACCOUNT, "run_id": "cut-off", "started": STARTED, **fields}
    path.chmod(0o644)
    path.write_bytes(msgspec.json.encode(state))


def test_an_interrupted_run_is_resumed_under_the_new_date(archive: Archive) -> None:
    partial = begin(archive, "2026-11-22", "next")
    assert partial.name == "2026-11-22"
    assert partial.run_id == "cut-off"
    assert list(partial.finished()) == [(101, REPORTS[1].backtest_id)]
    assert partial.notes == ()
    assert not (archive.root / ".2026-11-21.partial").exists()


def test_an_interrupted_run_is_resumed_on_the_same_date_too(archive: Archive) -> None:
    assert len(begin(archive, "2026-11-21", "next").finished()) == 1


def test_what_was_half_written_is_swept(archive: Archive) -> None:
    path = archive.root / ".2026-11-21.partial"
    half = path / "data" / "project-1_101" / ".backtest-9_x.part"
    half.mkdir()
    (half / "report.html").write_bytes(b"half")
    (path / "inventory.jsonl").write_bytes(b"half")
    (path / ".run" / "listing" / "101.json").write_bytes(b"old")
    (path / "journal.jsonl").write_bytes(b"{}\n")
    begin(archive, "2026-11-21", "next")
    assert sorted(item.name for item in path.iterdir()) == [".run", "data", "journal.jsonl"]
    assert not list((path / ".run" / "listing").iterdir())
    assert not half.exists()


def test_a_journal_that_an_interrupted_commit_has_sealed_can_be_written_again(archive: Archive) -> None:
    journal = archive.root / ".2026-11-21.partial" / "journal.jsonl"
    journal.write_bytes(b"{}\n")
    journal.chmod(0o444)
    begin(archive, "2026-11-21", "next")
    assert journal.stat().st_mode & 0o777 == 0o644


def test_links_planted_in_a_partial_are_removed_not_followed(archive: Archive, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    (outside / "b" / "report.json").write_bytes(b"{}")
    data = archive.root / ".2026-11-21.partial" / "data"
    (data / "planted_7").symlink_to(outside)
    (data / "file").write_bytes(b"")
    (data / "project-1_101" / "planted_8").symlink_to(outside / "b")
    begin(archive, "2026-11-21", "next").finished()
    assert [path.name for path in data.rglob("planted*")] == []
    assert (outside / "b" / "report.json").read_bytes() == b"{}"


@pytest.mark.parametrize("name", ["data", ".run"])
def test_a_partial_whose_parts_are_links_is_not_written_through(
    archive: Archive, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    shutil.move(archive.root / ".2026-11-21.partial" / name, outside)
    (archive.root / ".2026-11-21.partial" / name).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    Night(archive, "2026-11-22").run(REPORTS)
    assert sorted(outside.rglob("*")) == before
    check_archive(archive.root)


@pytest.mark.parametrize(
    "fields",
    [{"format": 0}, {"account": "somebody else"}, {"run_id": 7}],
    ids=["older", "other account", "damaged"],
)
def test_a_partial_of_another_kind_is_set_aside_and_nothing_lost(
    archive: Archive, fields: dict[str, object]
) -> None:
    state_of(archive, **fields)
    partial = begin(archive, "2026-11-22", "next")
    aside = archive.root / ".2026-11-21.set-aside1"
    assert partial.run_id == "next"
    assert str(aside) in partial.notes[0]
    assert len(list(aside.rglob("report.html"))) == 1
    assert partial.finished() == {}


def test_two_may_be_set_aside(archive: Archive) -> None:
    (archive.root / ".2026-11-21.set-aside1").mkdir()
    state_of(archive, format=0)
    begin(archive, "2026-11-22", "next")
    assert (archive.root / ".2026-11-21.set-aside2").is_dir()


def test_a_partial_of_a_newer_harvester_is_left_alone(archive: Archive) -> None:
    state_of(archive, format=2)
    with pytest.raises(ArchiveError, match="newer harvester"):
        begin(archive, "2026-11-22", "next")
    assert (archive.root / ".2026-11-21.partial").is_dir()


def test_the_newest_of_two_partials_is_resumed(archive: Archive) -> None:
    shutil.copytree(archive.root / ".2026-11-21.partial", archive.root / ".2026-11-19.partial")
    partial = begin(archive, "2026-11-22", "next")
    assert len(partial.finished()) == 1
    assert (archive.root / ".2026-11-19.set-aside1").is_dir()


def test_a_partial_without_anything_in_it_is_replaced(archive: Archive) -> None:
    (archive.root / ".2026-11-23.partial" / "data").mkdir(parents=True)
    partial = begin(archive, "2026-11-22", "next")
    assert partial.run_id == "cut-off"
    assert not (archive.root / ".2026-11-23.partial").exists()


def test_a_report_renamed_between_two_attempts_is_found_under_its_old_name(archive: Archive) -> None:
    night = Night(archive, "2026-11-22")
    night.run([REPORTS[0], replace(REPORTS[1], name="Renamed")])
    assert night.asked_for == []
    check_archive(archive.root)


def test_a_report_saved_under_two_names_is_kept_once(archive: Archive) -> None:
    begin(archive, "2026-11-21", "next", replace(REPORTS[1], name="Renamed"))
    partial = begin(archive, "2026-11-21", "third")
    assert len(partial.finished()) == 1
    assert len(list((partial.path / "data").glob("*/*"))) == 1


def test_when_the_clock_went_back_names_stay_in_the_order_of_commits(archive: Archive) -> None:
    for date in ("2026-11-25", "2026-11-22", "2026-11-22"):
        Night(archive, date).run(REPORTS)
    assert [snapshot.name for snapshot in archive.snapshots()] == [
        "2026-11-20",
        "2026-11-25",
        "2026-11-25.2",
        "2026-11-25.3",
    ]
    check_archive(archive.root)


def test_directories_linked_by_an_earlier_attempt_are_checked(archive: Archive) -> None:
    """Cut off in the middle of linking; then one of the linked directories is damaged."""
    root = archive.root
    archive.disk = DyingDisk(10**9)
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-21", run_id="next", started=STARTED)
        source = next(Night.earlier(partial).__iter__())
        assert partial.previous is not None
        target = partial.path / source.path
        target.mkdir(parents=True)
        (target / "report.html").write_bytes(b"not the same")
    archive = open_archive(root)
    snapshot = Night(archive, "2026-11-22").run(REPORTS)
    assert snapshot.file(next(snapshot.inventory()), "report.html").read_bytes() == REPORTS[0].html
    check_archive(root)


@pytest.mark.parametrize("number", [1, 5, 9, 14, 20])
def test_resuming_may_itself_be_interrupted(archive: Archive, number: int) -> None:
    with pytest.raises(Killed):
        Night(open_archive(archive.root, DyingDisk(number)), "2026-11-22").run(REPORTS)
    Night(open_archive(archive.root), "2026-11-23").run(REPORTS)
    check_archive(archive.root)


def test_a_name_that_a_link_has_is_passed_over_and_told(archive: Archive, tmp_path: Path) -> None:
    (archive.root / "2026-11-22").symlink_to(tmp_path / "nowhere")
    (archive.root / "2026-11-22.2").write_bytes(b"")
    partial = begin(archive, "2026-11-22", "next")
    assert partial.name == "2026-11-22.3"
    assert ["2026-11-22 has" in partial.notes[0], "2026-11-22.2 has" in partial.notes[1]] == [True, True]
