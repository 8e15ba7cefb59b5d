"""The main job as the command line runs it: the parts built, the signals bound, the result told."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread

from harvester.api import ApiClient, RateLimiter, limiter_for
from harvester.app.bucket import AfterRun, push_after_run
from harvester.app.notifications import RunEnd
from harvester.app.pacing import shared_limiter, warn_of_problem
from harvester.archive import Archive, CheckedSnapshot, Disk, find_holder
from harvester.audit import update_catalog
from harvester.cli.console import ExitCode, Session, code_of_ending, emit_json, worst
from harvester.cli.output.reporter import Reporter
from harvester.cli.output.summary import index_of, preview_json, preview_lines, summary_json, summary_lines
from harvester.config import Credentials, Selection, Settings, mode_of
from harvester.errors import HarvesterError
from harvester.format import ARCHIVE_FILE
from harvester.harvest import Policy, Preview, Run, RunDependencies, RunObserver, RunResult, preview_run
from harvester.operate import Bar, Lines, Observers, Tally, journal_at
from harvester.secrets import mask_value
from harvester.site import write_pages
from harvester.text import render_duration


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    result: RunResult
    code: ExitCode


@dataclass(frozen=True)
class Job:
    """One run as it was asked for."""

    session: Session
    settings: Settings
    credentials: Credentials
    refresh_days: float | None = None
    """Read again what was read longer ago than this; None: only what is new or has changed."""
    accept_gone: bool = False
    """Mark what is no longer listed as gone, even more than half of the Archive."""
    json: bool = False
    share_pace: bool = True
    """Whether other commands for the same account have to know of its requests."""
    open_index: bool = False
    """Show the Snapshot's index in a browser when it is committed."""

    @property
    def policy(self) -> Policy:
        """What is wanted, as of now."""
        reports = self.settings.reports
        return Policy(
            selection=Selection(self.settings.filters),
            now=datetime.now(UTC),
            refresh_after=None if self.refresh_days is None else timedelta(days=self.refresh_days),
            include_broken=reports.include_broken,
            optimizations=reports.optimizations,
            retry_unavailable=timedelta(days=reports.retry_unavailable_days),
            accept_gone=self.accept_gone,
        )


def perform(job: Job) -> RunEnd:
    """Make one Snapshot and say what came of it."""
    return perform_as(job, lambda archive: run_once(job, archive))


def perform_as(job: Job, once: Callable[[Archive], Awaitable[Ended]]) -> RunEnd:
    """The same with something around the run: `once` is called in the event loop, the Archive locked."""
    ended, pushed, took_s = _locked(job, once)
    result, code = ended.result, worst((ended.code, pushed.code))
    document = summary_json(result, code=code.value, name=code.label, took_s=took_s) | pushed.document
    lines = [*summary_lines(result, took_s=took_s), *pushed.lines]
    end = RunEnd(code, mask_value(document), lines, result.record)
    _tell(job, result, end, took_s)
    return end


def _locked(job: Job, once: Callable[[Archive], Awaitable[Ended]]) -> tuple[Ended, AfterRun, float]:
    """The run and its seconds, under the Archive's lock; the wait for another run is none of this one's."""
    archive, wait_s = open_archive(job), float(job.settings.archive.lock_wait)
    if wait_s and (holder := find_holder(archive.root)):
        text = f"the archive is in use by {holder}; waiting up to {render_duration(wait_s)} for it to end"
        job.session.log.info(text)
    # The lock is waited for outside the event loop, so that Ctrl-C ends the wait at once.
    with archive.lock(command="run", wait_s=wait_s):
        started = time.monotonic()
        ended = anyio.run(once, archive)
        pushed = AfterRun()
        if ended.result.record is not None:
            _index(job, archive)
            pushed = push_after_run(job.session, job.settings, archive)
        return ended, pushed, time.monotonic() - started


def _index(job: Job, archive: Archive) -> None:
    """Bring the catalog up to date; it is derived, so trouble with it is said and spoils nothing."""
    try:
        for note in update_catalog(archive):
            job.session.log.warning(note)
    except (HarvesterError, sqlite3.Error) as exc:
        text = f"the catalog was not updated: {exc}; run `harvester catalog rebuild`"
        job.session.log.warning(text)


def preview_only(job: Job) -> ExitCode:
    """List and plan, and say what a run would do; an Archive that it would refuse is refused here too."""
    begun = Path(job.settings.archive.dir, ARCHIVE_FILE).exists()
    archive = open_archive(job) if begun else None
    limiter = shared_limiter(job.session, job.settings, job.credentials.user_id)
    found = anyio.run(_preview, job, limiter, archive.base().snapshot if archive else None)
    rate_per_min = job.settings.pace.rate_per_min
    if job.json:
        emit_json(preview_json(found, rate_per_min))
    else:
        job.session.say(*preview_lines(found, rate_per_min))
    return ExitCode.OK


def open_archive(job: Job) -> Archive:
    """The Archive of the job's Account, made when it is not there yet."""
    settings = job.settings.archive
    return Archive.create_or_open(Path(settings.dir), account=job.credentials.user_id, mode=mode_of(settings))


async def run_once(job: Job, archive: Archive) -> Ended:
    """One run over an Archive that the caller has locked; the first signal stops it, the second ends it."""
    limiter = await anyio.to_thread.run_sync(_limiter, job, archive)
    async with _watched(job) as observers, _client(job, limiter, observers) as client:
        run = Run(
            RunDependencies(
                client=client,
                archive=archive,
                settings=job.settings,
                policy=job.policy,
                observer=observers,
                pages=write_pages,
                journal=lambda path: _journal(path, observers, archive.disk),
            )
        )
        caught: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_watch_signals, run, caught)
            result = await run.execute()
            group.cancel_scope.cancel()
    warn_of_problem(job.session, limiter)
    if result.record is None:
        return Ended(result, ExitCode(128 + caught[0]) if caught else ExitCode.INTERRUPTED)
    return Ended(result, code_of_ending(result.record.ending))


def _limiter(job: Job, archive: Archive) -> RateLimiter:
    """The limiter; where the account's pace is not known, with the limit that the newest run has met."""
    base = archive.base().snapshot
    limit_per_min = base.record().learned.rate_per_min if base else None
    if not job.share_pace:
        return limiter_for(job.settings.pace, limit_per_min=limit_per_min)
    return shared_limiter(job.session, job.settings, job.credentials.user_id, limit_per_min=limit_per_min)


def _tell(job: Job, result: RunResult, end: RunEnd, took_s: float) -> None:
    """Say on stdout what came of a run, and on stderr how it ended."""
    for note in result.notes:
        job.session.log.warning(note)
    if job.json:
        emit_json(end.document)
    else:
        job.session.say(*end.lines)
    if job.open_index and result.record is not None:
        _open(job, index_of(result.path))
    say = job.session.log.info if end.code is ExitCode.OK else job.session.log.warning
    say("ended", exit_code=end.code.value, exit=end.code.label, seconds=round(took_s, 1))


@asynccontextmanager
async def _watched(job: Job) -> AsyncIterator[Observers]:
    """Who watches the run: the log, and a bar or a line a minute."""
    tally = Tally(job.settings.pace.rate_per_min)
    members: list[RunObserver] = [Reporter(job.session)]
    with ExitStack() as stack:
        if sys.stderr.isatty() and not job.session.quiet and job.session.log_format == "text":
            members.append(stack.enter_context(Bar(tally)))
        else:
            members.append(Lines(tally, job.session.log.info))
        observers = Observers(*members)
        yield observers
    for member, trouble in observers.troubles.items():
        text = f"the {member.lower()} failed: {trouble}; the Snapshot is not affected"
        job.session.log.warning(text)


@asynccontextmanager
async def _journal(path: Path, observers: Observers, disk: Disk) -> AsyncIterator[None]:
    async with journal_at(path, stamp=_precise_stamp, disk=disk) as journal:
        with observers.joined(journal):
            yield


def _precise_stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _open(job: Job, index: Path) -> None:
    import webbrowser

    uri = index.resolve().as_uri()
    if not webbrowser.open(uri):
        text = f"no browser was found; open {uri}"
        job.session.log.warning(text)


async def _preview(job: Job, limiter: RateLimiter, previous: CheckedSnapshot | None) -> Preview:
    observer = Reporter(job.session)
    async with _client(job, limiter, observer) as client:
        return await preview_run(client, previous, job.settings, job.policy, observer)


def _client(job: Job, limiter: RateLimiter, observer: RunObserver) -> ApiClient:
    return ApiClient.for_account(job.settings, job.credentials, limiter=limiter, observer=observer)


async def _watch_signals(run: Run, caught: list[int]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            caught.append(number)
            if len(caught) > 1:
                os._exit(128 + number)  # now: what is half written is swept by the next run
            run.interrupt(f"{number.name} received")
