"""Pages of a large account: how long they take to write, how much memory, how quick they are to filter."""

from __future__ import annotations

import os
import random
import shutil
import statistics
from pathlib import Path

import msgspec
import pytest
from support.measure import apart, write_site

from harvester.format.inventory import render_entry
from harvester.format.layout import IMAGES, partial_name, report_path
from harvester.model import Ending, InventoryEntry, Outcome, SnapshotRecord
from harvester.site import write_pages
from harvester.site.rows import FIGURES

pytestmark = pytest.mark.bench

_COUNT = 20_000
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
    "long-short-exposure",
    "covid-19-pandemic-2020",
    "meme-season-2021",
    "ai-boom-2022-present",
)
_LINKS = 30_000
"""Names that one file may have on any file system."""


def make_partial(root: Path, count: int, projects: int) -> Path:
    """A partial Snapshot as its pages find it, but that all images are one empty file."""
    directory = root / partial_name("2026-11-22")
    directory.mkdir(parents=True)
    dice = random.Random(1)
    with (directory / "inventory.jsonl").open("wb") as inventory:
        for n in range(count):
            project, number = divmod(n, count // projects)
            entry = make_entry(dice, project, number)
            make_images(directory / entry.path / IMAGES, n * len(_CHARTS))
            inventory.write(render_entry(entry))
    record = SnapshotRecord(
        name="2026-11-22",
        run_id="0",
        account="0",
        version="0",
        started="2026-11-22T03:00:00Z",
        finished="2026-11-22T04:00:00Z",
        complete=True,
        ending=Ending.OK,
        listed=count,
        counts={"carried": count},
    )
    (directory / "snapshot.json").write_bytes(msgspec.json.encode(record))
    return directory


def make_entry(dice: random.Random, project: int, number: int) -> InventoryEntry:
    backtest_id, name = f"{dice.getrandbits(128):032x}", f"Logical Red Monkey {number}"
    return InventoryEntry(
        project_id=project,
        backtest_id=backtest_id,
        project=f"Project {project}",
        name=name,
        outcome=Outcome.CARRIED,
        created=f"2024-05-02T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        status="Completed.",
        path=report_path(project, f"Project {project}", backtest_id, name),
        files=17,
        images=len(_CHARTS),
        read_at="2026-11-22T03:00:00Z",
        tags=("live",) if number % 10 == 0 else (),
        statistics={figure.field: round(dice.gauss(1, 1), 3) for figure in FIGURES},
    )


def make_images(directory: Path, made: int) -> None:
    """Links to one file, or, when that has as many as it may, to the next."""
    directory.mkdir(parents=True)
    source = directory.parents[4] / f"image-{made // _LINKS}"
    source.touch()
    for at, title in enumerate(_CHARTS, start=1):
        os.link(source, directory / f"{at:02d}-{title}.png")


@pytest.mark.parametrize("projects", [1, 10, 5000])
def test_pages_of_twenty_thousand_backtests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], projects: int
) -> None:
    directory = make_partial(tmp_path, _COUNT, projects)
    took = apart(write_site, directory)
    sizes = [path.stat().st_size for path in (directory / "site").iterdir()]
    with capsys.disabled():
        print(
            f"\npages of {_COUNT:,} backtests in {projects:,} projects: {took['seconds']:.1f} s, "
            f"peak {took['peak_mb']:.0f} MB, {sum(sizes) / 1e6:.1f} MB in {len(sizes)} files, "
            f"the largest {max(sizes) / 1e6:.1f} MB"
        )
    assert took["peak_mb"] <= 150
    assert took["seconds"] <= 10


_FILTER = """
    (query) => {
        const input = document.querySelector("#filter");
        input.value = query;
        const started = performance.now();
        input.dispatchEvent(new Event("input"));
        document.body.offsetHeight;
        return performance.now() - started;
    }
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Debian's chromium is not installed")
def test_filtering_a_page_of_two_thousand_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from playwright.sync_api import sync_playwright

    directory = make_partial(tmp_path, 1999, projects=1)
    write_pages(directory)
    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=args)
        page = browser.new_page(offline=True)
        page.goto((directory / "site" / "0.html").as_uri())
        assert page.locator("tbody tr").count() == 1999
        opened_ms = page.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart")
        queries = ("monkey 19", "", "sharpe>2", "", "drawdown<1 19", "")
        times = [page.evaluate(_FILTER, query) for _ in range(3) for query in queries]
        browser.close()
    with capsys.disabled():
        print(
            f"\na page of 1,999 rows: loads in {opened_ms} ms, filters in {statistics.median(times):.0f} ms, "
            f"{max(times):.0f} ms at most"
        )
    assert statistics.median(times) <= 100
