"""Lists of a Snapshot that are damaged or forged: nothing is built on them, and the nights go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio.to_thread
import pytest
from support.builders import make_backtests, make_scenario
from support.nights import INVENTORY, MANIFEST, TAGMANIFEST, Nights, edit, put, sha256

from harvester.simulator import Simulator

A, B, C = (f"{n:032x}" for n in (1, 2, 3))


@pytest.fixture
async def nights(tmp_path: Path) -> AsyncIterator[Nights]:
    """Two nights: two reports, then a third one that only the newest Snapshot holds."""
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        nights = Nights(simulator, tmp_path / "archive")
        assert (await nights.run()).code == 0
        simulator.account.add_backtest(101, make_backtests(1, first=3)[0])
        assert (await nights.run()).code == 0
        yield nights


def flip_a_digest(nights: Nights, newest: Path) -> str:
    line = next(line for line in (newest / MANIFEST).read_bytes().splitlines() if line.endswith(b".png"))
    edit(newest / MANIFEST, line[:1], b"0" if line[:1] != b"0" else b"1")
    return MANIFEST


def forge_a_report(nights: Nights, newest: Path) -> str:
    """Other bytes, with their digest in Manifest, Inventory and report.json."""
    entry = nights.entries()[A]
    report = newest / entry.path / "report.html"
    content = report.read_bytes() + b"<!-- better figures -->"
    put(report, content)
    old, new = entry.report_sha256.encode(), sha256(content).encode()
    before = sha256((newest / entry.path / "report.json").read_bytes()).encode()
    edit(newest / entry.path / "report.json", old, new)
    after = sha256((newest / entry.path / "report.json").read_bytes()).encode()
    edit(newest / MANIFEST, old, new)
    edit(newest / MANIFEST, before, after)
    edit(newest / INVENTORY, old, new)
    return MANIFEST


def delete_a_line(nights: Nights, newest: Path) -> str:
    """A report that has vanished at the source as well."""
    nights.simulator.account.delete_backtest(101, A)
    lines = (newest / INVENTORY).read_bytes().splitlines(keepends=True)
    put(newest / INVENTORY, b"".join(line for line in lines if A.encode() not in line))
    return INVENTORY


def forge_the_seal(nights: Nights, newest: Path) -> str:
    """A consistent Snapshot but for the Ledger's line."""
    old = sha256((newest / INVENTORY).read_bytes()).encode()
    edit(newest / INVENTORY, b'"name":"Backtest 1"', b'"name":"Backtest X"')
    edit(newest / TAGMANIFEST, old, sha256((newest / INVENTORY).read_bytes()).encode())
    return TAGMANIFEST


def lose_the_inventory(nights: Nights, newest: Path) -> str:
    (newest / INVENTORY).unlink()
    return INVENTORY


def damage_the_record(nights: Nights, newest: Path) -> str:
    edit(newest / "snapshot.json", b'"complete": true', b'"complete": null')
    return "snapshot.json"


FORGERIES = [
    flip_a_digest, forge_a_report, delete_a_line, forge_the_seal, lose_the_inventory, damage_the_record,
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES)
async def test_nothing_is_carried_from_forged_lists_and_the_next_night_is_an_ordinary_one(
    nights: Nights, forge: Callable[[Nights, Path], str]
) -> None:
    first, second = nights.names()
    file = await anyio.to_thread.run_sync(forge, nights, nights.root / second)
    requests = len(nights.simulator.requests)
    done = await nights.run()
    assert done.code == 20
    assert f"{second}/{file} is" in done.err
    assert f"is built on {first}" in done.err
    assert f"damaged     {second} is damaged and was not used" in done.out
    record = nights.record()
    assert record.previous is not None
    assert (record.previous.name, record.passed_over) == (first, (second,))
    assert (record.complete, record.ending) == (False, "damaged")
    assert nights.asked_for(requests) == {C}
    honest = nights.entries(first)
    for backtest_id, entry in nights.entries().items():
        assert entry.outcome == ("saved" if backtest_id == C else "carried")
        assert backtest_id == C or entry.report_sha256 == honest[backtest_id].report_sha256
    requests = len(nights.simulator.requests)
    done = await nights.run()
    assert (done.code, nights.record().passed_over) == (0, ())
    assert nights.asked_for(requests) == set()
    said = await nights.call("verify", "--json")
    assert said.code == 20
    problems = said.document()["problems"]
    assert {problem["snapshot"] or second for problem in problems} == {second}
    assert file in {problem["path"] for problem in problems}


async def test_a_date_with_damaged_lists_is_not_pruned_and_the_others_are(nights: Nights) -> None:
    _, second = nights.names()
    await anyio.to_thread.run_sync(flip_a_digest, nights, nights.root / second)
    assert (await nights.run()).code == 20
    assert (await nights.run()).code == 0
    *_, newest = nights.names()
    done = await nights.call("prune", "--keep-daily", "1", "--yes")
    assert done.code == 20
    assert f"refuse  {second}" in done.out
    assert f"{second}/{MANIFEST} is not the one that was committed" in done.err
    assert nights.names() == [second, newest]


async def test_inventories_forged_to_look_superseded_do_not_let_a_prune_remove_the_last_copy(
    nights: Nights,
) -> None:
    """A report with two versions; the earlier one's digest is replaced in the Inventories that have it."""
    first, second = nights.names()
    nights.simulator.account.change_backtest(101, A, seed=99)
    assert (await nights.run("--refresh=0")).code == 0
    plan = await nights.call("prune", "--keep-daily", "1")
    assert f"refuse  {second}" in plan.out
    old, new = nights.entries(second)[A].report_sha256, nights.entries()[A].report_sha256
    assert old != new
    for name in (first, second):
        await anyio.to_thread.run_sync(edit, nights.root / name / INVENTORY, old.encode(), new.encode())
    done = await nights.call("prune", "--keep-daily", "1", "--yes")
    assert done.code == 20
    assert f"{first}/{INVENTORY} is" in done.err
    assert f"{second}/{INVENTORY} is" in done.err
    assert len(nights.names()) == 3


async def test_when_no_lists_are_sound_everything_is_asked_for_again_and_nothing_is_gone(
    nights: Nights,
) -> None:
    for name in nights.names():
        await anyio.to_thread.run_sync(lose_the_inventory, nights, nights.root / name)
    done = await nights.run()
    assert done.code == 20
    assert "is built on no earlier one" in done.err
    record = nights.record()
    assert (record.previous, record.gone, record.counts["saved"]) == (None, 0, 3)
    assert (await nights.run()).code == 0


async def test_an_export_of_forged_lists_is_refused(nights: Nights) -> None:
    _, second = nights.names()
    await anyio.to_thread.run_sync(delete_a_line, nights, nights.root / second)
    done = await nights.call("export", "latest", "--to", "out", "--project", "101")
    assert done.code == 20
    assert f"{second}/{INVENTORY} is not the one that was committed" in done.err
    assert not (nights.root.parent / "out").exists()


async def test_a_dry_run_plans_on_sound_lists(nights: Nights) -> None:
    _, second = nights.names()
    await anyio.to_thread.run_sync(delete_a_line, nights, nights.root / second)
    done = await nights.run("--dry-run", "--json")
    assert (done.code, done.document()["reports"], done.document()["gone"]) == (0, 1, 1)
