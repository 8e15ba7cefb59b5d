"""A simulated year in which everything goes wrong that may: nothing is lost, and nothing grows."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from soak.account import Growth
from soak.judges import check_bags, check_ledger, disk_use
from soak.year import SETTLED, Tally, Year

_RSS_SHARE, _RSS_MB = 1.15, 4.0
"""What malloc may come to keep of nights that become larger: tenfold accounts have taken 56 to 64 MB."""
_BLOCKS_SHARE = 1.02
"""What caches of a fixed size may still take in."""


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Tells who waits for the test how far it has come."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)

    return say


@pytest.mark.soak
def test_a_year_loses_no_report_and_lets_nothing_grow(tmp_path: Path, say: Callable[[str], None]) -> None:
    year = Year(tmp_path, Growth(), seed=1, say=say)
    year.live()
    assert year.tally.kills > 10  # the others were done before they could be killed
    assert sum(year.tally.faults.values()) > 300
    check_no_growth(year.tally)
    say(verdict(year))
    shutil.rmtree(year.root)  # some gigabytes, which nobody wants to look at unless the test has failed


def test_two_weeks_lose_no_report(tmp_path: Path) -> None:
    """The same for a small account, so that the year itself stays in order."""
    year = Year(tmp_path, Growth(nights=14, first=12, last=30, calm=7, month=7), seed=1, say=lambda _: None)
    year.live()
    check_no_growth(year.tally)
    assert year.tally.faults
    assert "Snapshots" in verdict(year)


def check_no_growth(tally: Tally) -> None:
    """Descriptors and threads are the same after every night, memory is about the same after the last one."""
    nights = [tally.runs[number] for number in range(SETTLED, tally.nights + 1)]
    for life in (nights, tally.audits):
        assert len({(vitals.fds, vitals.threads) for vitals in life}) == 1
        assert life[-1].blocks <= life[0].blocks * _BLOCKS_SHARE
    assert nights[-1].rss_mb <= nights[0].rss_mb * _RSS_SHARE + _RSS_MB


def verdict(year: Year) -> str:
    """Let others judge what is left of the year, and say in a line what it came to."""
    tally, use = year.tally, disk_use(year.root)
    snapshots = check_bags(year.root)
    check_ledger(year.root)
    cpu_s = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    first, last = tally.runs[SETTLED], tally.runs[tally.nights]
    parts = (
        f"{tally.nights} nights, {tally.endings['ok']} of them complete, {tally.kills} attempts killed",
        f"{sum(tally.faults.values())} faults of {len(tally.faults)} kinds in {tally.requests} requests",
        f"{year.reports} reports, {tally.verified} verifies, {tally.pruned} Snapshots pruned",
        f"{snapshots} kept, all valid",
        f"{use.payload / 1e6:.0f} MB of payload on disk for {use.unique / 1e6:.0f} MB of unique bytes",
        f"for each Snapshot {use.lists / 1e6 / snapshots:.1f} MB in lists, pages and the catalog",
        f"and {use.directories / 1e6 / snapshots:.1f} MB in directories; in all a ratio of {use.ratio:.2f}",
        f"night {SETTLED} and {tally.nights}: {first.fds} and {last.fds} descriptors",
        f"{first.threads} and {last.threads} threads, {first.blocks} and {last.blocks} blocks of memory",
        f"{first.rss_mb:.0f} and {last.rss_mb:.0f} MB",
        f"{time.monotonic() - tally.began:.0f} s, {cpu_s:.0f} s of one core",
    )
    return "; ".join(parts)
