"""A Prometheus textfile that says how the last run went; for node_exporter's textfile collector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from harvester.model import Ending, SnapshotRecord


@dataclass(frozen=True)
class RunFigures:
    """What a monitor wants to know of a run, however it ended."""

    exit_code: int
    ended_at: float
    """Unix time."""
    took_s: float
    record: SnapshotRecord | None
    """None: nothing was committed."""
    success_at: float | None
    """When the newest complete Snapshot was finished, Unix time; None: there is none."""
    account: str = ""
    """Of several; then it is a label of every number."""


class _Page:
    """The numbers as they come together."""

    def __init__(self, account: str) -> None:
        self.registry = CollectorRegistry()
        self._whose = {"account": account} if account else {}

    def say(self, name: str, words: str, value: float) -> None:
        gauge = Gauge(f"harvester_{name}", words, [*self._whose], registry=self.registry)
        (gauge.labels(**self._whose) if self._whose else gauge).set(value)

    def say_each(self, name: str, words: str, label: str, values: dict[str, float]) -> None:
        gauge = Gauge(f"harvester_{name}", words, [*self._whose, label], registry=self.registry)
        for value, number in values.items():
            gauge.labels(**self._whose, **{label: value}).set(number)


def render_metrics(run: RunFigures) -> bytes:
    """The numbers of a run in Prometheus' text format; without a Snapshot only how it ended."""
    page = _Page(run.account)
    page.say("last_run_timestamp_seconds", "When the last run ended.", run.ended_at)
    page.say("last_run_duration_seconds", "How long it took.", run.took_s)
    page.say("last_run_exit_code", "How it ended; 0 is well, 4 and 10 go on tomorrow.", run.exit_code)
    if run.success_at is not None:
        page.say("last_success_timestamp_seconds", "When the last complete run ended.", run.success_at)
    if run.record is not None:
        _say_record(page, run.record)
    return generate_latest(page.registry)


def _say_record(page: _Page, record: SnapshotRecord) -> None:
    complete = float(record.complete)
    page.say("last_run_complete", "1 if every report that exists is in the Snapshot.", complete)
    page.say("last_run_requests", "Requests that it sent.", record.requests)
    page.say("last_run_throttled", "Answers that said slow down.", record.throttled)
    page.say("last_run_written_bytes", "Payload that it wrote itself.", record.written_bytes)
    page.say(
        "snapshot_payload_bytes", "Payload of its Snapshot, carried files included.", record.payload_bytes
    )
    page.say("snapshot_gone", "Backtests that are kept although no longer listed.", record.gone)
    page.say("snapshot_lost", "Reports whose files are damaged and of which no copy was found.", record.lost)
    if record.learned.rate_per_min is not None:
        page.say("learned_rate_per_minute", "The hidden limit that was met.", record.learned.rate_per_min)
    page.say_each("backtests", "Listed backtests by outcome.", "outcome", {**record.counts})
    endings = {ending.value: float(ending is record.ending) for ending in Ending}
    page.say_each("last_run_ending", "1 for how it ended.", "ending", endings)


def save_metrics(path: Path, run: RunFigures) -> None:
    """Write the textfile whole, so that a collector never reads half of it.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(render_metrics(run))
    part.chmod(0o644)
    part.replace(path)
