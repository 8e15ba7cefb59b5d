"""The catalog, where somebody has planted or edited what no run writes."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive, sha256
from support.disks import SteppingDisk

from harvester.archive import Archive
from harvester.audit import load_history, rebuild_catalog, update_catalog
from harvester.errors import CorruptArchiveError, DiskError


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = open_archive(tmp_path / "archive")
    Night(archive).run(make_reports(projects=1, each=2))
    update_catalog(archive)
    return archive


def dump(archive: Archive) -> list[str]:
    with closing(sqlite3.connect(archive.root / "catalog.sqlite")) as base, base:
        return list(base.iterdump())


@pytest.mark.parametrize("name", ["catalog.sqlite", "catalog.sqlite-journal", ".catalog.sqlite.part-journal"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_what_is_planted_in_place_of_the_catalog_is_replaced(
    archive: Archive, tmp_path: Path, name: str, kind: str
) -> None:
    built, outside = dump(archive), tmp_path / "outside"
    (archive.root / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(archive.root / name)
    else:
        (archive.root / name).symlink_to(outside)
    if kind == "link":
        outside.touch()  # to SQLite, an empty file is an empty database
    for work in (update_catalog, rebuild_catalog):
        work(archive)
        assert dump(archive) == built
    assert outside.exists() == (kind == "link")
    assert kind != "link" or not outside.stat().st_size


def edit_first_line(archive: Archive, pattern: bytes, text: bytes, *, twice: bool = False) -> None:
    path = archive.root / "2026-11-22" / "inventory.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    edited = re.sub(pattern, text, first, count=1)
    assert edited != first
    path.chmod(0o644)
    path.write_bytes(b"".join([first, edited] if twice else [edited, *others]))
    let_lists_agree(archive)


def let_lists_agree(archive: Archive) -> None:
    """Make tag manifest and Ledger agree with the edited Inventory, as if a run had written it."""
    seal = archive.root / "2026-11-22" / "tagmanifest-sha256.txt"
    digest = sha256((archive.root / "2026-11-22" / "inventory.jsonl").read_bytes())
    old, new = seal.read_bytes(), re.sub(rb"\w{64}(?=  inventory)", digest.encode(), seal.read_bytes())
    seal.chmod(0o644)
    seal.write_bytes(new)
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(sha256(old).encode(), sha256(new).encode()))


@pytest.mark.parametrize("field", [b"project_id", b"files", b"payload_bytes"])
@pytest.mark.parametrize("work", [update_catalog, rebuild_catalog])
def test_a_number_that_no_run_writes_is_damage(
    archive: Archive, field: bytes, work: Callable[[Archive], list[str]]
) -> None:
    edit_first_line(archive, b'"%s":' % field, b'"%s":%s' % (field, b"9" * 30))
    (archive.root / "catalog.sqlite").unlink()
    with pytest.raises(CorruptArchiveError):
        work(archive)


@pytest.mark.parametrize("name", ["catalog.sqlite", "catalog.sqlite-journal", "catalog.sqlite.sha256"])
@pytest.mark.parametrize("work", [update_catalog, rebuild_catalog])
def test_a_directory_in_place_of_the_catalog_is_set_aside(
    archive: Archive, name: str, work: Callable[[Archive], list[str]]
) -> None:
    for taken in ("catalog.sqlite", name):
        (archive.root / taken).unlink(missing_ok=True)
    (archive.root / name).mkdir()
    (archive.root / name / "notes.txt").write_text("mine")
    (archive.root / ".catalog.sqlite.part").mkdir()
    (note,) = work(archive)
    assert f"{name} was a directory and was moved to {archive.root}/.{name}.set-aside1" in note
    assert (archive.root / f".{name}.set-aside1" / "notes.txt").read_text() == "mine"
    assert work(archive) == []
    assert load_history(archive, "")


def test_a_backtest_that_stands_twice_is_damage(archive: Archive) -> None:
    edit_first_line(archive, rb'"created":"20', b'"created":"30', twice=True)
    with pytest.raises(CorruptArchiveError, match="harvester verify"):
        rebuild_catalog(archive)


@pytest.mark.parametrize("state", ["pruned", "damaged", "planted", "behind"])
def test_a_question_beside_a_run_does_not_disturb_it(archive: Archive, tmp_path: Path, state: str) -> None:
    """The working file is the run's, and so is it to make the catalog anew."""
    path = archive.root / "catalog.sqlite"
    Night(archive, "2026-11-23").run(make_reports(projects=1, each=2))
    if state == "pruned":
        with archive.lock(command="prune", wait_s=0):
            archive.prune("2026-11-22", at="2026-11-24T00:00:00Z")
    elif state == "damaged":
        path.write_bytes(b"no database")
    elif state == "planted":
        path.unlink()
        path.symlink_to(tmp_path / "outside")
    before = path.read_bytes() if state in {"pruned", "damaged"} else b""
    with archive.lock(command="run", wait_s=0):
        (archive.root / ".catalog.sqlite.part").write_bytes(b"half of it")
        found = load_history(archive, "")
        assert (archive.root / ".catalog.sqlite.part").read_bytes() == b"half of it"
    assert [key[0] for key in found] == [101, 101]
    passages = found[101, make_reports(1, 1)[0].backtest_id]
    dates = ["2026-11-23"] if state == "pruned" else ["2026-11-22", "2026-11-23"]
    assert [passage.from_snapshot for passage in passages] == dates
    assert not before or path.read_bytes() == before
    assert not (tmp_path / "outside").exists()


def test_a_snapshot_with_damaged_lists_is_left_out_and_named_until_it_is_restored(archive: Archive) -> None:
    path = archive.root / "2026-11-22" / "inventory.jsonl"
    honest = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(honest.replace(b"Backtest 1", b"LIE"))
    Night(archive, "2026-11-23").run(make_reports(projects=1, each=2))
    for notes in (rebuild_catalog(archive), update_catalog(archive)):
        assert ["inventory.jsonl is not the one that was committed" in note for note in notes] == [True]
    notes = []
    found = load_history(archive, "", on_note=notes.append)
    assert "LIE" not in str(found)
    assert [passage.from_snapshot for passages in found.values() for passage in passages] == [
        "2026-11-23"
    ] * 2
    assert len(notes) == 1
    path.write_bytes(honest)
    found = load_history(archive, "")
    assert {passage.from_snapshot for passages in found.values() for passage in passages} == {"2026-11-22"}
    assert update_catalog(archive) == []
    assert load_history(archive, "") == found
    assert (archive.root / "catalog.sqlite.sha256").exists()


def test_forged_lists_are_not_answered_from_without_a_catalog(archive: Archive) -> None:
    path = archive.root / "2026-11-22" / "inventory.jsonl"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"Backtest 1", b"LIE"))
    (archive.root / "catalog.sqlite").unlink()
    notes: list[str] = []
    assert load_history(archive, "", on_note=notes.append) == {}
    assert "inventory.jsonl is not the one that was committed" in notes[0]


def test_a_rebuilt_catalog_gets_its_name_through_the_archives_disk(archive: Archive) -> None:
    class Full(SteppingDisk):
        def before(self, number: int, step: str) -> None:
            if step == "rename":
                raise DiskError("the disk is full", path="catalog.sqlite")

    before = dump(archive)
    with pytest.raises(DiskError, match="full"):
        rebuild_catalog(Archive.open(archive.root, disk=Full()))
    assert dump(archive) == before
    update_catalog(archive)
    assert dump(archive) == before
