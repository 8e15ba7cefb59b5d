"""Whatever happens to a list, a run says complete of a whole one only, and gone of what was deleted only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.builders import USER_ID, entries, make_backtests, make_scenario, outcomes, run_against
from support.cli import Done, harvester_beside
from support.listing_api import ListedAccount, Served, backtest_row, serving

from harvester.harvest.run import RunResult
from harvester.model import Ending, ReportRecord, SnapshotRecord
from harvester.simulator import Fault, FaultKind, Shapes, Simulator
from harvester.simulator.scenario import Windows

PROJECTS = "projects/read"
TWELVE = range(1, 13)


def record_of(result: RunResult) -> SnapshotRecord:
    assert result.record is not None
    return result.record


def gone_ids(result: RunResult) -> list[int]:
    return [entry.project_id for entry in entries(result).values() if entry.gone_since]


async def harvest(served: Served | Simulator, root: Path) -> RunResult:
    return await run_against(served, root, api={"tries": 1})


WRONG = {
    "unknown words": (200, b'{"success":false,"errors":["Server busy, code 17"]}'),
    "a firewall's page": (403, b"<html>Forbidden</html>"),
    "a gateway's page": (404, b"<html>Not Found</html>"),
    "under maintenance": (200, b'{"success":false,"errors":["Under maintenance"]}'),
    "a redirect": (302, b""),
    "an empty list": (200, b'{"success":true,"projects":[]}'),
    "no answer": (502, b"<html>Bad Gateway</html>"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("archived", [True, False], ids=["archived before", "new archive"])
async def test_a_page_that_fails_once_costs_nothing(tmp_path: Path, wrong: str, archived: bool) -> None:
    account = ListedAccount.of(TWELVE)
    async with serving(account) as served:
        if archived:
            await harvest(served, tmp_path)
        account.restart(page_limit=5, wrong={2: WRONG[wrong]})
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.projects, record.listed, record.gone) == (True, 12, 12, 0)


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_page_that_fails_for_good_leaves_a_snapshot_that_says_so(tmp_path: Path, wrong: str) -> None:
    account = ListedAccount.of(TWELVE)
    async with serving(account) as served:
        await harvest(served, tmp_path)
        account.restart(page_limit=5, wrong=dict.fromkeys(range(2, 99), WRONG[wrong]))
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.ending, record.listed, record.gone) == (False, Ending.PARTIAL, 5, 0)
    assert record.unproven.startswith("the list of projects is not proven complete: ")
    assert {entry.outcome.value for entry in entries(result).values()} == {"carried"}
    assert len(entries(result)) == 12, "nothing is dropped"
    (reason,) = {entry.reason for entry in entries(result).values() if not entry.listed}
    assert record.unproven in reason


async def test_projects_that_are_found_are_archived_though_the_list_is_not_proven(tmp_path: Path) -> None:
    account = ListedAccount.of(
        TWELVE, page_limit=5, wrong=dict.fromkeys(range(3, 99), WRONG["unknown words"])
    )
    async with serving(account) as served:
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.counts["saved"]) == (False, 6)


async def test_a_project_deleted_between_two_pages_is_the_only_one_gone(tmp_path: Path) -> None:
    account = ListedAccount.of(TWELVE)
    async with serving(account) as served:
        await harvest(served, tmp_path)
        account.restart(page_limit=5, deleted={2: 2})
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.listed, record.gone) == (True, 11, 1)
    assert gone_ids(result) == [2]


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [
        (FaultKind.ERRORS, (2,)),
        (FaultKind.HASH, (2, 3)),
        (FaultKind.NOT_FOUND, (2,)),
        (FaultKind.SLOW_DOWN, (2,)),
        (FaultKind.UNAUTHORIZED, (3, 4)),
        (FaultKind.HTML_200, (2,)),
        (FaultKind.EMPTY_500, (4,)),
    ],
)
async def test_pages_of_two_projects_are_read_to_the_end_through_a_passing_fault(
    tmp_path: Path, kind: FaultKind, attempts: tuple[int, ...]
) -> None:
    fault = Fault(kind=kind, route=PROJECTS, attempts=attempts)
    five = [make_backtests(1, first=n) for n in range(1, 6)]
    served = make_scenario(*five, shapes=Shapes(page_limit=2), faults=(fault,))
    async with Simulator(served) as simulator:
        record = record_of(await run_against(simulator, tmp_path))
    assert (record.complete, record.projects, record.counts["saved"]) == (True, 5, 5)


@pytest.mark.parametrize("wider", ["refuse", "clamp"])
@pytest.mark.parametrize("widest", [2, 3, 7])
async def test_windows_as_narrow_as_the_server_allows_are_found(
    tmp_path: Path, wider: Any, widest: int
) -> None:
    nine = [make_backtests(1, first=n) for n in range(1, 10)]
    windows = Windows(projects=widest, wider=wider)
    async with Simulator(make_scenario(*nine, shapes=Shapes(page_limit=4), windows=windows)) as simulator:
        record = record_of(await run_against(simulator, tmp_path))
    assert (record.complete, record.projects) == (True, 9)


# -- rows without a usable id --------------------------------------------------------------------


BAD_PROJECTS = [
    None,
    {"projectId": None, "name": "x"},
    {"projectId": -5},
    {"projectId": "abc"},
    {"projectId": 4.0},
    {"projectId": 2**63},
]


@pytest.mark.parametrize(("row", "place"), list(zip(BAD_PROJECTS, [0, 1, 3] * 2, strict=True)))
async def test_a_project_without_a_usable_id_costs_its_row(tmp_path: Path, row: Any, place: int) -> None:
    account = ListedAccount.of(range(1, 5))
    async with serving(account) as served:
        await harvest(served, tmp_path)
        account.projects[place] = row  # one of those that are archived
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.ending, record.listed, record.gone, record.bad_rows) == (Ending.PARTIAL, 3, 0, 1)
    assert record.bad_row_examples[0].startswith(f"projects/read: `projects[{place}]")
    assert len(entries(result)) == 4, "the row may be any project, so that none is gone"


@pytest.mark.parametrize("bad", [None, 7, "", " ", ["x"]])
async def test_a_backtest_without_a_usable_id_costs_its_row(tmp_path: Path, bad: Any) -> None:
    account = ListedAccount.of([1, 2])
    account.backtests[1] = [backtest_row("a"), backtest_row("b"), backtest_row("c")]
    async with serving(account) as served:
        await harvest(served, tmp_path)
        account.backtests[1] = [backtest_row("a"), backtest_row(bad), backtest_row("d")]
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.ending, record.gone, record.bad_rows) == (Ending.PARTIAL, 0, 1)
    assert record.bad_row_examples[0].startswith("project 1: `backtests[1].backtestId` is ")
    assert outcomes(result) == {
        "a": "carried",
        "b": "carried",
        "c": "carried",
        "d": "saved",
        f"{2:032x}": "carried",
    }


async def test_many_bad_rows_are_counted_and_some_named(tmp_path: Path) -> None:
    account = ListedAccount.of([1, 2])
    account.backtests[1] = [None] * 500
    async with serving(account) as served:
        record = record_of(await harvest(served, tmp_path))
    assert (record.bad_rows, len(record.bad_row_examples), record.counts["saved"]) == (500, 20, 1)


async def test_half_surrogate_pairs_and_nan_cost_neither_a_list_nor_a_report(tmp_path: Path) -> None:
    account = ListedAccount.of([1, 2], report=b'{"report":"<html>cut \\ud83d</html>","success":true}')
    account.projects[0]["name"] = "cut \ud83d"
    account.backtests[1] = [backtest_row("a", "half \ude00") | {"sharpeRatio": float("nan")}]
    async with serving(account) as served:
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.counts["saved"]) == (True, 2)
    entry = entries(result)["a"]
    assert (entry.project, entry.name) == ("cut \ufffd", "half \ufffd")
    directory = result.path / entry.path
    assert (directory / "report.html").read_text() == "<html>cut \ufffd</html>"
    report = msgspec.json.decode((directory / "report.json").read_bytes(), type=ReportRecord)
    assert "half surrogate pairs in the answer became U+FFFD: 1" in report.warnings


async def test_the_doctor_warns_of_bad_rows(tmp_path: Path) -> None:
    account = ListedAccount.of([1, 2])
    account.projects[1] = None
    async with serving(account) as served:
        done = await harvester_beside("doctor", cwd=tmp_path, environ=environment(served))
    assert (
        "warning  projects        1 of 2 rows have no usable id (`projects[1]` is not an object)" in done.out
    )


# -- too much gone at once -----------------------------------------------------------------------


def environment(served: Served) -> dict[str, str]:
    return {
        "HARVESTER_API_BASE_URL": served.base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_BURST": "10",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "QUANTCONNECT_API_TOKEN": "token",
        "QUANTCONNECT_USER_ID": str(USER_ID),
    }


async def command(served: Served, cwd: Path, *words: str) -> Done:
    return await harvester_beside("run", *words, cwd=cwd, environ=environment(served))


def snapshot(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)["snapshot"]
    return found


@pytest.mark.parametrize(("before", "left"), [(4, 0), (3, 1), (1, 0)])
async def test_more_than_half_gone_at_once_is_not_believed_unasked(
    tmp_path: Path, before: int, left: int
) -> None:
    account = ListedAccount.of(range(1, before + 1))
    async with serving(account) as served:
        assert (await command(served, tmp_path)).code == 0
        account.restart(projects=account.projects[:left])
        missing = before - left
        said = f"{missing} of {before} archived reports are no longer listed, more than half at once"
        shown = await command(served, tmp_path, "--dry-run")
        assert shown.code == 0
        assert said in shown.out
        doubted = await command(served, tmp_path)
        assert doubted.code == 3
        assert said in doubted.err
        assert "run once with --accept-gone" in doubted.out
        again = await command(served, tmp_path, "--json")
        kept = snapshot(again)
        assert again.code == 3, "every night until somebody says that it is so"
        assert (kept["complete"], kept["gone"], kept["withheld_gone"]) == (False, 0, missing)
        accepted = await command(served, tmp_path, "--json", "--accept-gone")
        assert accepted.code == 0
        assert (snapshot(accepted)["complete"], snapshot(accepted)["gone"]) == (True, missing)
        after = await command(served, tmp_path, "--json")
    assert (after.code, snapshot(after)["gone"]) == (0, missing)
    page = (tmp_path / "archive" / kept["name"] / "index.html").read_text()
    assert "more than half at once" in page


async def test_half_gone_at_once_is_gone(tmp_path: Path) -> None:
    account = ListedAccount.of(range(1, 5))
    async with serving(account) as served:
        await harvest(served, tmp_path)
        account.restart(projects=account.projects[:2])
        result = await harvest(served, tmp_path)
    record = record_of(result)
    assert (record.complete, record.gone, record.withheld_gone) == (True, 2, 0)


async def test_the_command_line_says_why_a_list_is_not_proven(tmp_path: Path) -> None:
    account = ListedAccount.of(
        TWELVE, page_limit=5, wrong=dict.fromkeys(range(2, 99), WRONG["unknown words"])
    )
    async with serving(account) as served:
        shown = await command(served, tmp_path, "--dry-run")
        account.restart()
        done = await command(served, tmp_path)
    reason = (
        "the list of projects is not proven complete: projects/read: the server says 'Server busy, code 17'"
    )
    assert (shown.code, done.code) == (0, 3)
    assert f"incomplete  {reason}" in shown.out
    assert f"unproven    {reason}" in done.out
    assert reason in done.err
    page = (tmp_path / "archive" / "latest" / "index.html").read_text()
    assert "the list of projects is not proven complete" in page
