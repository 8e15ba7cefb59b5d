"""Notify others of a run: pings, a webhook, messages, metrics. A failure here never affects the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio

from harvester.app.exits import ExitCode
from harvester.app.failures import code_of_error, error_texts
from harvester.app.log import Log
from harvester.app.terminal import printable
from harvester.archive import Archive
from harvester.config import Settings
from harvester.errors import HarvesterError
from harvester.model import SnapshotRecord
from harvester.operate import RunFigures, ping, post_summary, save_metrics, send_message
from harvester.secrets import mask_value

_NOTHING_TO_DO: Final = frozenset({ExitCode.OK, ExitCode.PENDING, ExitCode.TIME, ExitCode.INTERRUPTED})
"""Complete, continued by the next run, or ended by somebody at the keyboard: no message is sent."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended, as it is reported to others."""

    code: ExitCode
    document: dict[str, Any]
    """What `--json` prints."""
    lines: Sequence[str]
    """The summary as text."""
    record: SnapshotRecord | None = None
    """The committed Snapshot's; None if there is none, or if several accounts were run."""
    archives: Sequence[Path] = ()
    """The Archives of several accounts; empty: the one in the settings."""


def with_notifications(settings: Settings, log: Log, run: Callable[[], RunEnd], *, account: str) -> ExitCode:
    """Call `run` and notify everybody in the settings before and after it, also when it raises.

    Args:
        settings: Which services to notify, and when.
        log: Takes the notifications that could not be delivered.
        run: The run. Its errors are reported and raised again.
        account: Name of the account in messages and metrics; empty if only one is configured.
    """
    started = time.monotonic()
    notifier = _Notifier(settings, log, account)
    notifier.announce_start()
    try:
        end = run()
    except BaseException as exc:
        code, texts = code_of_error(exc), error_texts(exc)
        failure = mask_value({"exit_code": code.value, "exit": code.label, "errors": texts})
        notifier.announce_end(RunEnd(code, failure, texts), time.monotonic() - started)
        raise
    notifier.announce_end(end, time.monotonic() - started)
    return end.code


class _Notifier:
    def __init__(self, settings: Settings, log: Log, account: str) -> None:
        self._notify = settings.notify
        self._settings = settings
        self._log = log
        self._account = account

    def announce_start(self) -> None:
        if self._notify.healthchecks_url:
            self._warn(anyio.run(ping, self._notify.healthchecks_url, "start"))

    def announce_end(self, end: RunEnd, took_s: float) -> None:
        notify, code = self._notify, end.code
        if notify.healthchecks_url:
            self._warn(anyio.run(ping, notify.healthchecks_url, str(code.value)))
        if notify.webhook_url:
            self._warn(anyio.run(post_summary, notify.webhook_url, end.document))
        if notify.apprise_urls and (notify.apprise_when == "always" or code not in _NOTHING_TO_DO):
            of_account = f" of {self._account}" if self._account else ""
            title = f"harvester: the run{of_account} ended with {code.value} ({code.label})"
            body = "\n".join(printable(line) for line in end.lines)
            self._warn(anyio.run(send_message, notify.apprise_urls, title, body))
        if self._settings.metrics.textfile:
            success_at = _oldest_success(end.archives or [Path(self._settings.archive.dir)])
            figures = RunFigures(code.value, time.time(), took_s, end.record, success_at, self._account)
            self._save_metrics(Path(self._settings.metrics.textfile), figures)

    def _save_metrics(self, path: Path, figures: RunFigures) -> None:
        try:
            save_metrics(path, figures)
        except OSError as exc:
            self._warn(f"the metrics file {path} was not written: {exc.strerror or exc}")

    def _warn(self, problem: str) -> None:
        if problem:
            self._log.warning(f"{problem}; the run is not affected")


def _oldest_success(roots: Sequence[Path]) -> float | None:
    """The Unix time since which every Archive has had a success; None if one of them never had one."""
    found = [_last_success(root) for root in roots]
    times = [time for time in found if time is not None]
    return min(times) if len(times) == len(found) else None


def _last_success(root: Path) -> float | None:
    """When the newest complete Snapshot was finished, Unix time; None if none can be read."""
    try:
        for snapshot in reversed(Archive.open(root).snapshots()):
            record = snapshot.record()
            if record.complete:
                return datetime.fromisoformat(record.finished).timestamp()
    except (HarvesterError, OSError, ValueError):
        return None
    return None
