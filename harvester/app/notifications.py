"""Who else is told of a run: pings, a webhook, messages, a metrics file. Trouble with them spoils nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from harvester.archive import Archive
from harvester.cli.console import ExitCode, Session, code_of_error, error_texts
from harvester.cli.output.terminal import printable
from harvester.errors import HarvesterError
from harvester.operate import RunFigures, ping, post_summary, save_metrics, send_message
from harvester.secrets import mask_value

if TYPE_CHECKING:
    from harvester.config import Settings
    from harvester.model import SnapshotRecord

_NO_TROUBLE: Final = frozenset({ExitCode.OK, ExitCode.PENDING, ExitCode.TIME, ExitCode.INTERRUPTED})
"""Well, going on tomorrow by itself, or ended by somebody at the keyboard."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended, as others are told."""

    code: ExitCode
    document: dict[str, Any]
    """What `--json` prints."""
    lines: Sequence[str]
    """The same for people."""
    record: SnapshotRecord | None = None
    """Of the Snapshot that it committed; of several accounts none."""
    archives: Sequence[Path] = ()
    """Of several accounts; empty: the one that the settings name."""


def tell_others(session: Session, settings: Settings, run: Callable[[], RunEnd]) -> ExitCode:
    """Run, and tell before and after it whoever is to be told, whatever comes of it."""
    started = time.monotonic()
    _announce_start(session, settings)
    try:
        end = run()
    except BaseException as exc:
        code, texts = code_of_error(exc), error_texts(exc)
        failure = mask_value({"exit_code": code.value, "exit": code.label, "errors": texts})
        _announce_end(session, settings, RunEnd(code, failure, texts), time.monotonic() - started)
        raise
    _announce_end(session, settings, end, time.monotonic() - started)
    return end.code


def _announce_start(session: Session, settings: Settings) -> None:
    if settings.notify.healthchecks_url:
        _note(session, anyio.run(ping, settings.notify.healthchecks_url, "start"))


def _announce_end(session: Session, settings: Settings, end: RunEnd, took_s: float) -> None:
    notify = settings.notify
    if notify.healthchecks_url:
        _note(session, anyio.run(ping, notify.healthchecks_url, str(end.code.value)))
    if notify.webhook_url:
        _note(session, anyio.run(post_summary, notify.webhook_url, end.document))
    if notify.apprise_urls and (notify.apprise_when == "always" or end.code not in _NO_TROUBLE):
        whose = f" of {session.account}" if session.account else ""
        title = f"harvester: the run{whose} ended with {end.code.value} ({end.code.label})"
        body = "\n".join(printable(line) for line in end.lines)
        _note(session, anyio.run(send_message, notify.apprise_urls, title, body))
    if settings.metrics.textfile:
        success_at = _oldest_success(end.archives or [Path(settings.archive.dir)])
        figures = RunFigures(end.code.value, time.time(), took_s, end.record, success_at, session.account)
        _write_metrics(session, Path(settings.metrics.textfile), figures)


def _write_metrics(session: Session, path: Path, figures: RunFigures) -> None:
    try:
        save_metrics(path, figures)
    except OSError as exc:
        _note(session, f"the metrics file {path} was not written: {exc.strerror or exc}")


def _oldest_success(roots: Sequence[Path]) -> float | None:
    """The last success that all of them have had; None: one of them has had none."""
    found = [_last_success(root) for root in roots]
    times = [time for time in found if time is not None]
    return min(times) if len(times) == len(found) else None


def _last_success(root: Path) -> float | None:
    """When the newest complete Snapshot was finished, Unix time; None: there is none that can be read."""
    try:
        for snapshot in reversed(Archive.open(root).snapshots()):
            record = snapshot.record()
            if record.complete:
                return datetime.fromisoformat(record.finished).timestamp()
    except (HarvesterError, OSError, ValueError):
        return None
    return None


def _note(session: Session, trouble: str) -> None:
    if trouble:
        text = f"{trouble}; the run is not affected"
        session.log.warning(text)
