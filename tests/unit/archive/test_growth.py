"""What a command reads of the Archive does not grow with the number of dates, or grows in step with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.archives import STARTED, Night, make_reports, open_archive
from support.watching import watched_reads

from harvester.archive import Archive
from harvester.audit import prune_snapshots, update_catalog, verify_archive
from harvester.format.ledger import load_sound_ledger

REPORTS = make_reports(2, 2)
Reads = Counter[tuple[str, str]]


def make_dates(root: Path, count: int) -> Archive:
    archive = open_archive(root)
    for day in range(1, count + 1):
        Night(archive, f"2026-10-{day:02d}").run(REPORTS)
    return archive


def watch_night(root: Path, dates: int) -> Reads:
    """A night with nothing new and the catalog after it, as one job under one lock."""
    archive = make_dates(root, dates)
    with archive.lock(command="run", wait_s=0):
        update_catalog(archive)
    with watched_reads(root) as reads, archive.lock(command="run", wait_s=0):
        archive.base()
        Night(archive, "2026-11-22").run_locked(REPORTS)
        assert update_catalog(archive) == []
    return reads


def test_a_night_opens_as_many_files_whatever_the_number_of_dates(tmp_path: Path) -> None:
    few, many = watch_night(tmp_path / "few", 2), watch_night(tmp_path / "many", 12)
    assert sum(many.values()) == sum(few.values())
    assert {path[:10] for _, path in many if path.startswith("2026")} == {"2026-10-12", "2026-11-22"}


def test_a_night_reads_the_ledger_once_and_lists_the_archive_a_few_times(tmp_path: Path) -> None:
    reads = watch_night(tmp_path, 3)
    read = reads["open", "ledger.jsonl"] - 1  # the commit opens it too, to add its line
    assert read == 1
    assert reads["list", "."] == 3


def test_a_prune_reads_the_ledger_once_and_adds_its_lines_in_one_write(tmp_path: Path) -> None:
    archive = make_dates(tmp_path, 8)
    names = [snapshot.name for snapshot in archive.snapshots()][:-1]
    with archive.lock(command="prune", wait_s=0), watched_reads(tmp_path) as reads:
        prune_snapshots(archive, names, at=STARTED)
        assert list(archive.ledger().committed) == ["2026-10-08"]
    assert reads["open", "ledger.jsonl"] == 2
    assert load_sound_ledger(tmp_path).pruned == set(names)
    assert verify_archive(archive) == []


@pytest.mark.parametrize("dates", [2, 9])
def test_verify_reads_the_ledger_a_fixed_number_of_times(tmp_path: Path, dates: int) -> None:
    archive = make_dates(tmp_path, dates)
    with watched_reads(tmp_path) as reads:
        assert verify_archive(archive) == []
    assert reads["open", "ledger.jsonl"] == 3
