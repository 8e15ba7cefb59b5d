"""Pages for the browser: Snapshots and reports as an archive has them, and names that try everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from harvester.report import Unpacked, unpack_report
from harvester.simulator import Simulator
from harvester.simulator.scenario import Fault, FaultKind
from harvester.site import write_pages
from support.builders import SMALL, Asked, make_backtests, make_scenario, run_against

EVIL = """<!DOCTYPE html><html><head><title>x</title>
<base href="https://evil.example/">
<meta http-equiv="refresh" content="0; url=https://evil.example/refresh">
<link rel="stylesheet" href="https://evil.example/style.css">
<link rel="preload" as="image" href="https://evil.example/preload.png">
<style>@import url(https://evil.example/i.css); p { background: url('https://evil.example/b.png') }</style>
<script>window.ran = 1</script>
</head><body onload="window.ran = 2" background="https://evil.example/body.png">
<img src="https://evil.example/pixel.png" onerror="window.ran = 3">
<img src="x" onerror="window.ran = 4"><svg onload="window.ran = 5"><image href="https://evil.example/i.png"/></svg>
<iframe src="https://evil.example/frame"></iframe><object data="https://evil.example/object"></object>
<embed src="https://evil.example/embed"><video poster="https://evil.example/poster.png"></video>
<form action="https://evil.example/form"><input type="image" src="https://evil.example/input.png"></form>
<div style="background: url(https://evil.example/style.png)">styled</div>
<a id="bait" href="javascript:window.ran = 6">bait</a>
<details open ontoggle="window.ran = 7"><summary>more</summary></details>
<template><script>window.ran = 8</script></template><noscript><img src="https://evil.example/n.png"></noscript>
<math><mtext></mtext><style><img src=x onerror="window.ran = 9"></style></math>
</body></html>"""

HOSTILE = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "\u202edlrow",
    "'; -- </title><script>window.ran = 3</script>",
)
"""Names of backtests that want to be something else."""


@dataclass
class Opened:
    """A page and everything it did."""

    page: Page
    outside: list[str] = field(default_factory=list)
    """Addresses it wanted from anywhere but the disk."""
    failed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Errors and warnings on its console."""

    def go(self, path: Path) -> Page:
        self.page.goto(path.resolve().as_uri())
        return self.page

    def hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.said.append(text)

    @property
    def quiet(self) -> bool:
        return not (self.outside or self.failed or self.said)


async def make_nights(archive: Path) -> Path:
    """Two nights of an account with hostile names; in the second something is new, changed, gone and failed.

    Gives the second Snapshot.
    """
    named = tuple(make_backtests(1, first=n + 1, name=name)[0] for n, name in enumerate(HOSTILE))
    plain = make_backtests(30, first=10, tags=("live",))
    few = make_backtests(6, first=50)
    broken = Fault(kind=FaultKind.EMPTY_500, route="backtests/read/report", backtest_id=few[0].backtest_id)
    scenario = make_scenario(named, plain, few, drawing=SMALL, faults=(broken,))
    async with Simulator(scenario) as simulator:
        account = simulator.account
        await run_against(simulator, archive, Asked(pages=write_pages))
        account.add_backtest(
            102, make_backtests(1, first=90, name="Brand new", created="2024-05-03 08:00:00")[0]
        )
        account.delete_backtest(102, f"{10:032x}")
        account.change_backtest(102, f"{11:032x}", snapshot_id=9, seed=77)
        return (await run_against(simulator, archive, Asked(pages=write_pages))).path


def write_offline(directory: Path, html: str) -> Unpacked:
    """The offline page and the images of a report, as they lie in an archive."""
    unpacked = unpack_report(html)
    (directory / "images").mkdir()
    for image in unpacked.images:
        (directory / "images" / image.record.name).write_bytes(image.content)
    (directory / "offline.html").write_text(unpacked.offline_html, encoding="utf-8")
    return unpacked
