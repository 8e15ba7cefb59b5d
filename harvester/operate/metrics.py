"""Writes the metrics of the last run for the textfile collector of Prometheus' node_exporter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from harvester.format import PART
from harvester.model import Ending, SnapshotRecord


@dataclass(frozen=True)
class RunFigures:
    """The metrics of a run, however it ended."""

    exit_code: int
    ended_at: float
    """Unix time."""
    took_s: float
    """Seconds from start to end."""
    record: SnapshotRecord | None
    """The record of the committed Snapshot; None: nothing was committed."""
    success_at: float | None
    """When the newest complete Snapshot was finished, Unix time; None if there is none."""
    account: str = ""
    """Name of the account, a label of every metric; empty: no label, since only one is configured."""


class _Metrics:
    """Collects metrics, each with the label of the account if there is one."""

    def __init__(self, account: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"account": account} if account else {}

    def add(self, name: str, description: str, value: float) -> None:
        gauge = Gauge(f"harvester_{name}", description, [*self._labels], registry=self.registry)
        (gauge.labels(**self._labels) if self._labels else gauge).set(value)

    def add_each(self, name: str, description: str, label: str, values: dict[str, float]) -> None:
        gauge = Gauge(f"harvester_{name}", description, [*self._labels, label], registry=self.registry)
        for value, number in values.items():
            gauge.labels(**self._labels, **{label: value}).set(number)


def render_metrics(run: RunFigures) -> bytes:
    """Render the metrics in Prometheus' text format; without a Snapshot only how the run ended."""
    metrics = _Metrics(run.account)
    metrics.add("last_run_timestamp_seconds", "When the last run ended.", run.ended_at)
    metrics.add("last_run_duration_seconds", "Duration of the last run.", run.took_s)
    metrics.add(
        "last_run_exit_code",
        "Exit code; 0 is complete, 4 and 10 are continued by the next run.",
        run.exit_code,
    )
    if run.success_at is not None:
        metrics.add("last_success_timestamp_seconds", "When the last complete run ended.", run.success_at)
    if run.record is not None:
        _add_record(metrics, run.record)
    return generate_latest(metrics.registry)


def _add_record(metrics: _Metrics, record: SnapshotRecord) -> None:
    complete = float(record.complete)
    metrics.add("last_run_complete", "1 if every report that exists is in the Snapshot.", complete)
    metrics.add("last_run_requests", "Requests that the last run sent.", record.requests)
    metrics.add("last_run_throttled", "Answers that asked the last run to slow down.", record.throttled)
    metrics.add(
        "last_run_written_bytes",
        "Payload that the last run wrote, without linked files.",
        record.written_bytes,
    )
    metrics.add(
        "snapshot_payload_bytes",
        "Payload of the newest Snapshot, linked files included.",
        record.payload_bytes,
    )
    metrics.add("snapshot_gone", "Archived backtests that QuantConnect no longer lists.", record.gone)
    metrics.add("snapshot_lost", "Reports whose files are damaged and that have no other copy.", record.lost)
    if record.learned.rate_per_min is not None:
        metrics.add(
            "learned_rate_per_minute",
            "Request rate that the server was found to accept.",
            record.learned.rate_per_min,
        )
    metrics.add_each("backtests", "Listed backtests by outcome.", "outcome", {**record.counts})
    endings = {ending.value: float(ending is record.ending) for ending in Ending}
    metrics.add_each("last_run_ending", "1 for the way in which the last run ended.", "ending", endings)


def save_metrics(path: Path, run: RunFigures) -> None:
    """Write the textfile in one step, so that a collector never reads half of it.

    It is written without `Disk`: it is not in the Archive, another user has to read it, and after a power
    cut the next run writes it again.


    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}{PART}")
    part.write_bytes(render_metrics(run))
    part.chmod(0o644)
    part.replace(path)
