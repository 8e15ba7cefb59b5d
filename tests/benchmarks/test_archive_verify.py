"""Verify against `sha256sum -c` and `bagit.py --processes 2` over the same Snapshot."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support.archives import Report
from support.measure import FULL, apart, make_archive, median, seconds_of, verify_all


class LargeReport(Report):
    """Of the size of a real one: 1.7 MB of HTML, 14 images of 90 kB."""

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        return [(f"{n:02d}-chart-{n}.png", b"%d" % n + self.html[:90_000]) for n in range(1, 15)]


@pytest.mark.bench
def test_verify_against_other_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 1_000 if FULL else 200
    body = bytes(range(256)) * 6640
    root = tmp_path / "archive"
    make_archive(
        root,
        [
            LargeReport(project_id=100 + n // 100, backtest_id=f"{n:032x}", html=b"%d" % n + body, images=14)
            for n in range(count)
        ],
    )
    bag = root / "2026-11-01"
    bagit = shutil.which("bagit.py", path=str(Path(sys.executable).parent))
    assert bagit is not None
    ours, plain, theirs = [], [], []
    for _ in range(3):
        found = apart(verify_all, root)
        ours.append(found["seconds"])
        plain.append(seconds_of(["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=bag))
        theirs.append(
            seconds_of([sys.executable, "-W", "ignore", bagit, "--validate", "--processes", "2", bag])
        )
    size_gb = sum(path.stat().st_size for path in bag.rglob("*") if path.is_file()) / 1e9
    with capsys.disabled():
        print(
            f"\nverify of {size_gb:.2f} GB: {median(ours):.2f} s; "
            f"sha256sum -c {median(plain) / median(ours):.1f} x as long (goal 4), "
            f"bagit.py --processes 2 {median(theirs) / median(ours):.2f} x (goal 1.7); "
            f"peak {found['peak_mb']:.0f} MB"
        )
