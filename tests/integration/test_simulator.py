"""The simulator's side of the protocol, asked as the clients that are known ask."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import anyio.to_thread
import pytest
from asker import Asker, asking
from builders import TOKEN, USER_ID, make_backtests, make_scenario
from selectolax.lexbor import LexborHTMLParser

from harvester.api.auth import sign
from harvester.errors import ConfigError
from harvester.report.figures import key_figures
from harvester.simulator import (
    BacktestSpec,
    Change,
    ChangeKind,
    Drawing,
    Fault,
    FaultKind,
    Generation,
    Identity,
    ReportKind,
    RequestRecord,
    Shapes,
    Simulator,
    load_scenario,
    sample_scenario,
)
from harvester.simulator.curve import draw_curve
from harvester.simulator.drawing import draw_report, figures_of

_REPORT = "backtests/read/report"
_FIRST = {"projectId": 101, "backtestId": f"{1:032x}"}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", {"params": {"projectId": "101"}}),
        ("POST", {"json": {"projectId": 101}}),
        ("POST", {"json": {"projectId": "101", "unknown": 1}}),
        ("POST", {"data": {"projectId": "101"}}),
        ("GET", {"json": {"projectId": 101}}),
    ],
)
async def test_arguments_come_in_every_form_that_clients_use(method: str, more: dict[str, Any]) -> None:
    async with asking() as asker:
        _, body = await asker.answer("/backtests/list", method=method, **more)
    assert json.loads(body)["count"] == 3


async def test_slashes_are_escaped_and_success_comes_last_without_errors() -> None:
    async with asking() as asker:
        _, body = await asker.answer("projects/read", json={})
    assert b"https:\\/\\/cdn.quantconnect.com" in body
    assert list(json.loads(body)) == ["projects", "versions", "success"]


async def test_an_unknown_route_is_named_in_a_refusal() -> None:
    async with asking() as asker:
        assert await asker.ask("backtests/report/read") == {
            "errors": ["Endpoint not found (backtests/report/read)"],
            "success": False,
        }


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Timestamp": ""}, "Invalid timestamp, value received: 0"),
        ({"Authorization": "Basic !"}, "UserID not valid (None) REF #"),
        (sign(7, TOKEN, int(time.time())), "UserID not valid (7) REF #"),
        (sign(USER_ID, "wrong", int(time.time())), "Hash doesn't match."),
    ],
)
async def test_each_wrong_signature_is_refused_in_its_own_words(headers: dict[str, str], words: str) -> None:
    async with asking() as asker:
        answer = await asker.ask("authenticate", headers=headers)
    assert answer["errors"][0].startswith(words)


@pytest.mark.parametrize(("age_s", "genuine"), [(0, True), (7000, True), (7300, False), (-7300, False)])
async def test_a_signature_is_good_for_two_hours_and_may_be_used_again(age_s: float, genuine: bool) -> None:
    async with asking() as asker:
        for _ in range(2):
            answer = await asker.ask("authenticate", at=time.time() - age_s)
            assert answer["success"] is genuine


@pytest.mark.parametrize(("refusal", "status"), [("401", 401), ("500", 500), ("text", 200)])
async def test_a_refusal_takes_the_form_of_the_scenario(refusal: str, status: int) -> None:
    async with asking(make_scenario(identity=Identity(refusal=refusal, window_s=20))) as asker:
        assert (await asker.answer("authenticate", at=time.time() - 60))[0] == status


@pytest.mark.parametrize(
    ("payload", "ids"),
    [
        ({}, [101, 102]),
        ({"end": 1}, [101]),
        ({"start": 1}, [102]),
        ({"start": 2, "end": 9}, []),
        ({"projectId": 102}, [102]),
        ({"start": 1, "end": 1}, None),
        ({"projectId": -1}, None),
    ],
)
async def test_projects_are_paged_and_chosen(payload: dict[str, int], ids: list[int] | None) -> None:
    async with asking() as asker:
        answer = await asker.ask("projects/read", payload)
    found = [row["projectId"] for row in answer["projects"]] if answer["success"] else None
    assert found == ids


async def test_the_organization_restricts_the_listing() -> None:
    async with asking() as asker:
        answer = await asker.ask("projects/read", {"organizationId": "none"})
    assert answer["projects"] == []


async def test_statistics_come_when_they_are_asked_for() -> None:
    async with asking() as asker:
        plain = await asker.ask("backtests/list", {"projectId": 101})
        full = await asker.ask("backtests/list", {"projectId": 101, "includeStatistics": True})
    assert "sharpeRatio" not in plain["backtests"][0]
    assert isinstance(full["backtests"][0]["sharpeRatio"], float)


async def test_one_backtest_is_read_as_an_object() -> None:
    running = make_backtests(1, first=9, status="Running: 42%")
    async with asking(make_scenario(make_backtests(1) + running)) as asker:
        done = await asker.ask("backtests/read", _FIRST)
        under_way = await asker.ask("backtests/read", {"projectId": 101, "backtestId": f"{9:032x}"})
        missing = await asker.ask("backtests/read", {"projectId": 101, "backtestId": " "})
    assert done["backtest"]["statistics"]["CAGR"].endswith("%")
    assert (under_way["backtest"]["statistics"], under_way["backtest"]["progress"]) == ([], 0.42)
    assert missing == {"errors": ["Backtest not found"], "success": False}


@pytest.mark.parametrize(
    ("success", "seen"), [("true", {True}), ("false", {False}), ("alternating", {True, False})]
)
async def test_a_report_is_generated_on_its_first_request(success: str, seen: set[bool]) -> None:
    scenario = make_scenario(make_backtests(1, generation_s=0.3), generation=Generation(success=success))
    async with asking(scenario) as asker:
        waiting = [await asker.ask(_REPORT, _FIRST) for _ in range(3)]
        assert all(answer["generating"] is True for answer in waiting)
        assert {answer["success"] for answer in waiting} == seen
        with anyio.fail_after(5):
            while "report" not in (answer := await asker.ask(_REPORT, _FIRST)):
                pass
        assert answer == await asker.ask(_REPORT, _FIRST)
        html = await anyio.to_thread.run_sync(asker.simulator.account.report_html, 101, f"{1:032x}")
        assert answer["report"] == html


async def test_generations_wait_for_each_other_and_are_forgotten() -> None:
    now = [0.0]
    scenario = make_scenario(
        make_backtests(3, generation_s=10), generation=Generation(parallel=1, forgotten_after_s=100)
    )
    account = Simulator(scenario, clock=lambda: now[0]).account
    lives = list(account.projects[101].backtests.values())
    assert [account.is_ready(live) for live in lives] == [False] * 3
    assert [live.ready_at for live in lives] == [10, 20, 30]
    now[0] = 20
    assert [account.is_ready(live) for live in lives] == [True, True, False]
    now[0] = 200
    assert not account.is_ready(lives[0])


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (ReportKind.FOREVER, {"generating": True, "success": True}),
        (ReportKind.EMPTY, {"report": "", "success": True}),
        (ReportKind.NULL, {"report": None, "success": True}),
    ],
)
async def test_reports_that_never_come_take_every_form(kind: ReportKind, answer: dict[str, Any]) -> None:
    async with asking(make_scenario(make_backtests(1, report=kind))) as asker:
        assert await asker.ask(_REPORT, _FIRST) == answer


async def test_the_account_changes_while_it_is_read() -> None:
    changes = (
        Change(at_request=2, kind=ChangeKind.RENAME_PROJECT, project_id=101, name="Renamed"),
        Change(at_request=2, kind=ChangeKind.DELETE_BACKTEST, project_id=102, backtest_id=f"{4:032x}"),
        Change(at_request=2, kind=ChangeKind.ADD_BACKTEST, project_id=102, backtest_id="new"),
        Change(at_request=3, kind=ChangeKind.RECYCLE_PROJECT, project_id=101),
        Change(at_request=4, kind=ChangeKind.DELETE_PROJECT, project_id=101),
        Change(at_request=5, kind=ChangeKind.RENAME_PROJECT, project_id=101, name="gone already"),
    )
    scenario = make_scenario(make_backtests(3), make_backtests(2, first=4), changes=changes)
    async with asking(scenario) as asker:
        names = []
        for _ in range(5):
            rows = (await asker.ask("projects/read"))["projects"]
            names.append([row["name"] for row in rows])
        listed = await asker.ask("backtests/list", {"projectId": 102})
    assert names == [
        ["Project 1", "Project 2"],
        ["Renamed", "Project 2"],
        ["Recycle Bin/Renamed", "Project 2"],
        ["Project 2"],
        ["Project 2"],
    ]
    assert [row["backtestId"] for row in listed["backtests"]] == [f"{5:032x}", "new"]


async def test_each_change_is_made_once_however_requests_overlap() -> None:
    changes = (
        Change(at_request=3, kind=ChangeKind.RENAME_PROJECT, project_id=102, name="Renamed"),
        Change(at_request=2, kind=ChangeKind.RECYCLE_PROJECT, project_id=101),
    )
    drip = Fault(kind=FaultKind.DRIP, route="authenticate")
    scenario = make_scenario(make_backtests(1), make_backtests(1, first=2), changes=changes, faults=(drip,))
    names = []
    async with asking(scenario) as asker:
        for _ in range(3):
            async with asker.begun("authenticate"):
                names.append([row["name"] for row in (await asker.ask("projects/read"))["projects"]])
    assert names == [["Recycle Bin/Project 1", "Project 2"]] + [["Recycle Bin/Project 1", "Renamed"]] * 2


async def test_a_request_that_is_given_up_is_recorded_too() -> None:
    hang = Fault(kind=FaultKind.HANG, route="authenticate")
    records: asyncio.Queue[RequestRecord] = asyncio.Queue()
    begun = b"POST /api/v2/projects/read HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    begun += b"Content-Length: 9\r\n\r\n{"
    async with (
        Simulator(make_scenario(faults=(hang,)), record=records.put_nowait) as simulator,
        aiohttp.ClientSession() as session,
    ):
        asker = Asker(session, simulator)
        with anyio.move_on_after(0.3):
            await asker.answer("authenticate")
        hung = await asyncio.wait_for(records.get(), 10)
        async with await anyio.connect_tcp("127.0.0.1", simulator.port) as stream:
            await stream.send(begun)
            await anyio.sleep(0.1)
        cut_off = await asyncio.wait_for(records.get(), 10)
        await asker.ask("projects/read")
        read = await records.get()
    assert [(record.attempt, record.answer) for record in (hung, cut_off, read)] == [
        (1, "hang"),
        (0, "cut off"),
        (1, "ok"),
    ]
    assert simulator.requests == [hung, cut_off, read]


async def test_a_new_backtest_shows_up_late_in_the_listing() -> None:
    now = [0.0]
    simulator = Simulator(make_scenario(()), clock=lambda: now[0])
    simulator.account.add_backtest(101, make_backtests(1, listed_after_s=30)[0])
    assert simulator.account.listed(simulator.account.projects[101]) == []
    now[0] = 31
    assert len(simulator.account.listed(simulator.account.projects[101])) == 1


async def test_a_port_in_use_is_named_with_what_to_do() -> None:
    async with Simulator(make_scenario()) as first:
        with pytest.raises(ConfigError, match=rf"port {first.port} is in use.*--port"):
            async with Simulator(make_scenario(), port=first.port):
                raise AssertionError("unreachable")


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_a_drawn_report_agree_with_its_curve(seed: int) -> None:
    spec = BacktestSpec(backtest_id="x", name="Drawn", seed=seed)
    html = draw_report(spec, Drawing(years=6, small=True), {"lookback": "20"})
    curve = draw_curve(seed, 6)
    shown = key_figures(LexborHTMLParser(html))
    assert shown == figures_of(curve)
    top, worst, value = 1.0, 0.0, 1.0
    for change in curve.returns:
        value *= 1 + change
        top = max(top, value)
        worst = min(worst, value / top - 1)
    assert shown["Drawdown"] == f"{-worst:.1%}"
    assert shown["CAGR"] == f"{value ** (252 / len(curve.returns)) - 1:.1%}"


def test_a_drawn_report_has_the_structure_of_lean() -> None:
    html = draw_report(BacktestSpec(backtest_id="x", name="N", seed=3), Drawing(small=True), {})
    assert html.startswith('<!DOCTYPE html>\n        <html xmlns="http://www.w3.org/1999/xhtml">')
    assert html.endswith("parameters-->\n")
    assert html.count('property="og:image" content="data:image/png;base64,') == 2
    assert "{{$PNG-AUTHOR-PHOTO}}" in html
    assert '<div class="page" id="parameters" style="display: none;">' in html


def test_the_same_seed_draws_the_same_account() -> None:
    assert sample_scenario(seed=7) == sample_scenario(seed=7)
    assert sample_scenario(seed=7) != sample_scenario(seed=8)
    with pytest.raises(TypeError):
        sample_scenario(no_such_knob=1)


def test_a_scenario_file_says_what_is_served(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        'user_id = 7\n[[projects]]\nproject_id = 1\nname = "P"\n'
        '[[projects.backtests]]\nbacktest_id = "a"\nname = "B"\ngeneration_s = 3\n'
        '[[faults]]\nkind = "429"\nattempts = [1]\n[limit]\nsteps = [{after_s = 0, per_min = 30}]\n'
    )
    scenario = load_scenario(path)
    assert (scenario.user_id, scenario.projects[0].backtests[0].generation_s) == (7, 3)
    assert scenario.shapes == Shapes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nonsense", "scenario.toml"),
        ("user = 7", "user"),
        ('[[faults]]\nkind = "no such"', "no such"),
        (None, "read"),
    ],
)
def test_a_wrong_scenario_file_is_named_with_its_mistake(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "scenario.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        load_scenario(path)


def test_a_directory_without_reports_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \*.html file"):
        Simulator(make_scenario(), reports_dir=tmp_path)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "user_id = " + "9" * 5000])
def test_a_scenario_that_python_cannot_read_is_refused_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"scenario\.toml"):
        load_scenario(path)
