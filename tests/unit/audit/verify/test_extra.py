"""What nobody has recorded: directories and files that were added to a Snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive

from harvester.archive import Archive, Disk
from harvester.audit import Problem, verify_archive

REPORTS = make_reports(projects=2, each=2)
DIR = "data/project-1_101/backtest-1_00000000000000010000000000000001"
NEWEST = "2026-11-22"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots with pages."""
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-21", NEWEST):
        Night(archive, date).run(REPORTS, lambda path, _: (path / "index.html").write_text("<html>") and None)
    return archive


def places(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.place, str(problem.kind)) for problem in problems]


def newest(archive: Archive, path: str) -> Path:
    return archive.root / NEWEST / path


@pytest.mark.parametrize("name", ["empty", "site/empty", "site/a/b", ".run", f"{DIR}/empty"])
def test_an_added_directory_is_found(archive: Archive, name: str) -> None:
    newest(archive, name).mkdir(parents=True)
    shown = name.removesuffix("/a/b").removesuffix("/empty") if name.startswith("site") else name
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{shown}", "extra")]


def test_a_file_below_the_working_directory_of_runs_is_found(archive: Archive) -> None:
    """A committed Snapshot has no `.run/` any more."""
    newest(archive, ".run/deep").mkdir(parents=True)
    newest(archive, ".run/deep/evil.html").write_bytes(b"")
    assert places(verify_archive(archive)) == [(f"{NEWEST}/.run", "extra")]


def test_an_empty_directory_beside_recorded_pages_is_found(tmp_path: Path) -> None:
    def pages(path: Path, _disk: Disk) -> None:
        (path / "site").mkdir()
        (path / "site" / "style.css").write_text("body {}")

    archive = open_archive(tmp_path / "archive")
    Night(archive, NEWEST).run(REPORTS, pages)
    newest(archive, "site/empty/nested").mkdir(parents=True)
    os.mkfifo(newest(archive, "site/pipe"))
    assert places(verify_archive(archive)) == [
        (f"{NEWEST}/site/empty", "extra"),
        (f"{NEWEST}/site/pipe", "odd"),
    ]


def test_an_empty_directory_for_images_is_found_where_no_image_was_recorded(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    Night(archive, NEWEST).run(make_reports(projects=1, each=1, images=0))
    newest(archive, f"{DIR}/images").mkdir()
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{DIR}/images", "extra")]


def test_recorded_images_that_are_missing_are_named_without_their_directory(archive: Archive) -> None:
    for path in newest(archive, f"{DIR}/images").iterdir():
        path.unlink()
    assert [kind for _, kind in places(verify_archive(archive))] == ["missing", "missing"]
