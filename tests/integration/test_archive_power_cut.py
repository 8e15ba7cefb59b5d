"""Whatever step a run is cut off at, the next one ends in valid Snapshots."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import Night, Report, make_reports, open_archive
from support.disks import (
    DyingDisk,
    FailingDisk,
    HalfWritingDisk,
    Killed,
    SteppingDisk,
    check_archive,
    check_bag,
)

from harvester.archive import Archive, Disk
from harvester.errors import DiskError

FIRST = make_reports(projects=2, each=2, images=1)
SECOND = [
    FIRST[0],
    replace(FIRST[1], name="Another Name"),
    replace(FIRST[2], html=b"<html>changed</html>"),
    Report(project_id=102, backtest_id="f" * 32, html=b"<html>new</html>", images=0),
]
"""Against FIRST: one as it was, one renamed, one changed, one gone, one new."""


def write_pages(path: Path, disk: Disk) -> None:
    disk.write(path / "index.html", b"<html>index</html>", sync=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Archive with one Snapshot."""
    root = tmp_path_factory.mktemp("base") / "archive"
    Night(open_archive(root), "2026-11-21").run(FIRST, write_pages)
    return root


def second_night(root: Path, disk: Disk | None = None) -> Night:
    night = Night(open_archive(root, disk), "2026-11-22", "second")
    night.run(SECOND, write_pages)
    return night


def count_steps(base: Path, root: Path) -> int:
    shutil.copytree(base, root, symlinks=True)
    disk = SteppingDisk()
    second_night(root, disk)
    return disk.steps


def cut_everywhere(
    base: Path, tmp_path: Path, make_disk: Callable[[int], SteppingDisk], expected: type[BaseException]
) -> Counter[str]:
    """Cut the second night off at each of its steps; each time, let a third one follow and check all."""
    steps = count_steps(base, tmp_path / "whole")
    asked = Counter[str]()
    for number in range(1, steps + 1):
        root = tmp_path / "cut"
        shutil.copytree(base, root, symlinks=True)
        night = Night(open_archive(root), "2026-11-22", "second")
        night.archive.disk = make_disk(number)
        with suppress(expected):
            night.run(SECOND, write_pages)
        for snapshot in Archive.open(root).snapshots():
            check_bag(snapshot.path)
        again = Night(open_archive(root), "2026-11-23", "third")
        again.run(SECOND, write_pages)
        check_archive(root)
        assert outcomes(root)["gone"] == 1
        twice = set(night.asked_for) & set(again.asked_for)
        assert len(twice) <= 1, f"step {number}: {twice} were read twice"
        asked.update(twice)
        shutil.rmtree(root)
    return asked


def outcomes(root: Path) -> dict[str, int]:
    newest = Archive.open(root).snapshot("latest")
    return {**newest.record().counts, "gone": newest.record().gone}


def test_a_night_cut_off_at_any_step_is_finished_by_the_next(base: Path, tmp_path: Path) -> None:
    cut_everywhere(base, tmp_path, DyingDisk, Killed)


class CrowdedDyingDisk(DyingDisk):
    shared_sync_from = 1


class CrowdedFailingDisk(FailingDisk):
    shared_sync_from = 1


def test_a_power_cut_costs_no_more_while_several_write_at_once(base: Path, tmp_path: Path) -> None:
    cut_everywhere(base, tmp_path, CrowdedDyingDisk, Killed)


def test_a_shared_flush_that_fails_harms_no_snapshot(base: Path, tmp_path: Path) -> None:
    cut_everywhere(base, tmp_path, lambda number: CrowdedFailingDisk(number, errno.EIO), DiskError)


def test_a_night_cut_off_within_any_write_is_finished_by_the_next(base: Path, tmp_path: Path) -> None:
    cut_everywhere(base, tmp_path, HalfWritingDisk, Killed)


@pytest.mark.parametrize(
    ("code", "lasting"), [(errno.ENOSPC, True), (errno.EIO, False)], ids=["full", "broken"]
)
def test_a_disk_that_fails_at_any_step_harms_no_snapshot(
    base: Path, tmp_path: Path, code: int, lasting: bool
) -> None:
    cut_everywhere(base, tmp_path, lambda number: FailingDisk(number, code, lasting=lasting), DiskError)


def test_the_very_first_night_may_be_cut_off_too(tmp_path: Path) -> None:
    disk = SteppingDisk()
    Night(open_archive(tmp_path / "whole", disk)).run(FIRST)
    for number in range(1, disk.steps + 1):
        root = tmp_path / str(number)
        with pytest.raises(Killed):
            Night(open_archive(root, DyingDisk(number))).run(FIRST)
        Night(open_archive(root)).run(FIRST)
        check_archive(root)
        shutil.rmtree(root)


def test_a_night_that_dies_again_and_again_gets_there(base: Path, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    shutil.copytree(base, root, symlinks=True)
    for number in range(10, 200, 7):
        try:
            second_night(root, DyingDisk(number))
        except Killed:
            continue
    second_night(root)
    check_archive(root)
