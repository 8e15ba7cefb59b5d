from __future__ import annotations

import datetime as dt
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import STARTED, Night, make_reports, open_archive
from support.disks import DyingDisk, FailingDisk, Killed, SteppingDisk, check_archive

from harvester.archive import Archive
from harvester.audit import PrunePlan, Retention, plan_prune, prune_snapshots, verify_archive
from harvester.errors import ArchiveError, DiskError
from harvester.format.ledger import load_ledger

TODAY = dt.date(2026, 11, 22)
REPORTS = make_reports(projects=1, each=3)
CHANGED = [replace(REPORTS[0], html=b"<html>another version</html>"), *REPORTS[1:]]
DATES = ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"]
NEWEST_ONLY = Retention(daily=1)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Four nights; on the third a report changed, on the fourth another one vanished."""
    archive = open_archive(tmp_path / "archive")
    for date, reports in zip(DATES, [REPORTS, REPORTS, CHANGED, CHANGED[:2]], strict=True):
        Night(archive, date).run(reports)
    return archive


def carry_out(archive: Archive, plan: PrunePlan) -> None:
    with archive.lock(command="prune", wait_s=0):
        archive.recover()
        prune_snapshots(archive, plan.remove, at=STARTED)


def test_the_only_snapshot_with_a_version_of_a_report_may_not_go(archive: Archive) -> None:
    plan = plan_prune(archive, TODAY, NEWEST_ONLY)
    assert list(plan.keep) == ["2026-11-22"]
    assert plan.remove == ["2026-11-19", "2026-11-21"]
    refused = plan.refused["2026-11-20"]
    assert refused.reports == 1
    assert refused.examples[0].backtest_id == REPORTS[0].backtest_id


def test_of_two_snapshots_with_the_last_copies_the_newer_stays(archive: Archive) -> None:
    plan = plan_prune(archive, TODAY, NEWEST_ONLY)
    assert "2026-11-20" in plan.refused
    assert "2026-11-19" in plan.remove


def test_superseded_versions_may_go_when_that_is_asked_for(archive: Archive) -> None:
    plan = plan_prune(archive, TODAY, NEWEST_ONLY, drop_superseded=True)
    assert plan.remove == DATES[:3]
    assert plan.refused == {}


def test_what_vanished_at_the_source_survives_every_prune(archive: Archive) -> None:
    carry_out(archive, plan_prune(archive, TODAY, NEWEST_ONLY, drop_superseded=True))
    (snapshot,) = archive.snapshots()
    gone = [entry for entry in snapshot.inventory() if not entry.listed]
    assert [entry.backtest_id for entry in gone] == [REPORTS[2].backtest_id]
    assert snapshot.file(gone[0], "report.html").read_bytes() == REPORTS[2].html


def test_a_snapshot_whose_inventory_cannot_be_read_may_not_go(archive: Archive) -> None:
    path = archive.root / DATES[0] / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(b"junk\n")
    plan = plan_prune(archive, TODAY, NEWEST_ONLY)
    assert "inventory.jsonl is not the one that was committed" in plan.refused[DATES[0]].error
    assert list(plan.damaged) == [DATES[0]]


def test_a_snapshot_that_cannot_be_read_proves_nothing_about_others(archive: Archive) -> None:
    path = archive.root / DATES[3] / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(b"junk\n")
    plan = plan_prune(archive, TODAY, NEWEST_ONLY, drop_superseded=True)
    assert plan.remove == DATES[:2]
    assert plan.refused[DATES[2]].reports == 3


def test_nor_do_the_lines_before_the_damaged_one(archive: Archive) -> None:
    path = archive.root / DATES[3] / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"junk\n")
    assert plan_prune(archive, TODAY, NEWEST_ONLY, drop_superseded=True).refused[DATES[2]].reports == 3


def test_a_prune_leaves_a_line_and_a_sound_archive(archive: Archive) -> None:
    carry_out(archive, plan_prune(archive, TODAY, Retention(daily=2)))
    assert [snapshot.name for snapshot in archive.snapshots()] == DATES[1:]
    assert [(line.event, line.snapshot) for line in load_ledger(archive.root).lines[4:]] == [
        ("prune", DATES[0])
    ]
    check_archive(archive.root)
    assert verify_archive(archive) == []
    Night(archive, "2026-11-23").run(CHANGED)
    check_archive(archive.root)


def test_planning_changes_nothing(archive: Archive) -> None:
    before = sorted(archive.root.rglob("*"))
    plan_prune(archive, TODAY, NEWEST_ONLY)
    assert sorted(archive.root.rglob("*")) == before


def test_a_prune_cut_off_at_any_step_is_finished_by_the_next(archive: Archive, tmp_path: Path) -> None:
    plan = plan_prune(archive, TODAY, NEWEST_ONLY)
    disk = SteppingDisk()
    shutil.copytree(archive.root, tmp_path / "whole", symlinks=True)
    carry_out(open_archive(tmp_path / "whole", disk), plan)
    for number in range(1, disk.steps + 1):
        root = tmp_path / "cut"
        shutil.copytree(archive.root, root, symlinks=True)
        with suppress(Killed, DiskError):
            carry_out(open_archive(root, DyingDisk(number) if number % 2 else FailingDisk(number, 5)), plan)
        cut = open_archive(root)
        with cut.lock(command="x", wait_s=0):
            cut.recover()
        check_archive(root)
        assert verify_archive(cut) == []
        shutil.rmtree(root)


def test_a_snapshot_deleted_by_hand_can_be_struck_off(archive: Archive) -> None:
    shutil.rmtree(archive.root / DATES[3])
    with archive.lock(command="prune", wait_s=0):
        prune_snapshots(archive, [DATES[3]], at=STARTED)
        archive.recover()
    assert verify_archive(archive) == []
    check_archive(archive.root)
    Night(archive, "2026-11-23").run(CHANGED)
    check_archive(archive.root)


def test_a_line_that_was_cut_off_does_not_spoil_the_next(archive: Archive) -> None:
    with (archive.root / "ledger.jsonl").open("ab") as file:
        file.write(b'{"format"')
    with archive.lock(command="prune", wait_s=0):
        prune_snapshots(archive, [DATES[0]], at=STARTED)
    assert not load_ledger(archive.root).faults


def test_what_was_never_committed_cannot_be_pruned(archive: Archive) -> None:
    with archive.lock(command="prune", wait_s=0), pytest.raises(ArchiveError, match="no Snapshot"):
        archive.prune("2026-11-01", at=STARTED)


def test_a_prune_needs_the_lock(archive: Archive) -> None:
    with pytest.raises(RuntimeError, match="lock"):
        archive.prune(DATES[0], at=STARTED)
    with pytest.raises(RuntimeError, match="lock"):
        archive.recover()
