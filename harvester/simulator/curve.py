"""An equity curve drawn from a seed, and the figures that belong to it. Plain arithmetic, no state."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from statistics import fmean, pstdev
from typing import Final

YEAR: Final = 252
"""Trading days a year."""
_START: Final = date(2015, 1, 2)
_HALF_YEAR: Final = 126


@dataclass(frozen=True)
class Curve:
    """Daily returns of a strategy and of its benchmark, with what was traded."""

    days: list[date]
    returns: list[float]
    benchmark: list[float]
    exposure: list[float]
    """Net, long minus short, as a share of equity."""
    leverage: list[float]
    trades: list[float]
    """The return of each closed trade."""
    weights: dict[str, float]
    """Average allocation by symbol."""

    @cached_property
    def equity(self) -> list[float]:
        """Growth of 1."""
        return _compound(self.returns)

    @cached_property
    def benchmark_equity(self) -> list[float]:
        """Growth of 1 in the benchmark."""
        return _compound(self.benchmark)

    @cached_property
    def drawdowns(self) -> list[float]:
        """Loss since the highest point so far, as a negative share."""
        top, found = 1.0, []
        for value in self.equity:
            top = max(top, value)
            found.append(value / top - 1)
        return found

    @property
    def years(self) -> float:
        """Length in years."""
        return len(self.days) / YEAR

    @property
    def growth(self) -> float:
        """Compounding annual return."""
        return float(self.equity[-1] ** (1 / self.years)) - 1

    @property
    def volatility(self) -> float:
        """Deviation of the daily returns, annualised."""
        return pstdev(self.returns) * math.sqrt(YEAR)

    @property
    def sharpe(self) -> float:
        """Sharpe ratio, annualised, against a risk-free rate of zero."""
        return _ratio(fmean(self.returns) * YEAR, self.volatility)

    @property
    def sortino(self) -> float:
        """Sortino ratio, annualised: only losses count as risk."""
        downside = math.sqrt(fmean([min(value, 0.0) ** 2 for value in self.returns])) * math.sqrt(YEAR)
        return _ratio(fmean(self.returns) * YEAR, downside)

    @property
    def information(self) -> float:
        """Information ratio: annualised excess over the benchmark, divided by its deviation."""
        excess = [own - other for own, other in zip(self.returns, self.benchmark, strict=True)]
        return _ratio(fmean(excess) * YEAR, pstdev(excess) * math.sqrt(YEAR))

    @property
    def beta(self) -> float:
        """Beta against the benchmark, over the whole time."""
        return beta(self.returns, self.benchmark)

    @property
    def drawdown(self) -> float:
        """The largest drawdown, as a positive share."""
        return -min(self.drawdowns)

    @property
    def probabilistic_sharpe(self) -> float:
        """The probability that the true Sharpe ratio is above 1, for normal returns."""
        daily, target = self.sharpe / math.sqrt(YEAR), 1 / math.sqrt(YEAR)
        score = (daily - target) * math.sqrt(len(self.returns) - 1) / math.sqrt(1 + daily**2 / 2)
        return 0.5 * (1 + math.erf(score / math.sqrt(2)))

    @property
    def win_rate(self) -> float:
        """The share of trades that gained."""
        return sum(trade > 0 for trade in self.trades) / len(self.trades)

    @cached_property
    def monthly(self) -> dict[tuple[int, int], float]:
        """Return by year and month."""
        found: dict[tuple[int, int], float] = {}
        for day, value in zip(self.days, self.returns, strict=True):
            key = (day.year, day.month)
            found[key] = (1 + found.get(key, 0.0)) * (1 + value) - 1
        return found

    @cached_property
    def annual(self) -> dict[int, float]:
        """Return by year."""
        found: dict[int, float] = {}
        for (year, _), value in self.monthly.items():
            found[year] = (1 + found.get(year, 0.0)) * (1 + value) - 1
        return found

    def rolling_beta(self) -> list[float]:
        """Beta over the last half year, every fifth day; empty for a shorter curve."""
        return [
            beta(self.returns[n - _HALF_YEAR : n], self.benchmark[n - _HALF_YEAR : n])
            for n in range(_HALF_YEAR, len(self.returns), 5)
        ]

    def rolling_sharpe(self) -> list[float]:
        """Sharpe ratio over the last half year, every fifth day; empty for a shorter curve."""
        windows = [self.returns[n - _HALF_YEAR : n] for n in range(_HALF_YEAR, len(self.returns), 5)]
        return [_ratio(fmean(window) * YEAR, pstdev(window) * math.sqrt(YEAR)) for window in windows]


def draw_curve(seed: int, years: int) -> Curve:
    """The curve of a seed: calm and volatile periods alternate; the strategy follows the market in part."""
    rng = random.Random(seed)
    skill, share, appetite = rng.uniform(-0.02, 0.14), rng.uniform(-0.2, 0.9), rng.uniform(0.6, 1.6)
    days, returns, benchmark, exposure = _business_days(years), [], [], []
    volatile, net = False, rng.uniform(0.2, 0.9)
    for _ in days:
        volatile = rng.random() < (0.97 if volatile else 0.008)
        spread = 0.021 if volatile else 0.008
        market = rng.gauss(-0.0012 if volatile else 0.0006, spread)
        own = rng.gauss(skill / YEAR, 0.006 * appetite)
        benchmark.append(max(market, -0.2))
        returns.append(max(share * market * appetite * 0.6 + own, -0.2))
        net = min(1.0, max(-0.6, net + rng.gauss(0, 0.03)))
        exposure.append(net)
    trades = [
        rng.gauss(0.004 + skill / 40, 0.03) for _ in range(40 + int(len(days) * rng.uniform(0.05, 1.2)))
    ]
    symbols = rng.sample(("SPY", "QQQ", "TLT", "GLD", "IWM", "EEM", "AAPL", "MSFT", "BTCUSD", "EURUSD"), 5)
    parts = [0.4 + rng.expovariate(1) for _ in symbols]
    return Curve(
        days=days,
        returns=returns,
        benchmark=benchmark,
        exposure=exposure,
        leverage=[abs(value) * appetite + 0.05 for value in exposure],
        trades=trades,
        weights={symbol: part / sum(parts) for symbol, part in zip(symbols, parts, strict=True)},
    )


def beta(own: Sequence[float], other: Sequence[float]) -> float:
    """Slope of one series of returns against another."""
    mean_own, mean_other = fmean(own), fmean(other)
    shared = sum((a - mean_own) * (b - mean_other) for a, b in zip(own, other, strict=True))
    return _ratio(shared, sum((b - mean_other) ** 2 for b in other))


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0


def _compound(returns: Sequence[float]) -> list[float]:
    value, found = 1.0, []
    for change in returns:
        value *= 1 + change
        found.append(value)
    return found


def _business_days(years: int) -> list[date]:
    days = (_START + timedelta(days=n) for n in range(int(years * 365.25)))
    return [day for day in days if day.weekday() < 5]
