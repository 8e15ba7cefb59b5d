from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.archives import Night, make_record, make_reports, open_archive

from harvester.archive import Snapshot
from harvester.errors import CorruptArchiveError
from harvester.format.records import mask_errors, render_record
from harvester.model import InventoryEntry, Outcome, UnreadOptimization, UnreadProject
from harvester.secrets import hide


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Night(open_archive(tmp_path)).run(make_reports(projects=2, each=2))


def test_a_snapshot_is_read_back(snapshot: Snapshot) -> None:
    assert snapshot.record().counts == {"saved": 4}
    assert [project_id for project_id, _ in snapshot.projects()] == [101, 102]
    for entry in snapshot.inventory():
        assert snapshot.report(entry).backtest.backtest_id == entry.backtest_id
        assert snapshot.file(entry, "images/01-chart-1.png").is_file()


def test_secrets_are_masked_in_the_errors_of_a_record(snapshot: Snapshot) -> None:
    hide("CANARY-record")
    record = msgspec.structs.replace(
        snapshot.record(),
        unread_projects=(UnreadProject(1, "P", "at CANARY-record"),),
        unread_optimizations=(UnreadOptimization(1, "P", "o", "by CANARY-record"),),
        unproven="no answer from CANARY-record",
    )
    content = render_record(mask_errors(record))
    assert b"CANARY" not in content
    assert b'"error": "at ***"' in content
    assert b'"error": "by ***"' in content


def test_a_commit_gives_the_record_that_it_has_written(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="r", started="2026-11-22T03:00:00Z")
        snapshot, record = partial.commit(make_record(partial, []))
    assert record == snapshot.record()


def test_a_renamed_directory_is_no_other_snapshot(snapshot: Snapshot) -> None:
    other = snapshot.path.with_name("2026-11-25")
    snapshot.path.rename(other)
    with pytest.raises(CorruptArchiveError, match="renamed"):
        Snapshot("2026-11-25", other).record()


def test_the_record_of_another_backtest_is_refused(snapshot: Snapshot) -> None:
    first, second, *_ = snapshot.inventory()
    snapshot.file(second, "report.json").replace(snapshot.file(first, "report.json"))
    with pytest.raises(CorruptArchiveError, match="that of backtest"):
        snapshot.report(first)


@pytest.mark.parametrize("name", ["../x", "..", "/etc/passwd", "images/../x", "images/a/b", ""])
def test_a_file_is_never_outside_of_its_report(snapshot: Snapshot, name: str) -> None:
    entry = next(snapshot.inventory())
    with pytest.raises(CorruptArchiveError):
        snapshot.file(entry, name)


def test_what_is_not_archived_has_no_file(snapshot: Snapshot) -> None:
    with pytest.raises(CorruptArchiveError, match="has no file"):
        snapshot.file(InventoryEntry(1, "b", "p", "n", Outcome.PENDING), "report.html")
