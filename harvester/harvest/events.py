"""What a run reports while it goes on; progress, journal and metrics are built on these events."""

from __future__ import annotations

from typing import Protocol

import msgspec

from harvester.api import RequestEvent
from harvester.model import Outcome, SnapshotRecord


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """Something that happened in a run."""


class Started(Event, frozen=True, tag="started"):
    """A partial Snapshot was created, or an interrupted one resumed."""

    snapshot: str
    run_id: str
    previous: str
    resumed_reports: int = 0


class Listed(Event, frozen=True, tag="listed"):
    """A project was listed, or could not be."""

    project_id: int
    backtests: int
    projects: int
    """How many will be listed in all."""
    error: str = ""
    wait_s: float = 0.0
    """Seconds until it is requested again because the server is away; 0: it is not away."""


class OptimizationRead(Event, frozen=True, tag="optimization"):
    """One optimization was read, or the list of a project's optimizations."""

    project_id: int
    optimization_id: str
    """Empty: the list."""
    found: int
    """Backtests that it names, or optimizations in the list."""
    error: str = ""
    """Why it could not be read."""
    wait_s: float = 0.0
    """Seconds until it is requested again because the server is away; 0: it is not away."""


class Relisted(Event, frozen=True, tag="relisted"):
    """A project was listed again, because reports of it are said to be missing."""

    project_id: int
    backtests: int
    error: str = ""
    """Why it could not be listed."""
    wait_s: float = 0.0
    """Seconds until it is requested again because the server is away; 0: it is not away."""


class Doubted(Event, frozen=True, tag="doubted"):
    """What was listed may not be everything: the Snapshot will be incomplete."""

    reason: str


class Planned(Event, frozen=True, tag="planned"):
    """All listings are read; `requests` reports will be requested."""

    listed: int
    requests: int
    kept: int


class Rescheduled(Event, frozen=True, tag="asked"):
    """One call for a report ended without the report, which is requested again in `wait_s`."""

    project_id: int
    backtest_id: str
    requests: int
    answer: str
    wait_s: float
    generating: int
    """Reports that the server is rendering for us at the moment."""
    error: str = ""


class Settled(Event, frozen=True, tag="settled"):
    """A requested report has its Outcome, as far as this run alone decides it."""

    project_id: int
    project: str
    backtest_id: str
    name: str
    outcome: Outcome
    requests: int
    generating: int
    reason: str = ""
    size_bytes: int = 0


class Damaged(Event, frozen=True, tag="damaged"):
    """Files of an archived report are missing or damaged."""

    project_id: int
    project: str
    backtest_id: str
    name: str
    reason: str
    action: str
    """What was done about it."""


class Stopping(Event, frozen=True, tag="stopping"):
    """A stop was requested: nothing new is started, what is in flight is finished."""

    reason: str


class ProjectPlaced(Event, frozen=True, tag="filling"):
    """A project was put in its place in the Snapshot."""

    project_id: int
    done: int
    """Projects so far."""


class Committed(Event, frozen=True, tag="committed"):
    """The Snapshot is committed."""

    record: SnapshotRecord


class RunObserver(Protocol):
    """Receives the events of a run; both methods must return at once."""

    def notify(self, event: Event) -> None:
        """Something happened."""

    def request_ended(self, event: RequestEvent) -> None:
        """One request has ended."""
