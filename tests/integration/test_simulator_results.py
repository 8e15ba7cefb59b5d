"""What the simulator says of one backtest: results, orders, trades, insights, chart, log."""

from __future__ import annotations

from typing import Any

import pytest
from support.asker import Asker, asking
from support.builders import make_backtests, make_scenario

from harvester.simulator import Generation, Scenario, Shapes, Simulator, Windows

_FIRST = {"projectId": 101, "backtestId": f"{1:032x}"}
_NONE = {"projectId": 101, "backtestId": " "}
_AT_ONCE = Generation(loading_s=0)
_ROUTES = {
    "backtests/orders/read": "orders",
    "backtests/trades/read": "trades",
    "backtests/read/insights": "insights",
    "backtests/read/log": "logs",
}
_CHART = {"name": "Strategy Equity", "count": 50, "start": 0, "end": 2_000_000_000}


def _scenario(**fields: Any) -> Scenario:
    return make_scenario(make_backtests(1), **({"generation": _AT_ONCE} | fields))


async def test_one_backtest_is_read_as_an_object() -> None:
    async with asking(_scenario()) as asker:
        done = (await asker.ask("backtests/read", _FIRST))["backtest"]
        missing = await asker.ask("backtests/read", _NONE)
    assert done["statistics"]["Compounding Annual Return"].endswith("%")
    assert done["totalPerformance"]["portfolioStatistics"]["startEquity"] == "100000"
    assert sorted(done["researchGuide"]) == ["backtestCount", "minutes", "parameters"]
    assert isinstance(done["snapshotId"], int)
    assert {"note", "result", "analysis", "serverStatistics", "outOfSampleDays"} <= done.keys()
    assert missing == {"errors": ["Backtest not found"], "success": False}


@pytest.mark.parametrize(
    ("status", "statistics"),
    [("In Progress...", []), ("Running: 42%", []), ("In Queue...", []), ("Runtime Error", None)],
)
async def test_a_run_without_results_has_null_for_them_and_a_list_only_while_it_runs(
    status: str, statistics: list[str] | None
) -> None:
    async with asking(make_scenario(make_backtests(1, status=status))) as asker:
        row = (await asker.ask("backtests/read", _FIRST))["backtest"]
    assert row["statistics"] == statistics
    names = ("runtimeStatistics", "totalPerformance", "rollingWindow", "serverStatistics")
    assert [row[name] for name in names] == [None] * 4


async def test_rows_of_the_listing_have_note_and_result_and_numbers_for_security_types() -> None:
    backtests = make_backtests(1, note="keep this") + make_backtests(1, first=2)
    asked = {"projectId": 101, "includeStatistics": True}
    async with asking(make_scenario(backtests)) as asker:
        rows = (await asker.ask("backtests/list", asked))["backtests"]
    assert [(row["note"], row["result"]) for row in rows] == [("keep this", None), (None, None)]
    assert {row["securityTypes"] for row in rows} == {1, None}
    async with asking(make_scenario(backtests, shapes=Shapes(security_types="text"))) as asker:
        rows = (await asker.ask("backtests/list", asked))["backtests"]
    assert {row["securityTypes"] for row in rows} == {"Equity"}


async def _all_rows(asker: Asker, route: str, widest: int) -> list[Any]:
    rows: list[Any] = []
    while True:
        answer = await asker.ask(route, _FIRST | {"start": len(rows), "end": len(rows) + widest})
        rows += answer[_ROUTES[route]]
        if len(rows) >= answer["length"]:
            return rows


async def test_windows_give_every_row_once_and_all_routes_agree() -> None:
    async with asking(_scenario()) as asker:
        found = {name: await _all_rows(asker, route, 100) for route, name in _ROUTES.items()}
        backtest = (await asker.ask("backtests/read", _FIRST))["backtest"]
    trades = found["trades"]
    assert trades == backtest["totalPerformance"]["closedTrades"]
    assert [order["id"] for order in found["orders"]] == list(range(1, 2 * len(trades) + 1))
    assert [order["time"] for order in found["orders"][1::2]] == [trade["exitTime"] for trade in trades]
    assert len(found["insights"]) == len(found["logs"]) - 1 == len(trades)


@pytest.mark.parametrize(("route", "name"), _ROUTES.items())
async def test_a_window_of_rows_that_is_too_wide_is_refused_or_clamped(route: str, name: str) -> None:
    widest = 200 if name == "logs" else 100
    wide = _FIRST | {"start": 0, "end": widest + 1}
    async with asking(_scenario()) as asker:
        assert await asker.ask(route, wide) == {"errors": ["Invalid argument"], "success": False}
        assert await asker.ask(route, _NONE) == {"errors": ["Backtest not found"], "success": False}
    async with asking(_scenario(windows=Windows(rows=3, log_lines=3, wider="clamp"))) as asker:
        assert len((await asker.ask(route, wide))[name]) == 3


@pytest.mark.parametrize(("route", "name"), _ROUTES.items())
async def test_a_run_without_results_has_no_rows(route: str, name: str) -> None:
    scenario = make_scenario(make_backtests(1, status="In Progress..."), generation=_AT_ONCE)
    async with asking(scenario) as asker:
        assert await asker.ask(route, _FIRST) == {name: [], "length": 0, "success": True}


async def test_the_chart_is_sampled_to_what_was_asked_for() -> None:
    async with asking(_scenario()) as asker:
        whole = (await asker.ask("backtests/chart/read", _FIRST | _CHART | {"count": 100_000}))["chart"]
        points = whole["series"]["Equity"]["values"]
        sampled = (await asker.ask("backtests/chart/read", _FIRST | _CHART))["chart"]
        later = _FIRST | _CHART | {"start": points[100][0], "end": points[109][0]}
        part = (await asker.ask("backtests/chart/read", later))["chart"]
        unknown = await asker.ask("backtests/chart/read", _FIRST | _CHART | {"name": "Mine"})
        missing = await asker.ask("backtests/chart/read", _NONE | _CHART)
    assert 25 < len(sampled["series"]["Equity"]["values"]) <= 50
    assert part["series"]["Equity"]["values"] == points[100:110]
    assert unknown == {"errors": ["Chart not found"], "success": False}
    assert missing == {"errors": ["Backtest not found"], "success": False}


@pytest.mark.parametrize("route", ["backtests/orders/read", "backtests/read/log", "backtests/chart/read"])
async def test_chart_orders_and_log_are_loading_after_the_first_request(route: str) -> None:
    now = [0.0]
    simulator = Simulator(_scenario(generation=Generation(loading_s=5)), clock=lambda: now[0])
    async with asking(simulator) as asker:
        for moment in (1.0, 5.9):
            now[0] = moment
            answer = await asker.ask(route, _FIRST | _CHART | {"end": 100})
            assert answer == {"status": "loading", "progress": 0.0, "success": True}
        now[0] = 6.0
        assert "status" not in await asker.ask(route, _FIRST | _CHART | {"end": 100})
