"""The one place where the parts of a run are put together: for the command line, for Python, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from harvester.api import ApiClient, Backoff, RateLimiter
from harvester.archive import Archive, Disk
from harvester.config import Credentials, Settings
from harvester.harvest.events import RunObserver
from harvester.harvest.plan import Policy
from harvester.harvest.run import Run, RunDependencies


@asynccontextmanager
async def open_run(  # noqa: PLR0913 -- three that every run has, and keywords with defaults
    archive: Archive,
    settings: Settings,
    credentials: Credentials,
    *,
    observer: RunObserver,
    policy: Policy | None = None,
    limiter: RateLimiter | None = None,
    backoff: Backoff | None = None,
    pages: Callable[[Path, Disk], None] | None = None,
    journal: Callable[[Path], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Run]:
    """A run that is ready to be executed, and the connection that it needs.

    Args:
        archive: Locked by the caller.
        settings: The settings of the account.
        credentials: The credentials of the account.
        observer: Receives an event for each request and everything that happens.
        policy: What is wanted; None: what the settings want now.
        limiter: Shared with other commands of the account; None: one of this process alone.
        backoff: Waits between the attempts of one call; None: from the settings.
        pages: Writes `index.html` and `site/` into the partial Snapshot.
        journal: Is entered while the run lists and requests, with the file it may write.
        now: The clock, UTC.
    """
    async with ApiClient.for_account(
        settings, credentials, limiter=limiter, observer=observer, backoff=backoff
    ) as client:
        yield Run(
            RunDependencies(
                client=client,
                archive=archive,
                settings=settings,
                policy=policy or Policy.from_settings(settings, now=now()),
                observer=observer,
                pages=pages,
                journal=journal,
                now=now,
            )
        )
