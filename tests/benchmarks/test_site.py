"""Pages of a large account: how long they take to write, how much memory, how quick they are to filter."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harvester.model import Ending, InventoryEntry, Outcome, SnapshotRecord

pytestmark = pytest.mark.bench

COUNT = 20_000
_CHARTS = (
    "monthly-returns",
    "cumulative-returns",
    "annual-returns",
    "returns-per-trade",
    "asset-allocation",
    "drawdown",
    "daily-returns",
    "rolling-portfolio-beta",
    "rolling-sharpe-ratio",
    "leverage",
)


def make_snapshot(directory: Path, count: int, projects: int) -> None:
    """A Snapshot's Inventory, and empty files for the images that its pages name."""
    directory.mkdir(parents=True)
    entries = []
    for n in range(count):
        project, number = divmod(n, count // projects)
        path = f"data/project_{project}/backtest_{number:032x}"
        images = directory / path / "images"
        images.mkdir(parents=True)
        for at, title in enumerate(_CHARTS, start=1):
            (images / f"{at:02d}-{title}.png").touch()
        entries.append(
            InventoryEntry(
                project_id=project, backtest_id=f"{number:032x}", project=f"Project {project}",
                name=f"Logical Red Monkey {number}", outcome=Outcome.CARRIED, created="2024-05-02T09:30:00Z",
                status="Completed.", path=path, files=13, images=len(_CHARTS),
                statistics={"sharpeRatio": n % 300 / 100, "drawdown": n % 50, "netProfit": n % 90},
            )
        )  # fmt: skip
    (directory / "inventory.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, entries)) + b"\n")
    record = SnapshotRecord(
        name=directory.name,
        run_id="0" * 32,
        account="0" * 16,
        version="0",
        started="2026-11-22T03:00:00Z",
        finished="2026-11-22T04:00:00Z",
        complete=True,
        ending=Ending.OK,
        listed=count,
        counts={"carried": count},
    )
    (directory / "snapshot.json").write_bytes(msgspec.json.encode(record))


_WRITE = """
import resource, sys, time
from pathlib import Path
from harvester.site import write_pages
started = time.perf_counter()
write_pages(Path(sys.argv[1]))
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_pages_of_twenty_thousand_backtests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "2026-11-22"
    make_snapshot(directory, COUNT, projects=100)
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, str(directory)], capture_output=True, text=True, check=True
    )
    wall_s, peak_mb = map(float, done.stdout.split())
    size = sum(path.stat().st_size for path in directory.glob("site/*"))
    with capsys.disabled():
        print(f"\npages of {COUNT} backtests: {wall_s:.1f} s, peak {peak_mb:.0f} MB, {size / 1e6:.1f} MB")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_filtering_a_page_of_two_thousand_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from playwright.sync_api import sync_playwright

    from harvester.site import write_pages

    directory = tmp_path / "2026-11-22"
    make_snapshot(directory, 2000, projects=1)
    write_pages(directory)
    script = """(query) => { const input = document.querySelector('#filter'); input.value = query;
        const started = performance.now(); input.dispatchEvent(new Event('input'));
        document.body.offsetHeight; return performance.now() - started; }"""
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=args)
        page = browser.new_page()
        started = time.perf_counter()
        page.goto((directory / "site" / "0.html").as_uri())
        opened_s = time.perf_counter() - started
        times = [page.evaluate(script, query) for query in ("monkey 19", "", "sharpe>2", "", "drawdown<5 19")]
        browser.close()
    with capsys.disabled():
        print(f"\na page of 2,000 rows: opens in {opened_s:.2f} s, filters in {max(times):.0f} ms at most")
