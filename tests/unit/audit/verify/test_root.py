"""The catalog against the Inventories and the Ledger, and what does not belong to the Archive."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import STARTED, Night, make_reports, open_archive, sha256

from harvester.archive import Archive
from harvester.audit import check_root, load_history, repair_archive, update_catalog, verify_archive

REPORTS = make_reports(projects=1, each=2)
CHANGED = [replace(REPORTS[0], html=b"<html>later</html>"), REPORTS[1]]
LIES = [
    "UPDATE outcomes SET outcome = 'failed', name = 'LIE', error = 'lie'",
    "DELETE FROM outcomes WHERE from_snapshot = '2026-11-22'",
    "UPDATE backtests SET gone_since = '2026-11-21'",
    "UPDATE reports SET report_sha256 = ''",
    "INSERT INTO statistics VALUES (101, 'x', 'sharpeRatio', 9.9)",
    "UPDATE snapshots SET complete = 0",
    "DELETE FROM images",
    "DROP VIEW best_sharpe",
]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots and their catalog, as two nights leave them."""
    archive = open_archive(tmp_path / "archive")
    for date, reports in (("2026-11-21", REPORTS), ("2026-11-22", CHANGED)):
        Night(archive, date).run(reports)
        assert update_catalog(archive) == []
    return archive


def lie(archive: Archive, statement: str, *, seal: bool = False) -> None:
    """Edit the catalog; with `seal` as somebody who covers the tracks would."""
    path = archive.root / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(statement)
    if seal:
        digest = archive.root / "catalog.sqlite.sha256"
        digest.chmod(0o644)
        digest.write_text(f"{sha256(path.read_bytes())}  catalog.sqlite\n")


def test_a_catalog_as_written_is_sound_and_sha256sum_agrees(archive: Archive) -> None:
    found = check_root(archive)
    assert (found.problems, found.warnings, found.unknown) == ([], [], [])
    text = (archive.root / "catalog.sqlite.sha256").read_text()
    assert text == f"{sha256((archive.root / 'catalog.sqlite').read_bytes())}  catalog.sqlite\n"


@pytest.mark.parametrize("seal", [False, True], ids=["", "sealed"])
@pytest.mark.parametrize("statement", LIES)
def test_verify_finds_a_catalog_that_contradicts_the_inventories(
    archive: Archive, statement: str, seal: bool
) -> None:
    lie(archive, statement, seal=seal)
    (problem,) = check_root(archive).problems
    assert problem.place == "catalog.sqlite"
    assert "does not say what the Inventories say" in problem.text


def test_history_answers_from_the_inventories_when_the_catalog_was_altered(archive: Archive) -> None:
    honest = load_history(archive, "")
    lie(archive, LIES[0])
    before = (archive.root / "catalog.sqlite").read_bytes()
    notes: list[str] = []
    assert load_history(archive, "", on_note=notes.append) == honest
    assert len(notes) == 1
    assert "was altered" in notes[0]
    assert (archive.root / "catalog.sqlite").read_bytes() == before


def test_the_next_run_builds_an_altered_catalog_again_says_so_and_keeps_it(archive: Archive) -> None:
    lie(archive, LIES[0])
    altered = (archive.root / "catalog.sqlite").read_bytes()
    Night(archive, "2026-11-23").run(CHANGED)
    (note,) = update_catalog(archive)
    assert "was altered since it was written" in note
    assert check_root(archive).problems == []
    assert [path.read_bytes() for path in (archive.root / ".damaged").rglob("catalog.sqlite")] == [altered]
    assert {passage.name for passages in load_history(archive, "").values() for passage in passages} == {
        "Backtest 1",
        "Backtest 2",
    }


def test_a_repair_builds_it_again(archive: Archive) -> None:
    lie(archive, LIES[0], seal=True)
    with archive.lock(command="verify --repair", wait_s=0):
        repaired = repair_archive(archive, check_root(archive).problems)
    assert [problem.path for problem in repaired.fixed] == ["catalog.sqlite"]
    assert (repaired.remaining, repaired.kept) == ([], 1)
    assert check_root(archive).problems == []


def test_a_catalog_without_its_digest_is_built_again_without_a_word(archive: Archive) -> None:
    """As one from before there were digests, and one whose run was killed."""
    (archive.root / "catalog.sqlite.sha256").unlink()
    lie(archive, LIES[0])
    notes: list[str] = []
    assert "LIE" not in str(load_history(archive, "", on_note=notes.append))
    assert update_catalog(archive) == notes == []
    assert check_root(archive).problems == []


def test_a_catalog_that_is_behind_or_knows_pruned_snapshots_is_no_problem(archive: Archive) -> None:
    Night(archive, "2026-11-23").run(CHANGED)
    assert check_root(archive).problems == []
    with archive.lock(command="prune", wait_s=0):
        archive.prune("2026-11-21", at=STARTED)
    found = check_root(archive)
    assert (found.problems, found.warnings) == ([], [])
    assert load_history(archive, "")[101, REPORTS[0].backtest_id][0].from_snapshot == "2026-11-22"
    assert update_catalog(archive) == []


def test_a_catalog_behind_is_compared_as_far_as_it_goes(archive: Archive) -> None:
    Night(archive, "2026-11-23").run(CHANGED)
    lie(archive, LIES[0])
    assert len(check_root(archive).problems) == 1


def roll_back(archive: Archive) -> None:
    """Remove the newest Snapshot with its line, so that nothing is missing."""
    shutil.rmtree(archive.root / "2026-11-22")
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])
    (archive.root / "latest").unlink()
    (archive.root / "latest").symlink_to("2026-11-21")
    assert verify_archive(archive) == []


def test_an_archive_that_was_set_back_is_told_by_its_catalog(archive: Archive) -> None:
    roll_back(archive)
    found = check_root(archive)
    assert found.problems == []
    (warning,) = found.warnings
    assert "knows a Snapshot 2026-11-22 that ledger.jsonl has never had" in warning
    assert "compare ledger.jsonl with a copy" in warning


def test_the_next_run_tells_it_too_also_when_it_takes_the_same_date(archive: Archive) -> None:
    roll_back(archive)
    Night(archive, "2026-11-22").run(REPORTS)
    (note,) = update_catalog(archive)
    assert "2026-11-22 that ledger.jsonl has never had" in note
    assert update_catalog(archive) == []
    assert check_root(archive).warnings == []


def test_another_archives_catalog_is_told_and_answers_nothing(archive: Archive, tmp_path: Path) -> None:
    other = open_archive(tmp_path / "other")
    Night(other, "2026-11-20").run(make_reports(projects=2, each=1))
    update_catalog(other)
    for name in ("catalog.sqlite", "catalog.sqlite.sha256"):
        shutil.copy(other.root / name, archive.root / name)
    assert len(load_history(archive, "")) == 2
    assert "2026-11-20" in check_root(archive).warnings[0]
    assert "2026-11-20" in update_catalog(archive)[0]


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_catalog_that_is_no_database_is_a_problem(archive: Archive, content: bytes) -> None:
    (archive.root / "catalog.sqlite").write_bytes(content)
    (problem,) = check_root(archive).problems
    assert problem.text.startswith("cannot be used")


def test_a_damaged_page_of_the_catalog_is_a_problem(archive: Archive) -> None:
    path = archive.root / "catalog.sqlite"
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    path.write_bytes(content)
    assert len(check_root(archive).problems) == 1


def test_a_damaged_inventory_is_not_called_a_damaged_catalog(archive: Archive) -> None:
    path = archive.root / "2026-11-22" / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(b"junk\n")
    assert check_root(archive).problems == []


def test_an_archive_without_a_catalog_is_fine(archive: Archive) -> None:
    (archive.root / "catalog.sqlite").unlink()
    assert check_root(archive).problems == []


def test_strangers_are_named_and_nothing_of_ours_is(archive: Archive) -> None:
    for name in ("notes.txt", ".DS_Store", ".2026-11-20.set-aside1", "2026"):
        (archive.root / name).mkdir()
    for name in (".2026-11-23.partial", "lost+found", ".damaged"):
        (archive.root / name).mkdir()
    (archive.root / "catalog.sqlite-journal").touch()
    (archive.root / ".latest.part").touch()
    (archive.root / ".harvester.lock.owner").touch()
    assert check_root(archive).unknown == [".2026-11-20.set-aside1", ".DS_Store", "2026", "notes.txt"]
