"""What the filters of `run` let through, seen in its plan, its Snapshot and an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.builders import SMALL, TOKEN, USER_ID, make_backtests
from support.cli import Done, harvester, harvester_beside

from harvester.simulator import ProjectSpec, Scenario, Simulator

HOME_ORGANIZATION, FUND = "0" * 32, "f" * 32


def account() -> Scenario:
    """Six reports: two of one's own, one of another organization, two of an optimization, one deleted."""
    optimized = make_backtests(2, first=4, optimization_id=f"O-{1:032x}")
    projects = (
        ProjectSpec(
            project_id=101, name="Momentum", backtests=make_backtests(2), organization_id=HOME_ORGANIZATION
        ),
        ProjectSpec(project_id=102, name="Carry", backtests=make_backtests(1, first=3), organization_id=FUND),
        ProjectSpec(project_id=103, name="Search", backtests=optimized, organization_id=HOME_ORGANIZATION),
        ProjectSpec(
            project_id=104,
            name="Recycle Bin/Old",
            backtests=make_backtests(1, first=6),
            organization_id=HOME_ORGANIZATION,
        ),
    )
    return Scenario(projects=projects, drawing=SMALL)


async def run(cwd: Path, *words: str, config: str = "") -> Done:
    (cwd / "harvester.toml").write_text(f"pace.rate_per_min = 60000\n{config}")
    async with Simulator(account()) as simulator:
        environ = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "QC_USER_ID": str(USER_ID),
            "QC_API_TOKEN": TOKEN,
        }
        return await harvester_beside("run", *words, cwd=cwd, environ=environ)


CASES: list[tuple[list[str], str, int, dict[str, int]]] = [
    ([], "", 5, {"its project is in the recycle bin": 1}),
    (
        ["--organization", FUND],
        f'filters.organizations = ["{FUND}"]',
        1,
        {"its project is in the recycle bin": 1, "its organization is not among the selected ones": 4},
    ),
    (
        ["--no-optimizations"],
        "filters.optimizations = false",
        3,
        {"its project is in the recycle bin": 1, "it belongs to an optimization": 2},
    ),
    (["--recycle-bin"], "filters.recycle_bin = true", 6, {}),
]


@pytest.mark.parametrize(("words", "config", "reports", "reasons"), CASES)
async def test_a_dry_run_shows_what_each_filter_does_whether_option_or_setting(
    tmp_path: Path, words: list[str], config: str, reports: int, reasons: dict[str, int]
) -> None:
    by_option: Any = (await run(tmp_path, "--dry-run", "--json", *words)).document()
    by_setting: Any = (await run(tmp_path, "--dry-run", "--json", config=config)).document()
    assert by_option == by_setting
    assert (by_option["reports"], by_option["not_asked"]) == (reports, reasons)
    assert not (tmp_path / "archive").exists()


async def test_an_option_goes_before_the_setting(tmp_path: Path) -> None:
    config = "filters.optimizations = false\nfilters.recycle_bin = true"
    done = await run(tmp_path, "--dry-run", "--json", "--optimizations", "--no-recycle-bin", config=config)
    assert done.document()["reports"] == 5


async def test_what_a_filter_leaves_out_is_skipped_with_its_reason_and_an_export_takes_the_same_filters(
    tmp_path: Path,
) -> None:
    done = await run(tmp_path, "--no-optimizations", "--json")
    counts = done.document()["snapshot"]["counts"]
    assert (counts["saved"], counts["skipped"]) == (3, 3)
    await run(tmp_path, "--recycle-bin")
    words = ["export", "latest", "--to", "fund", "--organization", FUND, "--json"]
    assert harvester(*words, cwd=tmp_path).document()["reports"] == 1
    words = ["export", "latest", "--to", "plain", "--no-optimizations", "--no-recycle-bin", "--json"]
    assert harvester(*words, cwd=tmp_path).document()["reports"] == 3
    listed = harvester("list", "--no-recycle-bin", "--json", cwd=tmp_path).document()
    assert {row["project"] for row in listed["backtests"]} == {"Momentum", "Carry", "Search"}
