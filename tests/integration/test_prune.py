from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.cli import Done, harvester
from support.disks import check_archive

from harvester.archive import Archive

REPORTS = make_reports(projects=1, each=3)
CHANGED = [replace(REPORTS[0], html=b"<html>another version</html>"), *REPORTS[1:]]


def call(archive: Archive, *words: str | Path, **environ: str) -> Done:
    """Run a command on this Archive."""
    return harvester(*words, "--archive", archive.root, cwd=archive.root.parent, environ=environ)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three nights; a report changed on the second, so the first alone holds its earlier version."""
    archive = open_archive(tmp_path / "archive")
    for date, reports in (("2026-11-20", REPORTS), ("2026-11-21", CHANGED), ("2026-11-22", CHANGED)):
        Night(archive, date).run(reports)
    return archive


def names(archive: Archive) -> list[str]:
    return [snapshot.name for snapshot in archive.snapshots()]


def test_without_yes_nothing_is_removed(archive: Archive) -> None:
    said = call(archive, "prune", "--keep-daily", "1")
    assert said.code == 0
    assert "remove  2026-11-21" in said.out
    assert "would remove 1 of 3 Snapshots; add --yes to remove them" in said.out
    assert len(names(archive)) == 3


def test_the_only_snapshot_with_a_report_is_refused_and_the_report_named(archive: Archive) -> None:
    said = call(archive, "prune", "--keep-daily", "1", "--yes")
    assert said.code == 0
    assert names(archive) == ["2026-11-20", "2026-11-22"]
    assert "refuse  2026-11-20" in said.out
    assert f"Project 1 / Backtest 1 [{REPORTS[0].backtest_id}]" in said.out
    check_archive(archive.root)


def test_a_copied_archive_in_which_latest_is_a_directory_is_pruned_and_named(archive: Archive) -> None:
    (archive.root / "latest").unlink()
    shutil.copytree(archive.root / "2026-11-22", archive.root / "latest")
    said = call(archive, "prune", "--keep-daily", "1", "--yes")
    assert (said.code, names(archive)) == (0, ["2026-11-20", "2026-11-22"])
    assert (
        f"latest was a directory, which `cp -L` and `rsync -L` make of a link; it was moved to {archive.root}"
        in said.err
    )
    check_archive(archive.root)


def test_superseded_versions_may_be_dropped(archive: Archive) -> None:
    said = call(archive, "prune", "--keep-daily", "1", "--drop-superseded", "--yes", "--json")
    assert said.document()["remove"] == ["2026-11-20", "2026-11-21"]
    assert said.document()["done"] is True
    assert names(archive) == ["2026-11-22"]
    assert call(archive, "verify").code == 0


def test_a_prune_that_goes_well_is_not_worth_a_word_with_quiet(archive: Archive) -> None:
    planned = call(archive, "-q", "prune", "--keep-daily", "1")
    assert "would remove 1 of 3 Snapshots" in planned.out
    done = call(archive, "-q", "prune", "--keep-daily", "1", "--yes")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert names(archive) == ["2026-11-20", "2026-11-22"]


@pytest.mark.parametrize(
    "words", [["--yes"], ["--keep-within", "soon"], ["--forget", "2026-11-22"]], ids=lambda words: words[0]
)
def test_wrong_usage_is_a_json_document_when_json_was_asked_for(archive: Archive, words: list[str]) -> None:
    said = call(archive, "prune", *words, "--json")
    assert said.code == 2
    assert said.document()["exit"] == "usage"


def test_a_prune_without_a_rule_is_a_usage_error(archive: Archive) -> None:
    assert call(archive, "prune", "--yes").code == 2
    assert call(archive, "prune", "--keep-within", "soon").code == 2
    assert call(archive, "prune", "--keep-daily", "-1").code == 2
    assert len(names(archive)) == 3


def test_within_a_long_time_everything_stays(archive: Archive) -> None:
    said = call(archive, "prune", "--keep-within", "3650d", "--yes")
    assert "removed 0 of 3" in said.out


def test_a_lost_snapshot_can_be_struck_off(archive: Archive) -> None:
    shutil.rmtree(archive.root / "2026-11-22")
    assert call(archive, "verify").code == 20
    said = call(archive, "prune", "--forget", "2026-11-22")
    assert "forget  2026-11-22" in said.out
    assert call(archive, "prune", *["--forget", "2026-11-22"] * 2, "--yes").code == 0
    assert call(archive, "verify").code == 0
    assert names(archive) == ["2026-11-20", "2026-11-21"]


def test_what_is_there_cannot_be_struck_off(archive: Archive) -> None:
    assert call(archive, "prune", "--forget", "2026-11-22", "--yes").code == 2
    assert call(archive, "prune", "--forget", "2026-01-01", "--yes").code == 2
    assert len(names(archive)) == 3


def test_what_was_never_there_is_refused_before_anything_is_promised_or_done(archive: Archive) -> None:
    shutil.rmtree(archive.root / "2026-11-21")
    words = ["prune", "--forget", "2026-11-21", "--forget", "2026-01-01"]
    for said in (call(archive, *words), call(archive, *words, "--yes")):
        assert said.code == 2
        assert "--forget 2026-01-01: the Ledger has no such Snapshot; missing are 2026-11-21" in said.err
    assert call(archive, "verify").code == 20


def test_a_prune_does_not_run_beside_a_run(archive: Archive) -> None:
    with archive.lock(command="run", wait_s=0):
        assert call(archive, "prune", "--keep-daily", "1", "--yes").code == 11


def test_a_broken_ledger_stops_a_prune(archive: Archive) -> None:
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"n":2', b'"n":5'))
    said = call(archive, "prune", "--keep-daily", "1", "--yes")
    assert said.code == 20
    assert "ledger.jsonl:2" in said.err
    assert len(names(archive)) == 3


def test_the_last_undamaged_copy_stays_and_ends_with_20_even_with_quiet(archive: Archive) -> None:
    """The directory of one report is lost in the date that stays."""
    directory = f"data/project-1_101/backtest-2_{REPORTS[1].backtest_id}"
    shutil.rmtree(archive.root / "2026-11-22" / directory)
    for words in ([], ["--yes"]):
        said = call(archive, "-q", "prune", "--keep-daily", "1", *words)
        assert said.code == 20
        assert "refuse  2026-11-21    holds the last undamaged copies of 1 reports" in said.out
        assert f"Project 1 / Backtest 2 [{REPORTS[1].backtest_id}], damaged in 2026-11-22/" in said.out
        assert "harvester verify --repair" in said.out
    assert "2026-11-21" in names(archive)
    document = call(archive, "prune", "--keep-daily", "1", "--json").document()
    assert (document["exit_code"], document["exit"]) == (20, "damaged")
    assert document["refused"]["2026-11-21"]["last_copies"] == 1
    assert call(archive, "verify", "--repair").code == 0
    assert call(archive, "prune", "--keep-daily", "1", "--yes").code == 0
    assert names(archive) == ["2026-11-20", "2026-11-22"]
