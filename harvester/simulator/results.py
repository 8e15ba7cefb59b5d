"""The answer to `backtests/read`: statistics, performance by period, closed trades."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from harvester.simulator.curve import Curve
from harvester.simulator.drawing import curve_of
from harvester.simulator.rows import backtest_row, curve_seed, parameters_of
from harvester.simulator.scenario import BacktestSpec, ProjectSpec, Scenario
from harvester.simulator.trades import START_EQUITY, closed_trades

_CHARTS: Final = ("Strategy Equity", "Drawdown", "Benchmark")


def backtest_details(spec: BacktestSpec, project: ProjectSpec, scenario: Scenario) -> dict[str, Any]:
    """A backtest as `backtests/read` gives it.

    Without results a field is null, never an empty list, which clients with strict models reject. The one
    exception is `statistics`: an empty list while the run is in progress.
    """
    row = backtest_row(spec, scenario, statistics=False)
    del row["tags"]  # the listing alone has them
    curve = curve_of(curve_seed(spec, scenario), scenario.drawing.years)
    return row | {
        "projectId": project.project_id,
        "organizationId": project.organization_id,
        "researchGuide": {
            "minutes": spec.seed % 900,
            "backtestCount": len(project.backtests),
            "parameters": len(parameters_of(spec)),
        },
        "backtestStart": f"{curve.days[0]} 00:00:00",
        "backtestEnd": f"{curve.days[-1]} 23:59:59",
        "outOfSampleDays": 0,
        "outOfSampleMaxEndDate": None,
        "hasInitializeError": False,
        "charts": {name: {"name": name, "series": {}} for name in _CHARTS},
        "nodeName": "B2-8 node 1",
        "analysis": None,
    } | (_results(curve) if has_results(spec) else _no_results(spec))  # fmt: skip


def has_results(spec: BacktestSpec) -> bool:
    """Whether a run has completed without an error."""
    return spec.status.startswith("Completed")


def _no_results(spec: BacktestSpec) -> dict[str, Any]:
    over = spec.status.startswith(("Runtime", "Stopped"))
    names = ("runtimeStatistics", "totalPerformance", "rollingWindow", "serverStatistics")
    return dict.fromkeys(names) | {"statistics": None if over else []}


def _results(curve: Curve) -> dict[str, Any]:
    end = START_EQUITY * curve.equity[-1]
    return {
        "statistics": _statistics(curve),
        "runtimeStatistics": {
            "Equity": f"${end:,.2f}",
            "Fees": f"-${len(curve.trades) * 2:,.2f}",
            "Net Profit": f"${end - START_EQUITY:,.2f}",
            "Probabilistic Sharpe Ratio": f"{curve.probabilistic_sharpe:.3%}",
            "Return": f"{curve.equity[-1] - 1:.2%}",
            "Unrealized": "$0.00",
            "Volume": f"${len(curve.trades) * START_EQUITY / 5:,.2f}",
        },
        "totalPerformance": _performance(curve, curve.equity[-1]) | {"closedTrades": closed_trades(curve)},
        "rollingWindow": {
            f"M12_{date(year, 12, 31):%Y%m%d}": _performance(curve, 1 + change) | {"closedTrades": []}
            for year, change in curve.annual.items()
        },
        "tradeableDates": len(curve.days),
        "serverStatistics": {"CPU Usage": "11%", "Used RAM (MB)": "742", "Total RAM (MB)": "8192"},
    }


def _statistics(curve: Curve) -> dict[str, str]:
    """Texts under the labels of the result page."""
    gains = [trade for trade in curve.trades if trade > 0]
    losses = [trade for trade in curve.trades if trade <= 0]
    return {
        "Total Orders": str(2 * len(curve.trades)),
        "Average Win": f"{_mean(gains):.2%}",
        "Average Loss": f"{_mean(losses):.2%}",
        "Compounding Annual Return": f"{curve.growth:.3%}",
        "Drawdown": f"{curve.drawdown:.3%}",
        "Start Equity": str(START_EQUITY),
        "End Equity": f"{START_EQUITY * curve.equity[-1]:.2f}",
        "Net Profit": f"{curve.equity[-1] - 1:.3%}",
        "Sharpe Ratio": f"{curve.sharpe:.3f}",
        "Sortino Ratio": f"{curve.sortino:.3f}",
        "Probabilistic Sharpe Ratio": f"{curve.probabilistic_sharpe:.3%}",
        "Loss Rate": f"{1 - curve.win_rate:.0%}",
        "Win Rate": f"{curve.win_rate:.0%}",
        "Beta": f"{curve.beta:.3f}",
        "Annual Standard Deviation": f"{curve.volatility:.3f}",
        "Information Ratio": f"{curve.information:.3f}",
        "Total Fees": f"${len(curve.trades) * 2:.2f}",
    }


def _performance(curve: Curve, growth: float) -> dict[str, Any]:
    """Trades and portfolio of one period: numbers as texts, as the real answers have them."""
    gains = sum(trade > 0 for trade in curve.trades)
    return {
        "tradeStatistics": {
            "totalNumberOfTrades": len(curve.trades),
            "numberOfWinningTrades": gains,
            "numberOfLosingTrades": len(curve.trades) - gains,
            "winRate": f"{curve.win_rate:.4f}",
            "lossRate": f"{1 - curve.win_rate:.4f}",
            "averageTradeDuration": "1.00:00:00",
            "totalFees": str(2 * len(curve.trades)),
        },
        "portfolioStatistics": {
            "startEquity": str(START_EQUITY),
            "endEquity": f"{START_EQUITY * growth:.2f}",
            "compoundingAnnualReturn": f"{curve.growth:.4f}",
            "drawdown": f"{curve.drawdown:.4f}",
            "totalNetProfit": f"{growth - 1:.4f}",
            "sharpeRatio": f"{curve.sharpe:.4f}",
            "sortinoRatio": f"{curve.sortino:.4f}",
            "beta": f"{curve.beta:.4f}",
            "annualStandardDeviation": f"{curve.volatility:.4f}",
        },
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
