"""A night with nothing new: links, lists and the commit, against `cp -al` of the same tree."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import make_reports
from support.measure import FULL, apart, carry_all, make_archive, median, plan_all, seconds_of


@pytest.mark.bench
def test_a_night_with_nothing_new_against_cp_al(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 20_000 if FULL else 2_000
    root = tmp_path / "archive"
    make_archive(root, make_reports(projects=20, each=count // 20, images=13))
    ours, peer, peak_mb = [], [], 0.0
    for turn in range(3):
        os.sync()
        peer.append(seconds_of(["cp", "-al", root / "2026-11-01", tmp_path / f"copy-{turn}"]))
        os.sync()
        night = apart(carry_all, root, f"2026-12-{turn + 1:02d}")
        ours.append(night["seconds"])
        peak_mb = max(peak_mb, night["peak_mb"])
    with capsys.disabled():
        print(
            f"\nnothing new, {count:,} reports x 16 files: {median(ours):.2f} s, "
            f"cp -al {median(peer):.2f} s: {median(ours) / median(peer):.2f} x (goal 1.0), "
            f"peak {peak_mb:.0f} MB (goal 150)"
        )


@pytest.mark.bench
def test_plan_and_commit_are_linear_and_flat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = (10_000, 100_000) if FULL else (1_000, 10_000)
    seconds, peaks_mb = [], []
    for size in sizes:
        root = tmp_path / str(size)
        reports = make_reports(projects=size // 500, each=500, images=0)
        make_archive(root, [replace(report, statistics=STATISTICS) for report in reports])
        nights = []
        for turn in range(3):
            os.sync()  # a commit flushes everything, also what others have written
            nights.append(apart(plan_all, root, f"2026-12-{turn + 1:02d}"))
        seconds.append(median([night["seconds"] for night in nights]))
        peaks_mb.append(max(night["peak_mb"] for night in nights))
    with capsys.disabled():
        print(
            f"\nnothing new, projects of 500, {sizes[0]:,} -> {sizes[1]:,} backtests: "
            f"{seconds[0]:.2f} s -> {seconds[1]:.2f} s: {seconds[1] / seconds[0]:.1f} x (goal 11), "
            f"peak {peaks_mb[0]:.0f} -> {peaks_mb[1]:.0f} MB (goal 200)"
        )


STATISTICS = {f"Statistic {number}": number / 7 for number in range(12)}
