"""What a run tells whoever watches it; progress, journal and metrics are built on these."""

from __future__ import annotations

from typing import Protocol

import msgspec

from harvester.api import RequestEvent
from harvester.model import Outcome, SnapshotRecord


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """Something that happened in a run."""


class Started(Event, frozen=True, tag="started"):
    """A partial Snapshot was begun, or taken up."""

    snapshot: str
    run_id: str
    previous: str
    resumed_reports: int = 0


class Listed(Event, frozen=True, tag="listed"):
    """One more project was listed."""

    project_id: int
    backtests: int
    projects: int
    """All that will be listed."""
    error: str = ""
    wait_s: float = 0.0
    """The server is away: it is asked again after so long; 0: it is not."""


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
    """Seconds until it is asked for again because the server is away; 0: it is not away."""


class Relisted(Event, frozen=True, tag="relisted"):
    """A project was listed again, because reports of it are said to be missing."""

    project_id: int
    backtests: int
    error: str = ""
    """Why it could not be listed."""
    wait_s: float = 0.0
    """Seconds until it is asked for again because the server is away; 0: it is not away."""


class Doubted(Event, frozen=True, tag="doubted"):
    """What was listed may not be everything: the Snapshot will be incomplete."""

    reason: str


class Planned(Event, frozen=True, tag="planned"):
    """All listings are read; this many reports will be asked for."""

    listed: int
    requests: int
    kept: int


class Asked(Event, frozen=True, tag="asked"):
    """One call for a report has ended without the report; it will be asked for again in `wait_s`."""

    project_id: int
    backtest_id: str
    requests: int
    answer: str
    wait_s: float
    generating: int
    """Reports that the server is rendering for us at the moment."""
    error: str = ""


class Settled(Event, frozen=True, tag="settled"):
    """A requested backtest has come to its Outcome."""

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
    """What is done about it."""


class Stopping(Event, frozen=True, tag="stopping"):
    """No more work is taken; what is in flight is finished."""

    reason: str


class Filling(Event, frozen=True, tag="filling"):
    """One more project was put in its place in the Snapshot."""

    project_id: int
    done: int
    """Projects so far."""


class Committed(Event, frozen=True, tag="committed"):
    """The Snapshot stands under its name."""

    record: SnapshotRecord


class RunObserver(Protocol):
    """Who watches a run; both methods must return at once."""

    def notify(self, event: Event) -> None:
        """Something happened."""

    def request_ended(self, event: RequestEvent) -> None:
        """One request has ended."""
