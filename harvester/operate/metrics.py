"""A Prometheus textfile that says how the last run went; for node_exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from harvester.model import Ending, SnapshotRecord


def render_metrics(record: SnapshotRecord, account: str = "") -> bytes:
    """The numbers of a committed run in Prometheus' text format; of several accounts the name is a label."""
    registry = CollectorRegistry()
    whose = {"account": account} if account else {}

    def gauge(name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"harvester_{name}", words, [*whose, *labels], registry=registry)

    def say(name: str, words: str, value: float) -> None:
        made = gauge(name, words)
        (made.labels(**whose) if whose else made).set(value)

    started, finished = (
        datetime.fromisoformat(stamp).timestamp() for stamp in (record.started, record.finished)
    )
    say("last_run_timestamp_seconds", "When the last run that was committed ended.", finished)
    say("last_run_duration_seconds", "How long it took, interruptions included.", finished - started)
    say("last_run_complete", "1 if every report that exists is in the Snapshot.", float(record.complete))
    say("last_run_requests", "Requests that it sent.", record.requests)
    say("last_run_throttled", "Answers that said slow down.", record.throttled)
    say("last_run_written_bytes", "Payload that it wrote itself.", record.written_bytes)
    say("snapshot_payload_bytes", "Payload of its Snapshot, carried files included.", record.payload_bytes)
    say("snapshot_gone", "Backtests that are kept although no longer listed.", record.gone)
    if record.learned.rate_per_min is not None:
        say("learned_rate_per_minute", "The hidden limit that was met.", record.learned.rate_per_min)
    outcomes = gauge("backtests", "Listed backtests by outcome.", "outcome")
    for outcome, number in record.counts.items():
        outcomes.labels(**whose, outcome=outcome).set(number)
    endings = gauge("last_run_ending", "1 for how it ended.", "ending")
    for ending in Ending:
        endings.labels(**whose, ending=ending.value).set(ending is record.ending)
    return generate_latest(registry)


def save_metrics(path: Path, record: SnapshotRecord, account: str = "") -> None:
    """Write the textfile whole, so that a collector never reads half of it.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(render_metrics(record, account))
    part.chmod(0o644)
    part.replace(path)
