"""A whole report as QuantConnect would send it: charts, figures and the page around them."""

from __future__ import annotations

import base64
import math
from functools import lru_cache
from typing import Final

import jinja2

from harvester.simulator.charts import Chart, draw_charts
from harvester.simulator.curve import Curve, draw_curve
from harvester.simulator.scenario import BacktestSpec, Drawing

_KEPT: Final = 64
"""Sets of drawn charts that are kept: one takes half a megabyte."""
_PAGES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("harvester.simulator"),
    autoescape=False,  # the real page escapes nothing either, and readers of it must cope with that
    keep_trailing_newline=True,
)


def figures_of(curve: Curve) -> dict[str, str]:
    """The key statistics as the page shows them."""
    return {
        "Runtime Days": str((curve.days[-1] - curve.days[0]).days),
        "Drawdown": f"{curve.drawdown:.1%}",
        "Turnover": f"{min(len(curve.trades) / len(curve.days), 1.0):.0%}",
        "Probabilistic SR": f"{curve.probabilistic_sharpe:.0%}",
        "CAGR": f"{curve.growth:.1%}",
        "Sharpe Ratio": f"{curve.sharpe:.1f}",
        "Capacity (USD)": _magnitude(2e5 * math.exp(abs(curve.beta) * 6)),
        "Sortino Ratio": f"{curve.sortino:.1f}",
        "Trades per Day": f"{len(curve.trades) / len(curve.days):.1f}",
        "Information Ratio": f"{curve.information:.1f}",
        "Drawdown Recovery": str(_longest_drawdown(curve)),
    }


@lru_cache(maxsize=4096)
def statistics_of(seed: int, years: int) -> dict[str, float | int]:
    """The figures that a listing has, under its names; percentages as plain numbers."""
    curve = curve_of(seed, years)
    return {
        "sharpeRatio": round(curve.sharpe, 3),
        "alpha": round(curve.growth - curve.beta * 0.05, 3),
        "beta": round(curve.beta, 3),
        "compoundingAnnualReturn": round(curve.growth * 100, 3),
        "drawdown": round(curve.drawdown * 100, 1),
        "lossRate": round((1 - curve.win_rate) * 100),
        "netProfit": round((curve.equity[-1] - 1) * 100, 3),
        "psr": round(curve.probabilistic_sharpe * 100, 3),
        "sortinoRatio": round(curve.sortino, 3),
        "treynorRatio": round(curve.growth / curve.beta, 3) if curve.beta else 0.0,
        "winRate": round(curve.win_rate * 100),
        "trades": len(curve.trades) * 2,
        "tradeableDates": len(curve.days),
    }


@lru_cache(maxsize=512)
def curve_of(seed: int, years: int) -> Curve:
    """The curve of a seed, kept for a while."""
    return draw_curve(seed, years)


def draw_report(spec: BacktestSpec, drawing: Drawing, parameters: dict[str, str]) -> str:
    """The HTML of a backtest's report; equal arguments give equal bytes."""
    seed = spec.seed % drawing.distinct if drawing.distinct else spec.seed
    curve = curve_of(seed, drawing.years)
    charts, crises = _charts(seed, drawing.years, drawing.small)
    labels = list(figures_of(curve).items())
    rows = [
        [(label, value, "" if label.startswith("Capacity") else f"{{{{$KPI-LIVE-{_key(label)}}}}}")
         for label, value in labels[n : n + 2]]
        for n in range(0, len(labels), 2)
    ]  # fmt: skip
    return _PAGES.get_template("report.html.j2").render(
        name=spec.name,
        description=f"A simulated strategy in {', '.join(curve.weights)}.",
        charts=charts,
        crises=crises,
        figures=rows,
        parameters=list(parameters.items()),
    )


@lru_cache(maxsize=_KEPT)
def _charts(seed: int, years: int, small: bool) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    plain, crises = draw_charts(curve_of(seed, years), small=small)
    return [_embed(chart) for chart in plain], [_embed(chart) for chart in crises]


def _embed(chart: Chart) -> dict[str, str]:
    return {
        "title": chart.title,
        "uri": "data:image/png;base64," + base64.b64encode(chart.png).decode("ascii"),
    }


def _key(label: str) -> str:
    return label.upper().replace(" ", "-")


def _magnitude(amount: float) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if amount >= size:
            return f"{amount / size:.2g}{unit}" if amount / size < 10 else f"{amount / size:.0f}{unit}"
    return "-"


def _longest_drawdown(curve: Curve) -> int:
    """The longest time from one high of the equity to the next, in days."""
    longest, since = 0, curve.days[0]
    for day, loss in zip(curve.days, curve.drawdowns, strict=True):
        if loss == 0:
            since = day
        longest = max(longest, (day - since).days)
    return longest
