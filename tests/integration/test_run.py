"""The main job end to end: simulator, client, pool, archive, all of them real."""

from __future__ import annotations

import io
import re
import subprocess
from collections import Counter
from pathlib import Path

import anyio.to_thread
import bagit
import msgspec
import pytest
from PIL import Image
from support.builders import REPORTS, Asked, entries, make_backtests, make_scenario, outcomes, run_against

from harvester.harvest.run import RunResult
from harvester.model import ReportRecord
from harvester.simulator import Drawing, ProjectSpec, ReportKind, Shapes, Simulator, sample_scenario


def assert_sound(path: Path) -> None:
    """Two judges that are not ours accept the Snapshot."""
    bagit.Bag(str(path)).validate()
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "--check", "--quiet", manifest], cwd=path, check=True)


def assert_proven(result: RunResult) -> None:
    """Every listed backtest is in the Inventory with one Outcome, and the numbers agree."""
    assert result.record is not None
    listed = [entry for entry in entries(result).values() if entry.listed]
    assert result.record.listed == len(listed) == sum(result.record.counts.values())
    found = Counter(entry.outcome.value for entry in listed)
    assert {name: number for name, number in result.record.counts.items() if number} == found


async def test_every_drawn_report_is_archived_as_it_was_served(tmp_path: Path) -> None:
    scenario = make_scenario(make_backtests(5), make_backtests(4, first=6, generation_s=0.05))
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path)
        assert set(outcomes(result).values()) == {"saved"}
        for project, backtest in simulator.account.backtests():
            entry = entries(result)[backtest.backtest_id]
            served = await anyio.to_thread.run_sync(
                simulator.account.report_html, project.project_id, backtest.backtest_id
            )
            assert (result.path / entry.path / "report.html").read_bytes() == served.encode()
    assert_proven(result)
    assert_sound(result.path)


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports are not at hand")
async def test_every_real_report_is_archived_with_all_its_images(tmp_path: Path) -> None:
    served = await anyio.to_thread.run_sync(lambda: Simulator(make_scenario(), reports_dir=REPORTS))
    async with served as simulator:
        result = await run_against(simulator, tmp_path)
    rows = re.findall(r"^\| (lean-\S+)\.html \|.*?\| (\d+) \(\+\d, \d\) \|", _sources(), re.MULTILINE)
    wanted = {name: int(images) for name, images in rows}
    assert len(wanted) == 18
    found = {entry.name: entry for entry in entries(result).values()}
    assert {name: entry.images for name, entry in found.items()} == wanted
    for name, entry in found.items():
        directory = result.path / entry.path
        assert (directory / "report.html").read_bytes() == (REPORTS / f"{name}.html").read_bytes()
        for path in (directory / "images").iterdir():
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                image.load()
    assert_sound(result.path)


def _sources() -> str:
    return (REPORTS / "SOURCES.md").read_text()


async def test_a_second_run_requests_no_report_and_links_everything(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(6))) as simulator:
        first = await run_against(simulator, tmp_path)
        before = len(simulator.requests)
        second = await run_against(simulator, tmp_path)
        asked = [record.route for record in simulator.requests[before:]]
    assert "backtests/read/report" not in asked
    assert set(outcomes(second).values()) == {"carried"}
    assert second.record is not None
    assert second.record.written_bytes == 0
    for path in first.path.joinpath("data").rglob("*.*"):
        assert path.stat().st_ino == (second.path / path.relative_to(first.path)).stat().st_ino
    assert_sound(second.path)


async def test_renamed_new_changed_and_vanished_backtests_are_told_apart(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(4), make_backtests(2, first=5))) as simulator:
        first = await run_against(simulator, tmp_path)
        account = simulator.account
        account.change_backtest(101, f"{1:032x}", name="Renamed")
        account.change_backtest(101, f"{2:032x}", snapshot_id=7, seed=99)
        account.delete_backtest(101, f"{3:032x}")
        account.add_backtest(102, make_backtests(1, first=9)[0])
        account.rename_project(102, "Another name")
        second = await run_against(simulator, tmp_path)
    found = entries(second)
    assert outcomes(second) == {
        f"{1:032x}": "carried",
        f"{2:032x}": "updated",
        f"{3:032x}": "carried",
        f"{4:032x}": "carried",
        f"{5:032x}": "carried",
        f"{6:032x}": "carried",
        f"{9:032x}": "saved",
    }
    assert found[f"{1:032x}"].path.endswith(f"/renamed_{1:032x}")
    assert b'"Renamed"' in (second.path / found[f"{1:032x}"].path / "report.json").read_bytes()
    assert (found[f"{3:032x}"].listed, found[f"{3:032x}"].gone_since) == (False, second.path.name)
    assert found[f"{5:032x}"].path.startswith("data/another-name_102/")
    assert second.record is not None
    assert second.record.gone == 1
    content = (second.path / found[f"{2:032x}"].path / "report.json").read_bytes()
    comparison = msgspec.json.decode(content, type=ReportRecord).comparison
    assert comparison is not None
    assert (comparison.snapshot, comparison.differs) == (first.path.name, "text")
    for snapshot in (first, second):
        assert_sound(snapshot.path)
    assert_proven(second)


async def test_refresh_reads_again_and_says_whether_the_bytes_differ(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        await run_against(simulator, tmp_path)
        simulator.account.change_backtest(101, f"{2:032x}", tags=("now tagged",))
        again = await run_against(simulator, tmp_path, Asked(refresh_days=0))
        simulator.account.change_backtest(101, f"{2:032x}", name="Shown in the page")
        third = await run_against(simulator, tmp_path, Asked(refresh_days=0))
    assert set(outcomes(again).values()) == {"unchanged"}
    assert outcomes(third) == {f"{1:032x}": "unchanged", f"{2:032x}": "updated"}
    assert_sound(again.path)
    assert_sound(third.path)


@pytest.mark.parametrize(
    "shapes",
    [
        Shapes(dates="iso", errors_on_success=True),
        Shapes(shuffled=True, count="missing"),
        Shapes(singular=True),
        Shapes(page_limit=2),
        Shapes(heavy=False),
    ],
)
async def test_all_shapes_of_a_listing_come_to_the_same(tmp_path: Path, shapes: Shapes) -> None:
    scenario = make_scenario(*(make_backtests(2, first=1 + 10 * n) for n in range(5)), shapes=shapes)
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path)
    assert result.record is not None
    assert (result.record.projects, result.record.listed) == (5, 10)
    assert result.record.complete


async def test_a_listing_that_is_not_whole_leaves_its_project_as_it_was(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(2))) as simulator:
        await run_against(simulator, tmp_path)
    scenario = make_scenario(make_backtests(1), shapes=Shapes(count="wrong"))
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path)
    assert result.record is not None
    assert (result.record.ending.value, result.record.gone, result.record.listed) == ("partial", 0, 0)
    assert [unread.project_id for unread in result.record.unread_projects] == [101]
    assert all(entry.archived and not entry.gone_since for entry in entries(result).values())
    assert_sound(result.path)


async def test_what_has_no_report_is_skipped_with_its_reason(tmp_path: Path) -> None:
    scenario = make_scenario(
        make_backtests(1, status="Runtime Error"),
        make_backtests(1, first=2, status="Running: 42%", report=ReportKind.FOREVER),
        make_backtests(1, first=3, status="In Queue..."),
        (),
    )
    async with Simulator(scenario) as simulator:
        simulator.account.add_project(
            ProjectSpec(project_id=200, name="Recycle Bin/Old", backtests=make_backtests(1, first=4))
        )
        result = await run_against(simulator, tmp_path)
    reasons = {entry.backtest_id[-1]: entry.reason for entry in entries(result).values()}
    assert set(outcomes(result).values()) == {"skipped"}
    assert "failed backtest" in reasons["1"]
    assert "Running: 42%" in reasons["2"]
    assert "In Queue" in reasons["3"]
    assert "recycle bin" in reasons["4"]


async def test_an_empty_account_is_a_complete_snapshot(tmp_path: Path) -> None:
    async with Simulator(make_scenario()) as simulator:
        result = await run_against(simulator, tmp_path)
    assert result.record is not None
    assert (result.record.listed, result.record.complete) == (0, True)
    bagit.Bag(str(result.path)).validate()


async def test_hostile_names_stay_inside_the_archive_and_apart(tmp_path: Path) -> None:
    names = ["../../etc/passwd", "..", "a/b", "A/B", "💥", "x" * 300, "CON", "", "ünïcödé", "\x1b[2J\u202e"]
    backtests = tuple(
        make_backtests(1, first=n + 1, name=name)[0] for n, name in enumerate([*names, *names[:3]])
    )
    async with Simulator(make_scenario(backtests)) as simulator:
        simulator.account.rename_project(101, "../../../" + "y" * 300)
        result = await run_against(simulator, tmp_path / "archive")
    paths = [entry.path for entry in entries(result).values()]
    assert len(set(paths)) == len(backtests)
    assert all((result.path / path).resolve().is_relative_to(result.path.resolve()) for path in paths)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    assert_sound(result.path)


async def test_filters_leave_out_what_is_new_and_keep_what_is_archived(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(2), make_backtests(2, first=3))) as simulator:
        first = await run_against(simulator, tmp_path, filters={"projects": ("Project 1",)})
        second = await run_against(simulator, tmp_path, filters={"projects": ("102",)})
    assert list(outcomes(first).values()) == ["saved", "saved", "skipped", "skipped"]
    assert list(outcomes(second).values()) == ["carried", "carried", "saved", "saved"]


async def test_personal_data_and_tokens_of_rows_are_never_written(tmp_path: Path) -> None:
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        result = await run_against(simulator, tmp_path)
    written = b"".join(path.read_bytes() for path in result.path.rglob("*") if path.is_file())
    for word in (b"example.org", b"profileImage", b"sharingToken", b"collaborators"):
        assert word not in written


async def test_two_hundred_reports_half_of_them_generated_take_two_requests_each(tmp_path: Path) -> None:
    scenario = sample_scenario(
        projects=4,
        backtests=200,
        generate_share=0.5,
        generation_s=0.3,
        odd=False,
        drawing=Drawing(years=2, small=True, distinct=5),
    )
    async with Simulator(scenario) as simulator:
        result = await run_against(simulator, tmp_path, reports={"first_poll": 0.5})
    assert set(outcomes(result).values()) == {"saved"}
    assert result.record is not None
    generated = sum(spec.generation_s > 0 for _, spec in simulator.account.backtests())
    listing = 1 + 2 + 4
    optimizations = 4 + len({spec.optimization_id for _, spec in simulator.account.backtests()} - {""})
    assert result.record.requests <= listing + optimizations + 200 + generated * 1.1


async def test_what_the_commit_itself_has_set_aside_is_told(tmp_path: Path) -> None:
    def obstruct(_: object) -> None:
        (tmp_path / "latest").mkdir()

    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        result = await run_against(simulator, tmp_path, Asked(started=obstruct))
    assert [note for note in result.notes if "latest" in note]
