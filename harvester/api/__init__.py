"""The QuantConnect API: requests, their pace, their retries, and what their answers mean.

Rule: every request goes through `ApiClient`, which delays, signs and retries it, and every failure becomes an
error of `harvester.errors`. What decides (pace, rate, paging, retry, rows) is pure and takes the time as an
argument; only the client and the limiter wait.

    async with ApiClient.for_account(settings, credentials) as client:
        listed = await fetch_projects(client)
        report = await client.fetch_report(project_id, backtest_id)
        if isinstance(report, Pending):
            ...  # it is being generated; request it again in some seconds
"""

from harvester.api.budget import ByteBudget, Room
from harvester.api.client import ApiClient
from harvester.api.discover import fetch_backtests, fetch_projects
from harvester.api.events import RequestEvent
from harvester.api.listing import BacktestList
from harvester.api.optimizations import OptimizationChildren, fetch_optimization, fetch_optimizations
from harvester.api.pace import RateLimiter, limiter_for
from harvester.api.pace_file import find_store, pace_file_name
from harvester.api.paging import ProjectList
from harvester.api.proxy import find_route
from harvester.api.retry import Backoff
from harvester.api.rows import BadRow, parse_projects
from harvester.api.stop import StopSignal
from harvester.api.wire import Pending, RepairedText

__all__ = [
    "ApiClient",
    "Backoff",
    "BacktestList",
    "BadRow",
    "ByteBudget",
    "OptimizationChildren",
    "Pending",
    "ProjectList",
    "RateLimiter",
    "RepairedText",
    "RequestEvent",
    "Room",
    "StopSignal",
    "fetch_backtests",
    "fetch_optimization",
    "fetch_optimizations",
    "fetch_projects",
    "find_route",
    "find_store",
    "limiter_for",
    "pace_file_name",
    "parse_projects",
]
