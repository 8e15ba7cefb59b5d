"""The memory of a plan grows with what is decided at once, hardly with the size of a project."""

from __future__ import annotations

import tracemalloc
from collections.abc import Collection
from pathlib import Path

import msgspec
from support.values import make_backtest, make_entry, make_policy, make_project

from harvester.format import AT_ONCE, Span, StoredValues, load_projects, render_entry
from harvester.harvest.plan import Listing, plan_account
from harvester.model import Backtest, Project

STATISTICS = {f"Statistic {number}": number / 7 for number in range(12)}


def stored_listing(path: Path, size: int) -> tuple[Project, Collection[Backtest]]:
    row = {"note": "x" * 200, **STATISTICS}
    with path.open("wb") as file:
        for n in range(size):
            backtest = make_backtest(f"{n:032x}", statistics=STATISTICS, row=row)
            file.write(msgspec.json.encode(backtest) + b"\n")
    decode = msgspec.json.Decoder(Backtest).decode
    return make_project(), StoredValues(Span(path, 0, size), lambda line, _: decode(line), 2**20)


def peak_bytes(directory: Path, size: int) -> int:
    """Of a plan that carries all of one project."""
    directory.mkdir()
    listed = stored_listing(directory / "listing", size)
    inventory = directory / "inventory.jsonl"
    with inventory.open("wb") as file:
        for n in range(size):
            file.write(render_entry(make_entry(f"{n:032x}", statistics=STATISTICS)))
    listing = Listing({1}, lambda _: listed, {}, {})
    tracemalloc.start()
    try:
        plan = plan_account(listing, load_projects(inventory), make_policy())
        assert sum(len(decisions) for _, decisions in plan) == size
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_three_times_the_project_takes_little_more_memory(tmp_path: Path) -> None:
    small, large = (peak_bytes(tmp_path / str(n), AT_ONCE * n) for n in (1, 3))
    assert large < small * 1.5
