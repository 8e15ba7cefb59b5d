"""The QuantConnect API: requests, their pace, their retries, and what their answers mean."""

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
from harvester.api.stop import GRACE_S, StopSignal
from harvester.api.wire import Pending, RepairedText

__all__ = [
    "GRACE_S",
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
