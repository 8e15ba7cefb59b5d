"""One run of the main job: lock the Archive, run, then update the catalog and push to the Bucket."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from harvester.api import ApiClient, RateLimiter, limiter_for
from harvester.app.after_run import AfterRun, PushBar, push_after_run
from harvester.app.exits import ExitCode, code_of_ending, worst
from harvester.app.log import Log
from harvester.app.pacing import shared_limiter, warn_of_problem
from harvester.archive import Archive, CheckedSnapshot, Disk, find_holder
from harvester.audit import update_catalog
from harvester.config import Credentials, Settings, mode_of
from harvester.errors import ArchiveLockedError, HarvesterError
from harvester.format import ARCHIVE_FILE
from harvester.harvest import Policy, Preview, Run, RunObserver, RunResult, open_run, preview_run
from harvester.operate import Observers, open_journal
from harvester.site import write_pages
from harvester.text import render_duration

_LOCK_POLL_S: Final = 0.2


@dataclass(frozen=True)
class RunOrder:
    """One run as it was asked for."""

    settings: Settings
    credentials: Credentials
    refresh_days: float | None = None
    """Read again what was read longer ago than this; None: only what is new or has changed."""
    accept_gone: bool = False
    """Mark what is no longer listed as gone, even more than half of the Archive."""
    account: str = ""
    """Name of the account; empty if only one is configured."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """May hold the keys of the Bucket."""
    share_pace: bool = True
    """Whether other commands for the same account must know of these requests."""

    @property
    def policy(self) -> Policy:
        """What is wanted, as of now."""
        return Policy.from_settings(
            self.settings,
            now=datetime.now(UTC),
            refresh_days=self.refresh_days,
            accept_gone=self.accept_gone,
        )


@dataclass(frozen=True)
class Finished:
    """A run that has ended, interrupted or not."""

    result: RunResult
    code: ExitCode
    pushed: AfterRun
    seconds: float
    """How long it took, without the wait for the Archive's lock."""


@dataclass(frozen=True)
class Display:
    """How a run is shown; each context is entered around its part of the run."""

    run: Callable[[], AbstractContextManager[Sequence[RunObserver]]] = lambda: nullcontext(())
    """Yields observers. An error in one of them does not affect the run; it is logged."""
    push: PushBar = lambda: nullcontext(lambda done, total: None)


Around = Callable[[RunOrder], AbstractAsyncContextManager[RunOrder]]
"""Makes what has to live in the event loop during a run, such as a simulator; yields the order to use."""


def make_snapshot(order: RunOrder, log: Log, display: Display, *, around: Around = nullcontext) -> Finished:
    """Make one Snapshot, from the main thread of a process.

    The first SIGINT or SIGTERM stops the run and keeps what it has; the second ends the process at once.

    Args:
        order: What to do, and for which account.
        log: Takes warnings about what does not stop the run.
        display: Shows progress.
        around: Is entered in the event loop, the Archive locked.

    Raises:
        HarvesterError: see `harvester.errors`; nothing was committed.
    """

    async def run() -> tuple[RunResult, list[int]]:
        async with around(order) as changed:
            return await _run_locked(changed, log, archive, display, handle_signals=True)

    archive, wait_s = _open_archive(order), float(order.settings.archive.lock_wait)
    if wait_s and (holder := find_holder(archive.root)):
        log.info(f"the archive is in use by {holder}; waiting up to {render_duration(wait_s)} for it to end")
    # The lock is waited for, and the Bucket is pushed to, outside the event loop, so that Ctrl-C ends both.
    with archive.lock(command="run", wait_s=wait_s):
        started = time.monotonic()
        return _finish(order, log, archive, display, anyio.run(run), started)


async def make_snapshot_async(order: RunOrder, log: Log, display: Display) -> Finished:
    """Make one Snapshot, from an event loop. A cancelled call keeps what the run has read.

    Raises:
        HarvesterError: see `harvester.errors`; nothing was committed.
    """
    async with _locked(order) as archive:
        started = time.monotonic()
        ended = await _run_locked(order, log, archive, display, handle_signals=False)
        return await anyio.to_thread.run_sync(_finish, order, log, archive, display, ended, started)


def _finish(
    order: RunOrder,
    log: Log,
    archive: Archive,
    display: Display,
    ended: tuple[RunResult, list[int]],
    started: float,
) -> Finished:
    """Bring catalog and Bucket up to date after a commit. `ended` has the signals that were received too."""
    result, signalled = ended
    pushed = AfterRun()
    if result.record is None:
        code = ExitCode(128 + signalled[0]) if signalled else ExitCode.INTERRUPTED
    else:
        _update_catalog(archive, log)
        pushed = push_after_run(order.settings, order.account, archive, order.environ, log, display.push)
        code = worst((code_of_ending(result.record.ending), pushed.code))
    return Finished(result, code, pushed, time.monotonic() - started)


async def preview(order: RunOrder, log: Log, observer: RunObserver) -> Preview:
    """List and plan, and return what a run would do. Refuses an Archive that a run would refuse.

    Raises:
        HarvesterError: see `harvester.errors`.
    """
    previous, limiter = await anyio.to_thread.run_sync(_prepare_preview, order, log)
    client = ApiClient.for_account(order.settings, order.credentials, limiter=limiter, observer=observer)
    async with client:
        return await preview_run(client, previous, order.settings, order.policy, observer)


def _prepare_preview(order: RunOrder, log: Log) -> tuple[CheckedSnapshot | None, RateLimiter]:
    exists = Path(order.settings.archive.dir, ARCHIVE_FILE).exists()
    previous = _open_archive(order).base().snapshot if exists else None
    return previous, shared_limiter(log, order.settings, order.credentials.user_id)


def _open_archive(order: RunOrder) -> Archive:
    settings = order.settings.archive
    root, account = Path(settings.dir), order.credentials.user_id
    return Archive.create_or_open(root, account=account, mode=mode_of(settings))


@asynccontextmanager
async def _locked(order: RunOrder) -> AsyncIterator[Archive]:
    """The order's Archive under its lock, waited for in the event loop, so that it can be cancelled."""
    archive = await anyio.to_thread.run_sync(_open_archive, order)
    give_up_at = time.monotonic() + float(order.settings.archive.lock_wait)
    while True:
        lock = archive.lock(command="run", wait_s=0)
        try:
            await anyio.to_thread.run_sync(lock.__enter__)
            break
        except ArchiveLockedError:
            if time.monotonic() >= give_up_at:
                raise
        await anyio.sleep(_LOCK_POLL_S)
    try:
        yield archive
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lock.__exit__, None, None, None)


async def _run_locked(
    order: RunOrder, log: Log, archive: Archive, display: Display, *, handle_signals: bool
) -> tuple[RunResult, list[int]]:
    """The run itself; returns the signals that were received too."""
    limiter = await anyio.to_thread.run_sync(_limiter, order, log, archive)
    signalled: list[int] = []
    with display.run() as observers:
        observed = Observers(*observers)
        async with (
            open_run(
                archive,
                order.settings,
                order.credentials,
                observer=observed,
                policy=order.policy,
                limiter=limiter,
                pages=write_pages,
                journal=lambda path: _journal(path, observed, archive.disk),
            ) as run,
            anyio.create_task_group() as group,
        ):
            if handle_signals:
                group.start_soon(_watch_signals, run, signalled)
            result = await run.execute()
            group.cancel_scope.cancel()
    for name, error in observed.errors.items():
        log.warning(f"the {name.lower()} failed: {error}; the Snapshot is not affected")
    warn_of_problem(log, limiter)
    return result, signalled


def _update_catalog(archive: Archive, log: Log) -> None:
    """Bring the catalog up to date. It can be rebuilt at any time, so an error is only a warning."""
    try:
        for note in update_catalog(archive):
            log.warning(note)
    except (HarvesterError, sqlite3.Error) as exc:
        log.warning(f"the catalog was not updated: {exc}; run `harvester catalog rebuild`")


def _limiter(order: RunOrder, log: Log, archive: Archive) -> RateLimiter:
    """The limiter; where the account's pace is not known, with the limit that the newest run ran into."""
    base = archive.base().snapshot
    limit_per_min = base.record().learned.rate_per_min if base else None
    if not order.share_pace:
        return limiter_for(order.settings.pace, limit_per_min=limit_per_min)
    return shared_limiter(log, order.settings, order.credentials.user_id, limit_per_min=limit_per_min)


@asynccontextmanager
async def _journal(path: Path, observers: Observers, disk: Disk) -> AsyncIterator[None]:
    async with open_journal(path, stamp=_precise_stamp, disk=disk) as journal:
        with observers.joined(journal):
            yield


def _precise_stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def _watch_signals(run: Run, received: list[int]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            received.append(number)
            if len(received) > 1:
                os._exit(128 + number)  # at once: the next run sweeps up what is half written
            run.interrupt(f"{number.name} received")
