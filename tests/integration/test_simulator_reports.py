"""How the simulator makes reports, and what is in them."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest
from selectolax.lexbor import LexborHTMLParser
from support.asker import asking
from support.builders import make_backtests, make_scenario

from harvester.report.figures import key_figures
from harvester.simulator import BacktestSpec, Drawing, Generation, ReportKind, Simulator
from harvester.simulator.curve import draw_curve
from harvester.simulator.drawing import draw_report, figures_of

_REPORT = "backtests/read/report"
_FIRST = {"projectId": 101, "backtestId": f"{1:032x}"}


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
    assert [account.poll_report(live) for live in lives] == [False] * 3
    assert [live.ready_at for live in lives] == [10, 20, 30]
    now[0] = 20
    assert [account.poll_report(live) for live in lives] == [True, True, False]
    now[0] = 200
    assert not account.poll_report(lives[0])


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
