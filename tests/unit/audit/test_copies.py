"""A prune never removes the last undamaged copy of a report."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.archives import Night, make_reports, open_archive

from harvester.archive import Archive
from harvester.audit import PrunePlan, Retention, plan_prune

REPORTS = make_reports(projects=1, each=2)
FIRST, SECOND, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"
DIR = f"data/project-1_101/backtest-1_{REPORTS[0].backtest_id}"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two dates that share all files; the first report has vanished at the source on the second."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, FIRST).run(REPORTS)
    Night(archive, SECOND).run(REPORTS[1:])
    return archive


def plan(archive: Archive, **options: bool) -> PrunePlan:
    return plan_prune(archive, dt.date(2026, 11, 22), Retention(daily=1), **options)


def unshare(archive: Archive) -> None:
    """Give every file an inode of its own, as a copy of the archive made without hard links has."""
    for path in archive.root.glob("2026-*/data/*/*/**/*"):
        if path.is_file():
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
            path.chmod(0o444)


def rot(path: Path) -> None:
    """Change the bytes in place, whatever links to them."""
    path.chmod(0o644)
    path.write_bytes(b"rotten")
    path.chmod(0o444)


def remove_directory(archive: Archive) -> str:
    shutil.rmtree(archive.root / SECOND / DIR)
    return "images/01-chart-1.png"


def rot_a_copy(archive: Archive) -> str:
    unshare(archive)
    rot(archive.root / SECOND / DIR / "report.html")
    return "report.html"


def lose_an_image(archive: Archive) -> str:
    (archive.root / SECOND / DIR / "images" / "02-chart-2.png").unlink()
    return "images/02-chart-2.png"


def link_a_file(archive: Archive) -> str:
    path = archive.root / SECOND / DIR / "report.json"
    path.unlink()
    path.symlink_to(archive.root / FIRST / DIR / "report.json")
    return "report.json"


@pytest.mark.parametrize("damage", [remove_directory, rot_a_copy, lose_an_image, link_a_file])
def test_the_last_undamaged_copy_is_refused_and_named(
    archive: Archive, damage: Callable[[Archive], str]
) -> None:
    name = damage(archive)
    found = plan(archive)
    assert found.remove == []
    assert found.is_damaged
    refused = found.refused[FIRST]
    assert (refused.reports, refused.last_copies) == (0, 1)
    (last,) = refused.last_copy_examples
    assert last.entry.backtest_id == REPORTS[0].backtest_id
    assert last.damaged == f"{SECOND}/{DIR}/{name}"


def test_a_kept_date_whose_manifest_is_lost_proves_nothing(archive: Archive) -> None:
    unshare(archive)
    (archive.root / SECOND / "manifest-sha256.txt").unlink()
    assert plan(archive).refused[FIRST].reports == 2


def test_a_manifest_that_leads_elsewhere_proves_nothing(archive: Archive) -> None:
    unshare(archive)
    path = archive.root / SECOND / "manifest-sha256.txt"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"/report.html", b"/../report.html"))
    assert plan(archive).refused[FIRST].reports == 2


@pytest.mark.parametrize("unshared", [False, True])
def test_what_is_damaged_here_too_is_not_lost_by_a_removal(archive: Archive, unshared: bool) -> None:
    if unshared:
        unshare(archive)
    for date in (FIRST, SECOND):
        rot(archive.root / date / DIR / "report.html")
    assert plan(archive).remove == [FIRST]


def test_a_directory_that_is_lost_here_is_not_lost_by_a_removal(archive: Archive) -> None:
    for date in (FIRST, SECOND):
        shutil.rmtree(archive.root / date / DIR)
    assert plan(archive).remove == [FIRST]


def test_a_sound_copy_in_another_date_that_stays_is_enough(archive: Archive) -> None:
    Night(archive, THIRD).run(REPORTS[1:])
    shutil.rmtree(archive.root / THIRD / DIR)
    found = plan(archive)
    assert found.remove == [FIRST]
    assert found.refused[SECOND].last_copies == 1


def test_a_damaged_later_version_supersedes_nothing(archive: Archive) -> None:
    Night(archive, THIRD).run([replace(REPORTS[0], html=b"<html>later</html>"), REPORTS[1]])
    assert plan(archive, drop_superseded=True).remove == [FIRST, SECOND]
    rot(archive.root / THIRD / DIR / "report.html")
    found = plan(archive, drop_superseded=True)
    assert found.remove == [FIRST]
    assert found.refused[SECOND].last_copies == 1


def test_bytes_in_a_wrong_place_count_when_no_other_ones_are_left(archive: Archive) -> None:
    """Two files of the date that would go were swapped; in the one that stays the first is rotten."""
    unshare(archive)
    rot(archive.root / SECOND / DIR / "report.html")
    first, second = (archive.root / FIRST / DIR / name for name in ("report.html", "offline.html"))
    spare = first.with_name("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    assert plan(archive).refused[FIRST].last_copies == 1


def test_files_added_by_hand_hold_nothing_back(archive: Archive) -> None:
    (archive.root / FIRST / DIR / "notes.txt").write_text("mine")
    assert plan(archive).remove == [FIRST]


def test_shared_files_are_not_hashed_and_others_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    open_file = os.open

    def opening(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if "/data/" in str(path) and not flags & os.O_DIRECTORY:
            hashed.append(str(path))
        return open_file(path, flags, *args, **kwargs)

    Night(archive, THIRD).run(REPORTS[1:])
    monkeypatch.setattr(os, "open", opening)
    assert plan(archive).remove == [FIRST, SECOND]
    assert not hashed
    unshare(archive)
    hashed.clear()
    assert plan(archive).remove == [FIRST, SECOND]
    files = [str(path) for path in (archive.root / THIRD / "data").rglob("*") if path.is_file()]
    assert sorted(hashed) == sorted(files)
