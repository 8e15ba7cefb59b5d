"""What a run logs: its stages, and every backtest, project or optimization that failed."""

from __future__ import annotations

from typing import Any

from harvester.api import RequestEvent
from harvester.harvest import (
    Committed,
    Damaged,
    Doubted,
    Event,
    Listed,
    OptimizationRead,
    Planned,
    Relisted,
    Settled,
    Started,
    Stopping,
)
from harvester.model import Outcome

_AFTER_FAILURE = (
    "the next run tries again; after three runs that fail the same way it is unavailable for "
    "reports.retry_unavailable_days: open it at QuantConnect to see why"
)


class Reporter:
    """Logs the events of a run."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def request_ended(self, event: RequestEvent) -> None:
        """Log a request that slows all others down; others only with `--verbose`."""
        if event.answer == "slow down":
            self._log.warning(
                "the server says slow down", hold_s=round(event.hold_s, 1), endpoint=event.endpoint
            )
        elif event.error:
            self._log.debug(event.error, attempt=event.attempt)

    def notify(self, event: Event) -> None:
        """Log one line for each stage, and one for each thing that failed."""
        match event:
            case Started():
                self._started(event)
            case Listed(error=error) | Relisted(error=error) | OptimizationRead(error=error) if error:
                self._listing_failed(event)
            case Doubted():
                self._log.warning(event.reason)
            case Planned():
                self._log.info("planned", listed=event.listed, to_fetch=event.requests)
            case Stopping():
                self._log.warning(f"stopping: {event.reason}")
            case Settled(outcome=Outcome.FAILED) | Damaged():
                self._failed(event)
            case Committed():
                self._log.info("committed", snapshot=event.record.name, complete=event.record.complete)

    def _started(self, event: Started) -> None:
        if event.resumed_reports:
            self._log.info(
                "resuming an interrupted run",
                snapshot=event.snapshot,
                reports_already_saved=event.resumed_reports,
            )
        else:
            self._log.info("started", snapshot=event.snapshot, previous=event.previous or "none")

    def _listing_failed(self, event: Listed | Relisted | OptimizationRead) -> None:
        what = f"project {event.project_id} could not be listed"
        if isinstance(event, Relisted):
            what += " again, to see whether reports that were not found were deleted"
        elif isinstance(event, OptimizationRead):
            which = f"optimization {event.optimization_id}" if event.optimization_id else "the optimizations"
            what = f"{which} of project {event.project_id} could not be read"
        retry = (
            f"; the server cannot be reached, next attempt in {event.wait_s:.0f} s" if event.wait_s else ""
        )
        self._log.warning(f"{what}: {event.error}{retry}")

    def _failed(self, event: Settled | Damaged) -> None:
        if isinstance(event, Damaged):
            text = f"damaged: {event.project} / {event.name}: {event.reason}"
            self._log.warning(text, backtest_id=event.backtest_id, action=event.action)
            return
        self._log.warning(
            f"{event.outcome.value}: {event.project} / {event.name}: {event.reason}",
            project_id=event.project_id,
            backtest_id=event.backtest_id,
            requests=event.requests,
            next=_AFTER_FAILURE,
        )
