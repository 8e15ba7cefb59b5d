"""The charts of a report, each as a PNG, under the titles that LEAN gives them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import date
from itertools import accumulate
from typing import Final, NamedTuple

from harvester.simulator.canvas import BLUE, GREY, ORANGE, PALETTE, RED, Canvas, Colour
from harvester.simulator.curve import Curve

_DrawChart = Callable[[Canvas, Curve], None]
_WIDE: Final = (1880, 470)
_SMALL: Final = (1200, 850)
_CRISES: Final = (
    ("Market Sell-Off 2015", date(2015, 8, 10), date(2015, 10, 10)),
    ("New Normal 2014-2019", date(2015, 1, 1), date(2019, 1, 1)),
    ("COVID-19 Pandemic 2020", date(2020, 2, 10), date(2020, 9, 20)),
    ("Post-COVID Run-up 2020-2021", date(2020, 4, 1), date(2022, 1, 1)),
    ("Meme Season 2021", date(2021, 1, 1), date(2021, 5, 15)),
    ("Russia Invades Ukraine 2022-2023", date(2022, 2, 1), date(2023, 1, 1)),
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Chart(NamedTuple):
    """One chart."""

    title: str
    png: bytes


def draw_charts(curve: Curve, *, small: bool = False) -> tuple[list[Chart], list[Chart]]:
    """The charts of the first two pages in their order, and those of the crises that the curve covers.

    The curve must be longer than half a year, for the rolling charts.
    """
    scale = 0.1 if small else 1.0
    plain = [Chart(title, _draw(draw, curve, size, scale)) for title, size, draw in _CHARTS]
    crises = [
        Chart(title, _draw(_window(start, end), curve, _SMALL, scale))
        for title, start, end in _CRISES
        if curve.days[0] < start and end < curve.days[-1]
    ]
    return plain, crises


def _draw(draw: _DrawChart, curve: Curve, size: tuple[int, int], scale: float) -> bytes:
    canvas = Canvas(round(size[0] * scale), round(size[1] * scale))
    draw(canvas, curve)
    return canvas.to_png()


def _monthly(canvas: Canvas, curve: Curve) -> None:
    years = sorted(curve.annual)
    width = (canvas.right - canvas.left) / 12
    height = (canvas.bottom - canvas.top) / len(years)
    for row, year in enumerate(years):
        y = canvas.top + row * height
        canvas.draw_text(canvas.left - 12, y + height / 2, str(year), anchor="rm")
        for month in range(12):
            value = curve.monthly.get((year, month + 1))
            if value is not None:
                x = canvas.left + month * width
                label = f"{value * 100:.1f}" if height > 14 else ""
                canvas.draw_cell((x, y, x + width, y + height), _heat(value), label)
    for month, name in enumerate(_MONTHS):
        canvas.draw_text(canvas.left + (month + 0.5) * width, canvas.bottom + 8, name, anchor="ma")


def _heat(value: float) -> Colour:
    strength = min(abs(value) / 0.08, 1.0)
    end = (86, 171, 110) if value >= 0 else (219, 93, 84)
    red, green, blue = (round(255 + (part - 255) * strength) for part in end)
    return red, green, blue


def _cumulative(canvas: Canvas, curve: Curve) -> None:
    _compare(canvas, [value - 1 for value in curve.equity], [value - 1 for value in curve.benchmark_equity])
    canvas.label_years(curve.days[0].year, curve.days[-1].year)


def _compare(canvas: Canvas, own: list[float], other: list[float]) -> None:
    """Draw the growth of the strategy and of its benchmark."""
    canvas.set_range(min(*own, *other), max(*own, *other), percent=True)
    canvas.draw_line(other, GREY)
    canvas.draw_line(own, ORANGE)
    canvas.draw_legend(("Backtest", ORANGE), ("Benchmark", GREY))


def _annual(canvas: Canvas, curve: Curve) -> None:
    values = list(curve.annual.values())
    canvas.set_range(min(0.0, *values), max(0.0, *values), percent=True)
    for n, value in enumerate(values):
        canvas.draw_bar((n + 0.15) / len(values), (n + 0.85) / len(values), value, BLUE)
    canvas.label_years(min(curve.annual), max(curve.annual))
    canvas.draw_level(sum(values) / len(values), RED)


def _per_trade(canvas: Canvas, curve: Curve) -> None:
    edges = [n / 100 for n in range(-10, 11)]
    counts = [0] * (len(edges) + 1)
    for trade in curve.trades:
        counts[bisect_left(edges, trade)] += 1
    canvas.set_range(0, max(counts))
    for n, number in enumerate(counts):
        canvas.draw_bar(
            (n + 0.05) / len(counts), (n + 0.95) / len(counts), number, BLUE if n > 10 else ORANGE
        )
    for n in range(0, len(edges), 5):
        canvas.draw_text(canvas.x((n + 1) / len(counts)), canvas.bottom + 8, f"{edges[n]:.0%}", anchor="ma")


def _allocation(canvas: Canvas, curve: Curve) -> None:
    ends = [0.0, *accumulate(curve.weights.values())]
    for n, (symbol, weight) in enumerate(curve.weights.items()):
        canvas.draw_slice(
            ends[n] * 360, ends[n + 1] * 360, PALETTE[n % len(PALETTE)], f"{symbol} {weight:.0%}"
        )


def _drawdown(canvas: Canvas, curve: Curve) -> None:
    _set_axes(canvas, curve, curve.drawdowns, percent=True)
    canvas.draw_area(curve.drawdowns, RED)
    canvas.draw_line(curve.drawdowns, RED)


def _daily(canvas: Canvas, curve: Curve) -> None:
    _set_axes(canvas, curve, curve.returns, percent=True)
    for n, value in enumerate(curve.returns):
        start = n / len(curve.returns)
        canvas.draw_bar(start, start, value, BLUE if value >= 0 else GREY)


def _beta(canvas: Canvas, curve: Curve) -> None:
    _rolling(canvas, curve, curve.rolling_beta())


def _sharpe(canvas: Canvas, curve: Curve) -> None:
    _rolling(canvas, curve, curve.rolling_sharpe())


def _rolling(canvas: Canvas, curve: Curve, values: list[float]) -> None:
    _set_axes(canvas, curve, values)
    canvas.draw_line(values, BLUE)
    canvas.draw_level(sum(values) / len(values))


def _leverage(canvas: Canvas, curve: Curve) -> None:
    _set_axes(canvas, curve, [0.0, *curve.leverage])
    canvas.draw_area(curve.leverage, BLUE)
    canvas.draw_line(curve.leverage, BLUE)


def _exposure(canvas: Canvas, curve: Curve) -> None:
    _set_axes(canvas, curve, [-1.0, 1.0], percent=True)
    canvas.draw_area([max(value, 0.0) for value in curve.exposure], BLUE)
    canvas.draw_area([min(value, 0.0) for value in curve.exposure], ORANGE)
    canvas.draw_line(curve.exposure, BLUE, width=2)
    canvas.draw_legend(("Long", BLUE), ("Short", ORANGE))


def _window(start: date, end: date) -> _DrawChart:
    """A chart of the days between two dates, both lines starting at zero."""

    def draw(canvas: Canvas, curve: Curve) -> None:
        days = slice(bisect_left(curve.days, start), bisect_left(curve.days, end))
        own, other = curve.equity[days], curve.benchmark_equity[days]
        _compare(canvas, [value / own[0] - 1 for value in own], [value / other[0] - 1 for value in other])

    return draw


def _set_axes(canvas: Canvas, curve: Curve, values: list[float], *, percent: bool = False) -> None:
    canvas.set_range(min(values), max(values), percent=percent)
    canvas.label_years(curve.days[0].year, curve.days[-1].year)


_CHARTS: Final[tuple[tuple[str, tuple[int, int], _DrawChart], ...]] = (
    ("Monthly Returns", _SMALL, _monthly),
    ("Cumulative Returns", _WIDE, _cumulative),
    ("Annual Returns", _SMALL, _annual),
    ("Returns Per Trade", _SMALL, _per_trade),
    ("Asset Allocation", _SMALL, _allocation),
    ("Drawdown", _WIDE, _drawdown),
    ("Daily Returns", _WIDE, _daily),
    ("Rolling Portfolio Beta", _WIDE, _beta),
    ("Rolling Sharpe Ratio", _WIDE, _sharpe),
    ("Leverage", _WIDE, _leverage),
    ("Long-Short Exposure", _WIDE, _exposure),
)
