from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Night, Report, make_reports, open_archive

from harvester.archive import Archive
from harvester.audit import Diff, compare_snapshots
from harvester.errors import CorruptArchiveError

REPORTS = make_reports(projects=2, each=3)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS)
    return archive


def after(archive: Archive, reports: list[Report]) -> Diff:
    """What differs once these are what the account has."""
    later = Night(archive, "2026-11-22").run(reports)
    return compare_snapshots(archive.snapshots()[0], later)


def test_two_equal_nights_have_nothing_between_them(archive: Archive) -> None:
    found = after(archive, REPORTS)
    assert found.empty
    assert found.same == 6


def test_everything_that_may_happen_is_told_apart(archive: Archive) -> None:
    renamed = replace(REPORTS[0], name="New Name")
    changed = replace(REPORTS[1], html=b"<html>changed</html>")
    new = Report(project_id=105, backtest_id="f" * 32)
    found = after(archive, [renamed, changed, *REPORTS[3:], new])
    assert [entry.backtest_id for entry in found.new] == [new.backtest_id]
    assert [item.after.backtest_id for item in found.changed] == [changed.backtest_id]
    assert [(item.before.name, item.after.name) for item in found.renamed] == [("Backtest 1", "New Name")]
    assert [entry.backtest_id for entry in found.gone] == [REPORTS[2].backtest_id]
    assert found.statistics_changed == []
    assert found.same == 3


def test_the_other_way_round_what_was_new_is_gone(archive: Archive) -> None:
    new = Report(project_id=105, backtest_id="f" * 32)
    later = Night(archive, "2026-11-22").run([*REPORTS, new])
    found = compare_snapshots(later, archive.snapshots()[0])
    assert [entry.backtest_id for entry in found.gone] == [new.backtest_id]


def test_what_was_gone_before_is_not_gone_again(archive: Archive) -> None:
    Night(archive, "2026-11-22").run(REPORTS[1:])
    Night(archive, "2026-11-23").run(REPORTS[1:])
    assert compare_snapshots(*archive.snapshots()[1:]).empty


def test_a_renamed_project_renames_its_backtests(archive: Archive) -> None:
    found = after(archive, [replace(report, project="Value") for report in REPORTS[:3]] + REPORTS[3:])
    assert len(found.renamed) == 3


def test_statistics_that_moved_are_told_with_both_values(archive: Archive, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "other")
    Night(archive, "2026-11-21").run(
        [replace(REPORTS[0], statistics={"sharpe": 1.0, "alpha": 2.0, "beta": 3.0})]
    )
    found = after(archive, [replace(REPORTS[0], statistics={"sharpe": 1.5, "beta": 3.0, "psr": 4.0})])
    assert found.statistics_changed[0].statistics == {
        "sharpe": (1.0, 1.5),
        "alpha": (2.0, None),
        "psr": (None, 4.0),
    }
    assert found.changed == []


def test_a_creation_time_that_was_corrected_is_no_new_backtest(archive: Archive) -> None:
    found = after(archive, [replace(REPORTS[0], created="2020-01-01T00:00:00Z"), *REPORTS[1:]])
    assert found.empty


def test_a_change_of_rendering_only_says_so(archive: Archive) -> None:
    found = after(archive, [replace(REPORTS[0], html=b"<html>rendered anew</html>"), *REPORTS[1:]])
    assert found.changed[0].differs == "rendering"  # the builders give all reports the same text


def test_a_record_that_cannot_be_read_does_not_hide_the_change(archive: Archive) -> None:
    later = Night(archive, "2026-11-22").run([replace(REPORTS[0], html=b"changed"), *REPORTS[1:]])
    later.file(next(later.inventory()), "report.json").unlink()
    assert compare_snapshots(archive.snapshots()[0], later).changed[0].differs == ""


def test_comparing_names_the_damaged_line_of_an_inventory(archive: Archive) -> None:
    path = archive.snapshots()[0].path / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(b"junk\n")
    with pytest.raises(CorruptArchiveError, match=r"inventory\.jsonl:1"):
        compare_snapshots(archive.snapshots()[0], archive.snapshots()[0])
