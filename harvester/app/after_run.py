"""The push to the Bucket that follows a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from harvester.app.exits import ExitCode
from harvester.app.log import Log
from harvester.archive import Archive
from harvester.config import Settings
from harvester.errors import HarvesterError

PushBar = Callable[[], AbstractContextManager[Callable[[int, int], None]]]
"""Makes the context around a push; it yields what is called with bytes done and bytes in all."""


@dataclass(frozen=True)
class AfterRun:
    """How the push ended; nothing without a Bucket."""

    code: ExitCode = ExitCode.OK
    document: dict[str, Any] = field(default_factory=dict)
    """For the run's JSON summary."""
    lines: tuple[str, ...] = ()
    """For the run's summary as text."""


def push_after_run(
    settings: Settings, account: str, archive: Archive, environ: Mapping[str, str], log: Log, bar: PushBar
) -> AfterRun:
    """Bring the Bucket up to date after a commit. A failure loses nothing: the next run or push continues."""
    if not settings.bucket.url:
        return AfterRun()
    try:
        # Imported when a bucket is configured: it needs the extra `bucket`.
        from harvester.app.bucket import PushJob, pushed_document, pushed_line  # noqa: PLC0415

        job = PushJob(settings, account, archive, environ)
        with bar() as show:
            pushed = job.run(show)
    except KeyboardInterrupt:
        return AfterRun(ExitCode.INTERRUPTED, {"bucket": {"errors": ["interrupted"]}})
    except HarvesterError as exc:
        log.warning(
            f"the Snapshot is committed here, but was not pushed: {exc}; the next run or push continues"
        )
        return AfterRun(ExitCode.UNPUSHED, {"bucket": {"errors": [str(exc)]}})
    return AfterRun(document={"bucket": pushed_document(pushed)}, lines=(pushed_line(pushed, job.url),))
