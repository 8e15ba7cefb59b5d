"""What grows, and what does not: with the size of reports, projects and accounts, and with the dates."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.measure import (
    FULL,
    apart,
    harvest,
    make_dates,
    prune_dates,
    run_again,
    seconds_of,
    serving,
    verify_dates,
)

pytestmark = pytest.mark.bench

WORKERS = "4"
_BLOCK = 512
"""Bytes that `st_blocks` counts in."""


def test_memory_does_not_grow_with_the_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count, size_bytes = (12, 56_000_000) if FULL else (4, 56_000_000)
    peaks = {}
    with serving(count, 1, size_bytes) as base_url:
        for workers in ("1", "4", "8", "24") if FULL else ("1", "8"):
            root = tmp_path / workers
            peaks[workers] = apart(harvest, root, base_url, workers)["peak_mb"]
            shutil.rmtree(root)
    words = ", ".join(f"{peak:.0f} MB with {workers}" for workers, peak in peaks.items())
    with capsys.disabled():
        print(f"\n{count} reports of {size_bytes / 1e6:.0f} MB, by workers: {words} (goal 250)")


def test_memory_of_a_project_with_many_backtests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = (60_000, 100_000) if FULL else (5_000, 20_000)
    for size in sizes:
        root = tmp_path / str(size)
        with serving(size, 1, 100_000, "--status", "Runtime Error", "--images", "1") as base_url:
            first, second = (apart(harvest, root, base_url, WORKERS) for _ in range(2))
        lists = (root / "latest" / "inventory.jsonl").stat().st_size
        with capsys.disabled():
            print(
                f"\n{size:,} rows without a report in one project: first run {first['seconds']:.0f} s, "
                f"{first['peak_mb']:.0f} MB; second {second['seconds']:.0f} s, {second['peak_mb']:.0f} MB "
                f"(goal 250); inventory {lists / 1e6:.1f} MB"
            )


def new_on_disk(snapshot: Path) -> tuple[int, int]:
    """Bytes and inodes that a Snapshot has for itself: directories, and files that no other one shares."""
    found = [snapshot.lstat()]
    for directory, names, files in os.walk(snapshot):
        found += [os.lstat(f"{directory}/{name}") for name in names]
        statuses = [os.lstat(f"{directory}/{name}") for name in files]
        found += [status for status in statuses if status.st_nlink == 1]
    return sum(status.st_blocks for status in found) * _BLOCK, len(found)


def test_nights_of_large_accounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for count, projects in ((2_000, 20), (10_000, 50), (5_000, 5_000)) if FULL else ((400, 4), (500, 500)):
        root = tmp_path / f"{count}-{projects}"
        with serving(count, projects, 20_000, "--images", "1") as base_url:
            first, second = (apart(harvest, root, base_url, WORKERS) for _ in range(2))
        newest = sorted(path for path in root.iterdir() if path.name[0] == "2")[-1]
        size_bytes, inodes = new_on_disk(newest)
        with capsys.disabled():
            print(
                f"\n{count:,} backtests in {projects:,} projects: first run {first['seconds']:.1f} s, "
                f"{first['peak_mb']:.0f} MB; nothing new {second['seconds']:.1f} s, CPU "
                f"{second['cpu_s']:.1f} s, {second['peak_mb']:.0f} MB, {size_bytes / count:,.0f} bytes and "
                f"{inodes / count:.2f} inodes a backtest"
            )


def test_many_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = (20, 1_000, 2_000) if FULL else (20, 100, 200)
    for size in sizes:
        root = tmp_path / str(size)
        apart(make_dates, root, str(size))
        night = apart(run_again, root)
        verify = apart(verify_dates, root)
        copy = tmp_path / f"copy-{size}"
        seconds_of(["cp", "-al", root, copy])
        removed = seconds_of(["rm", "-rf", copy])
        prune = apart(prune_dates, root, "10")
        with capsys.disabled():
            print(
                f"\n{size:,} dates of 24 backtests: one more run CPU {night['cpu_s']:.2f} s; "
                f"verify {verify['seconds']:.1f} s (CPU {verify['cpu_s']:.1f}), {verify['peak_mb']:.0f} MB; "
                f"prune of all but 10 {prune['seconds']:.1f} s (CPU {prune['cpu_s']:.1f}, plan "
                f"{prune['planned_s']:.1f}); rm -rf of as many {removed:.1f} s"
            )
