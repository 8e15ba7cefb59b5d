"""Values of the model for tests, with everything filled in that nobody asks about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from harvester.config.selection import Selection
from harvester.config.settings import FilterSettings
from harvester.harvest.decision import FetchReport, NoRequest
from harvester.harvest.plan import Policy
from harvester.model import Backtest, BacktestState, InventoryEntry, Outcome, Project

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def make_project(project_id: int = 1, **fields: Any) -> Project:
    return Project(**({"project_id": project_id, "name": f"P{project_id}"} | fields))


def make_backtest(name: str = "a", **fields: Any) -> Backtest:
    """A finished backtest whose id is its name."""
    given = {
        "project_id": 1,
        "backtest_id": name,
        "name": name,
        "created": "2024-05-02T09:30:00Z",
        "status": "Completed.",
        "state": BacktestState.FINISHED,
        "change_key": "k1",
    }
    return Backtest(**(given | fields))


def make_entry(name: str = "a", **fields: Any) -> InventoryEntry:
    """The Inventory's line for a report that was archived yesterday."""
    given = {
        "project_id": 1,
        "backtest_id": name,
        "project": "P1",
        "name": name,
        "outcome": Outcome.SAVED,
        "created": "2024-05-02T09:30:00Z",
        "path": f"data/p1_1/{name}",
        "change_key": "k1",
        "read_at": "2026-11-21T03:00:00Z",
        "saved_in": "2026-11-21",
    }
    return InventoryEntry(**(given | fields))


def make_missing(name: str = "a", outcome: Outcome = Outcome.PENDING, **fields: Any) -> InventoryEntry:
    """The line for a backtest of which nothing is archived."""
    entry = make_entry(name, outcome=outcome, path="", change_key="", read_at="", saved_in="")
    return msgspec.structs.replace(entry, **fields)


def make_policy(filters: FilterSettings | None = None, **fields: Any) -> Policy:
    return Policy(**({"selection": Selection(filters or FilterSettings()), "now": NOW} | fields))


def make_decision(name: str = "a", **fields: Any) -> FetchReport:
    """What asks for one report."""
    given = {"project": make_project(), "backtest": make_backtest(name), "earlier": None}
    return FetchReport(**(given | fields))


def make_no_request(name: str = "a", **fields: Any) -> NoRequest:
    """What carries one report that is listed, unless said otherwise."""
    given = {"project": make_project(), "backtest": make_backtest(name), "earlier": None}
    return NoRequest(**(given | fields))
