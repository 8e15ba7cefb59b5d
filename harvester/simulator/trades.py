"""Closed trades, orders, insights, chart points and log lines of a drawn curve. Pure.

A trade is bought at noon of one day and sold at noon of the next: two orders, one insight.
"""

from __future__ import annotations

import calendar
import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from harvester.simulator.curve import Curve

START_EQUITY: Final = 100_000
_PRICE: Final = 50.0
_DAY_S: Final = 86_400


def closed_trades(curve: Curve, window: slice = slice(None)) -> list[dict[str, Any]]:
    """The closed trades of a window."""
    return [_trade(curve, number) for number in range(len(curve.trades))[window]]


def orders(curve: Curve, window: slice) -> list[dict[str, Any]]:
    """The orders of a window, two for each trade."""
    return [_order(curve, number) for number in range(2 * len(curve.trades))[window]]


def insights(curve: Curve, window: slice) -> list[dict[str, Any]]:
    """The insights of a window, one for each trade."""
    return [_insight(curve, number) for number in range(len(curve.trades))[window]]


def log_lines(curve: Curve, window: slice) -> list[str]:
    """The log lines of a window: the start, and one for each trade."""
    return [_line(curve, number) for number in range(len(curve.trades) + 1)[window]]


def equity_points(curve: Curve, *, start: int, end: int, count: int) -> list[list[float]]:
    """Time and equity between two moments in Unix time, at most `count` of them."""
    points = [
        [calendar.timegm(day.timetuple()), round(START_EQUITY * value, 2)]
        for day, value in zip(curve.days, curve.equity, strict=True)
    ]
    points = [point for point in points if start <= point[0] <= end]
    step = max(1, -(-len(points) // count)) if count > 0 else 1
    return points[::step]


def _symbol(curve: Curve, number: int) -> dict[str, str]:
    ticker = sorted(curve.weights)[number % len(curve.weights)]
    return {"value": ticker, "id": f"{ticker} R735QTJ8XC9X", "permtick": ticker}


def _entry_s(curve: Curve, number: int) -> int:
    """When a trade is opened, in Unix time."""
    day = curve.days[number * (len(curve.days) - 1) // len(curve.trades)]
    return calendar.timegm(day.timetuple()) + _DAY_S // 2


def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _trade(curve: Curve, number: int) -> dict[str, Any]:
    change, entry_s = curve.trades[number], _entry_s(curve, number)
    quantity = 100 + number % 50
    profit = round(quantity * _PRICE * change, 2)
    return {
        "symbol": _symbol(curve, number),
        "entryTime": _moment(entry_s),
        "entryPrice": _PRICE,
        "direction": 0,
        "quantity": quantity,
        "exitTime": _moment(entry_s + _DAY_S),
        "exitPrice": round(_PRICE * (1 + change), 4),
        "profitLoss": profit,
        "totalFees": 2,
        "mae": min(profit, 0),
        "mfe": max(profit, 0),
        "duration": "1.00:00:00",
        "endTradeDrawdown": 0,
    }


def _order(curve: Curve, number: int) -> dict[str, Any]:
    trade = _trade(curve, number // 2)
    sells = number % 2
    price = trade["exitPrice"] if sells else trade["entryPrice"]
    quantity = -trade["quantity"] if sells else trade["quantity"]
    unix_s = _entry_s(curve, number // 2) + sells * _DAY_S
    moment = _moment(unix_s)
    event = {
        "algorithmId": _digest("algorithm"),
        "symbol": trade["symbol"]["id"],
        "symbolValue": trade["symbol"]["value"],
        "symbolPermtick": trade["symbol"]["permtick"],
        "orderId": number + 1,
        "orderEventId": 1,
        "id": f"{_digest('algorithm')}-{number + 1}-1",
        "status": "filled",
        "orderFeeAmount": 1,
        "orderFeeCurrency": "USD",
        "fillPrice": price,
        "fillPriceCurrency": "USD",
        "fillQuantity": quantity,
        "direction": "sell" if sells else "buy",
        "message": "",
        "isAssignment": False,
        "quantity": quantity,
        "time": unix_s,
    }
    return {
        "id": number + 1,
        "contingentId": 0,
        "brokerId": [str(number + 1)],
        "symbol": trade["symbol"],
        "price": price,
        "priceCurrency": "USD",
        "time": moment,
        "createdTime": moment,
        "lastFillTime": moment,
        "quantity": quantity,
        "type": 0,
        "status": 3,
        "tag": "",
        "securityType": 1,
        "direction": sells,
        "value": round(quantity * price, 2),
        "isMarketable": True,
        "properties": {"timeInForce": {}},
        "events": [event],
    }


def _insight(curve: Curve, number: int) -> dict[str, Any]:
    entry_s = _entry_s(curve, number)
    symbol = _symbol(curve, number)
    return {
        "id": _digest(f"insight {number}"),
        "groupId": None,
        "sourceModel": "drawn",
        "generatedTime": entry_s,
        "closeTime": entry_s + _DAY_S,
        "symbol": symbol["id"],
        "ticker": symbol["value"],
        "type": "price",
        "reference": _PRICE,
        "referenceFinal": round(_PRICE * (1 + curve.trades[number]), 4),
        "direction": "up",
        "period": _DAY_S,
        "magnitude": None,
        "confidence": None,
        "weight": None,
        "scoreFinal": True,
        "scoreDirection": float(curve.trades[number] > 0),
        "scoreMagnitude": 0,
        "estimatedValue": 0,
        "tag": "",
    }


def _line(curve: Curve, number: int) -> str:
    if not number:
        return f"{curve.days[0]} 00:00:00 Launching analysis with LEAN Engine"
    trade = _trade(curve, number - 1)
    return f"{trade['exitTime'][:19].replace('T', ' ')} {trade['symbol']['value']} {trade['profitLoss']:+.2f}"


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
