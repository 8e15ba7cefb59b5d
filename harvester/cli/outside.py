"""Who else is told of a run: pings, a webhook, a metrics file. Trouble with them spoils nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from harvester.cli.console import ExitCode, Session
from harvester.operate.metrics import save_metrics
from harvester.operate.notify import ping, post_summary

if TYPE_CHECKING:
    from harvester.config.settings import Settings
    from harvester.model import SnapshotRecord


def announce_start(session: Session, settings: Settings) -> None:
    """Before a run."""
    if settings.notify.healthchecks_url:
        _note(session, anyio.run(ping, settings.notify.healthchecks_url, "start"))


def announce_end(session: Session, settings: Settings, code: ExitCode, summary: dict[str, Any]) -> None:
    """After a run, also after one that failed."""
    if settings.notify.healthchecks_url:
        _note(session, anyio.run(ping, settings.notify.healthchecks_url, str(code.value)))
    if settings.notify.webhook_url:
        _note(session, anyio.run(post_summary, settings.notify.webhook_url, summary))


def write_metrics(session: Session, settings: Settings, record: SnapshotRecord) -> None:
    """After a run that was committed."""
    if settings.metrics.textfile:
        path = Path(settings.metrics.textfile).expanduser()
        try:
            save_metrics(path, record, session.account)
        except OSError as exc:
            _note(session, f"the metrics file {path} was not written: {exc.strerror or exc}")


def _note(session: Session, trouble: str) -> None:
    if trouble:
        text = f"{trouble}; the run is not affected"
        session.log.warning(text)
