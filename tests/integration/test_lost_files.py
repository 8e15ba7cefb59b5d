"""Files of one report are lost or damaged: no night is stopped by it, and nothing else is held back."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio.to_thread
import pytest
from support.builders import Asked, Watcher, make_backtests, make_scenario, run_against
from support.disks import check_bag
from support.nights import Nights, edit

from harvester.archive import Archive
from harvester.audit import verify_archive
from harvester.harvest.events import Damaged, Event
from harvester.harvest.run import Run
from harvester.simulator import Fault, FaultKind, ReportKind, Simulator

A, B, C, D = (f"{n:032x}" for n in (1, 2, 3, 4))


@pytest.fixture
async def nights(tmp_path: Path) -> AsyncIterator[Nights]:
    """One night with three reports, and a fourth one that is new at the source."""
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        nights = Nights(simulator, tmp_path / "archive")
        assert (await nights.night())[0] == 0
        simulator.account.add_backtest(101, make_backtests(1, first=4)[0])
        yield nights


def directory(nights: Nights, backtest_id: str = A, name: str = "") -> Path:
    name = name or nights.names()[-1]
    return nights.root / name / nights.entries(name)[backtest_id].path


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.unlink()
    path.touch()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    path.rename(path.parents[4] / "elsewhere")
    path.symlink_to(path.parents[4] / "elsewhere")


FILES = ["report.html", "report.json", "offline.html", "images"]


def damage(nights: Nights, file: str, way: Callable[[Path], None], backtest_id: str = A) -> None:
    path = directory(nights, backtest_id) / file
    way(min(path.iterdir()) if file == "images" else path)


async def is_sound(nights: Nights, name: str) -> bool:
    """Whether neither `bagit` and `sha256sum` nor `verify` find anything in the Snapshot."""
    await anyio.to_thread.run_sync(check_bag, nights.root / name)
    problems = await anyio.to_thread.run_sync(lambda: verify_archive(Archive.open(nights.root)))
    return all(problem.snapshot != name for problem in problems)


CASES = [(lose, file, source) for file in FILES for source in ("the same", "other bytes", "deleted")] + [
    (way, file, "the same")
    for way in (empty, replace_by_directory, replace_by_link)
    for file in ("report.html", "report.json")
]


@pytest.mark.parametrize(("way", "file", "source"), CASES)
async def test_one_damaged_file_costs_at_most_one_request_and_nothing_else(
    nights: Nights, file: str, way: Callable[[Path], None], source: str
) -> None:
    """The night that finds it ends 20; later ones 0, or 3 when there is nothing to restore it from."""
    first = nights.names()[0]
    digest = nights.entries()[A].report_sha256
    await anyio.to_thread.run_sync(damage, nights, file, way)
    if source == "other bytes":
        nights.simulator.account.change_backtest(101, A, report=ReportKind.PARTIAL)
    elif source == "deleted":
        nights.simulator.account.delete_backtest(101, A)
    since = len(nights.simulator.requests)
    code, watcher = await nights.night()
    assert code == 20
    assert [event.name for event in watcher.events if isinstance(event, Damaged)] == ["Backtest 1"]
    second = nights.names()[-1]
    record, entries = nights.record(), nights.entries()
    assert record.complete is False
    assert record.listed == sum(record.counts.values()) == (3 if source == "deleted" else 4)
    assert (entries[B].outcome, entries[C].outcome, entries[D].outcome) == ("carried", "carried", "saved")
    is_lost = file == "report.html" and source == "deleted"
    assert nights.asked_for(since) == ({A, D} if file == "report.html" and not is_lost else {D})
    if file != "report.html":
        assert (entries[A].outcome, entries[A].report_sha256) == ("carried", digest)
    elif not is_lost:
        assert entries[A].outcome == ("updated" if source == "other bytes" else "unchanged")
    else:
        assert (entries[A].outcome, entries[A].path, entries[A].report_sha256) == ("lost", "", digest)
        assert (entries[A].lost_since, record.lost) == (second, 1)
    assert await is_sound(nights, second)
    assert (await nights.night())[0] == (3 if is_lost else 0)
    assert (await nights.night(refresh_days=0))[0] == (3 if is_lost else 0)
    assert nights.entries()[A].lost_since == (second if is_lost else "")
    assert nights.names()[0] == first


@pytest.mark.parametrize("source", ["the same", "deleted"])
@pytest.mark.parametrize("file", FILES)
async def test_a_renamed_report_with_a_damaged_file_is_carried_under_its_new_name(
    nights: Nights, file: str, source: str
) -> None:
    await anyio.to_thread.run_sync(damage, nights, file, empty)
    nights.simulator.account.rename_project(101, "Renamed")
    if source == "deleted":
        nights.simulator.account.delete_backtest(101, A)
    assert (await nights.night())[0] == 20
    entries = nights.entries()
    assert all("renamed" in entry.path for key, entry in entries.items() if key in {B, C, D})
    assert entries[A].outcome == (
        "lost" if file == "report.html" and source == "deleted" else entries[A].outcome
    )
    assert await is_sound(nights, nights.names()[-1])


async def test_a_flipped_record_is_not_carried_into_a_renamed_report(nights: Nights) -> None:
    record = directory(nights) / "report.json"
    await anyio.to_thread.run_sync(edit, record, b'"images_found"', b'"images_fOund"')
    nights.simulator.account.rename_project(101, "Renamed")
    assert (await nights.night())[0] == 20
    assert nights.entries()[A].outcome == "carried"
    assert await is_sound(nights, nights.names()[-1])
    assert (await nights.night())[0] == 0


async def test_a_lost_report_is_restored_from_another_date_without_a_request(nights: Nights) -> None:
    assert (await nights.night())[0] == 0
    nights.simulator.account.delete_backtest(101, A)
    await anyio.to_thread.run_sync(shutil.rmtree, directory(nights))
    since = len(nights.simulator.requests)
    code, watcher = await nights.night()
    assert (code, nights.asked_for(since)) == (20, set())
    (told,) = [event for event in watcher.events if isinstance(event, Damaged)]
    assert told.action.startswith(f"restored from {nights.names()[0]}/data/")
    entry = nights.entries()[A]
    assert (entry.outcome, entry.listed, entry.saved_in) == ("carried", False, nights.names()[0])
    assert await is_sound(nights, nights.names()[-1])
    assert (await nights.night())[0] == 0


@pytest.mark.parametrize("place", ["data", "data/project-1_101"])
async def test_all_payload_lost_is_restored_by_links_from_the_date_before(nights: Nights, place: str) -> None:
    assert (await nights.night())[0] == 0
    first, second = nights.names()
    await anyio.to_thread.run_sync(shutil.rmtree, nights.root / second / place)
    since = len(nights.simulator.requests)
    assert (await nights.night())[0] == 20
    assert nights.asked_for(since) == {D}
    html = directory(nights) / "report.html"
    assert html.samefile(directory(nights, A, first) / "report.html")
    assert (await nights.night())[0] == 0


async def test_a_lost_report_is_healthy_again_when_its_file_comes_back(nights: Nights) -> None:
    """Put back where it was lost, although the newest date has no entry for its files."""
    report = directory(nights) / "report.html"
    content = report.read_bytes()
    await anyio.to_thread.run_sync(lose, report)
    nights.simulator.account.delete_backtest(101, A)
    assert (await nights.night())[0] == 20
    since = nights.names()[-1]
    assert (await nights.run()).code == 3
    said = await nights.call("verify", "latest")
    assert f"lost since {since}: Project 1 / Backtest 1 [{A}]" in said.out
    assert said.out.count(f"[{A}]") == 1
    assert "no problems" in said.out
    assert (await nights.call("verify")).code == 20
    report.write_bytes(content)
    report.chmod(0o444)
    assert (await nights.night())[0] == 0
    entry = nights.entries()[A]
    assert (entry.outcome, entry.lost_since, entry.saved_in) == ("carried", "", nights.names()[0])
    assert (directory(nights) / "report.html").read_bytes() == content
    assert (await nights.call("verify")).code == 0


async def test_a_lost_report_that_the_api_fails_to_give_is_lost_until_it_gives_it(tmp_path: Path) -> None:
    fault = Fault(kind=FaultKind.EMPTY_500, route="backtests/read/report", backtest_id=A, attempts=(2, 3))
    async with Simulator(make_scenario(make_backtests(2), faults=(fault,))) as simulator:
        nights = Nights(simulator, tmp_path / "archive")
        assert (await nights.run()).code == 0
        await anyio.to_thread.run_sync(lose, directory(nights) / "report.html")
        for code in (20, 3):
            assert (await nights.run()).code == code
            entry = nights.entries()[A]
            assert (entry.outcome, bool(entry.error)) == ("lost", True)
            assert nights.record().counts["lost"] == nights.record().lost == 1
        assert (await nights.run()).code == 0
        assert (nights.entries()[A].outcome, nights.record().lost) == ("unchanged", 0)


@pytest.mark.parametrize("file", ["report.json", "report.html"])
async def test_a_run_that_is_interrupted_after_it_met_damage_is_resumed(nights: Nights, file: str) -> None:
    """What it restored is kept, and the next run says again that the archive was damaged."""
    await anyio.to_thread.run_sync(damage, nights, file, lose)
    nights.simulator.account.delete_backtest(101, A)
    runs: list[Run] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Damaged):
            runs[0].interrupt("enough")

    asked = Asked(watcher=Watcher(on_event=interrupt), started=runs.append)
    assert (await run_against(nights.simulator, nights.root, asked)).record is None
    assert (await nights.night())[0] == 20
    entry = nights.entries()[A]
    assert entry.outcome == ("carried" if file == "report.json" else "lost")
    assert entry.saved_in == nights.names()[0]
    assert await is_sound(nights, nights.names()[-1])


async def test_a_refresh_does_not_link_damaged_files(nights: Nights) -> None:
    report = directory(nights) / "offline.html"
    await anyio.to_thread.run_sync(edit, report, b"<html", b"<HTML")
    code, watcher = await nights.night(refresh_days=0)
    assert code == 20
    (told,) = [event for event in watcher.events if isinstance(event, Damaged)]
    assert told.reason.endswith("offline.html is not what report.json says")
    assert nights.entries()[A].outcome == "unchanged"
    assert await is_sound(nights, nights.names()[-1])


async def test_list_history_and_diff_know_what_is_lost(nights: Nights) -> None:
    await anyio.to_thread.run_sync(lose, directory(nights) / "report.html")
    nights.simulator.account.delete_backtest(101, A)
    done = await nights.run()
    assert "lost        1 damaged" in done.out
    said = await nights.call("list", "--outcome", "lost")
    assert A in said.out
    assert "lost" in (await nights.call("history", A)).out
    said = await nights.call("diff", nights.names()[0])
    assert "lost      Project 1 / Backtest 1" in said.out
    assert "1 lost" in said.out
