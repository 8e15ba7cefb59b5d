"""A disk that does not give what it is asked for is a Problem, and hides no other one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.archives import Night, make_reports, open_archive

from harvester.archive import Archive, Disk
from harvester.audit import Problem, verify_archive
from harvester.format.layout import MANIFEST, TAGMANIFEST

REPORTS = make_reports(projects=2, each=2)
DIR = "data/project-1_101/backtest-1_00000000000000010000000000000001"
OTHER = "data/project-2_102/backtest-2_00000000000000020000000000000002/offline.html"
OLDEST, NEWEST = "2026-11-21", "2026-11-22"
KNOWN = (f"{NEWEST}/{OTHER}", "altered")
"""Damage of another kind, found whatever the disk does."""

Break = Callable[[Path], None]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots with pages and without files in common; one file is damaged."""
    archive = open_archive(tmp_path / "archive")
    for date in (OLDEST, NEWEST):
        Night(archive, date).run(REPORTS, pages)
    for path in (archive.root / NEWEST).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(b"damaged" if path.as_posix().endswith(OTHER) else content)
            path.chmod(0o444)
    return archive


def pages(path: Path, _disk: Disk) -> None:
    (path / "site").mkdir()
    (path / "site" / "style.css").write_text("body {}")


@pytest.fixture
def break_disk(monkeypatch: pytest.MonkeyPatch) -> Break:
    """From its call on, reading the file, or listing the directory, is an input/output error."""
    broken: set[str] = set()
    really = {name: getattr(os, name) for name in ("open", "scandir", "listdir")}

    def opening(path: Any, flags: int, *others: Any, **named: Any) -> int:
        lost = not isinstance(path, int) and os.fspath(path).rstrip("/") in broken
        fd: int = really["open"]("/proc/self/mem" if lost else path, flags, *others, **named)
        return fd  # the kernel itself refuses to give the first byte of that one

    def listing(name: str) -> Callable[..., Any]:
        def call(path: Any = ".") -> Any:
            if not isinstance(path, int) and os.fspath(path).rstrip("/") in broken:
                raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
            return really[name](path)

        return call

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "scandir", listing("scandir"))
    monkeypatch.setattr(os, "listdir", listing("listdir"))
    return lambda path: broken.add(str(path))


def places(problems: list[Problem]) -> set[tuple[str, str]]:
    return {(problem.place, str(problem.kind)) for problem in problems}


@pytest.mark.parametrize(
    "name",
    [
        "snapshot.json",
        "inventory.jsonl",
        MANIFEST,
        "bagit.txt",
        "bag-info.txt",
        TAGMANIFEST,
        "site/style.css",
        f"{DIR}/report.html",
    ],
)
def test_a_file_that_the_disk_does_not_give_is_the_only_other_problem(
    archive: Archive, break_disk: Break, name: str
) -> None:
    break_disk(archive.root / NEWEST / name)
    # Without the Manifest nobody can say which file of the payload is damaged; none is called extra for that.
    known = set() if name == MANIFEST else {KNOWN}
    assert places(verify_archive(archive)) == {(f"{NEWEST}/{name}", "unreadable"), *known}


@pytest.mark.parametrize("name", ["", "site", "data", "data/project-1_101", DIR, f"{DIR}/images"])
def test_a_directory_that_cannot_be_listed_is_the_only_other_problem(
    archive: Archive, break_disk: Break, name: str
) -> None:
    break_disk(archive.root / NEWEST / name)
    place = name.removesuffix("/images") or "."
    assert places(verify_archive(archive)) == {(f"{NEWEST}/{place}", "unreadable"), KNOWN}
    assert "missing" not in {kind for _, kind in places(verify_archive(archive, subset=(1, 1000)))}


def test_an_archive_that_cannot_be_listed_at_the_end_loses_no_problem(
    archive: Archive, break_disk: Break
) -> None:
    found = verify_archive(archive, on_progress=lambda *_: break_disk(archive.root))
    assert places(found) == {(".", "unreadable"), KNOWN}


def test_a_ledger_that_the_disk_does_not_give_is_unreadable(archive: Archive, break_disk: Break) -> None:
    break_disk(archive.root / "ledger.jsonl")
    assert places(verify_archive(archive)) == {("ledger.jsonl", "unreadable"), KNOWN}


@pytest.fixture
def after_opening(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Callable[[], None]], None]:
    """Makes something happen once, right after a file is opened."""
    waiting: dict[str, Callable[[], None]] = {}
    really = os.open

    def opening(path: Any, *others: Any, **named: Any) -> int:
        fd = really(path, *others, **named)
        waiting.pop(os.fspath(path) if not isinstance(path, int) else "", lambda: None)()
        return fd

    monkeypatch.setattr(os, "open", opening)
    return lambda path, work: waiting.update({str(path): work})


def test_a_snapshot_pruned_while_its_first_file_is_read_is_not_damaged(
    archive: Archive, after_opening: Callable[[Path, Callable[[], None]], None]
) -> None:
    def prune() -> None:
        with archive.lock(command="prune", wait_s=0):
            archive.prune(OLDEST, at="2026-11-23T00:00:00Z")

    after_opening(archive.root / OLDEST / TAGMANIFEST, prune)
    assert places(verify_archive(archive)) == {KNOWN}


def test_a_file_that_vanishes_while_it_is_read_is_told(
    archive: Archive, after_opening: Callable[[Path, Callable[[], None]], None]
) -> None:
    path = archive.root / NEWEST / TAGMANIFEST
    after_opening(path, path.unlink)
    assert (f"{NEWEST}/{TAGMANIFEST}", "unreadable") in places(verify_archive(archive))
