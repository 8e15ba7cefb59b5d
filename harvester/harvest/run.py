"""One run over one Archive: prove the credentials, begin or resume a partial Snapshot, harvest, commit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import msgspec

from harvester.api import ApiClient
from harvester.archive import Archive, Pages, PartialSnapshot
from harvester.config import Settings
from harvester.harvest.events import Committed, RunObserver, Stopping
from harvester.harvest.plan import Policy
from harvester.harvest.stages import Stages
from harvester.harvest.threads import in_thread
from harvester.model import SnapshotRecord
from harvester.text import render_moment


@dataclass(frozen=True)
class RunDependencies:
    """What a run works with."""

    client: ApiClient
    archive: Archive
    """Locked by the caller."""
    settings: Settings
    policy: Policy
    observer: RunObserver
    pages: Pages | None = None
    """Writes `index.html` and `site/` into the partial Snapshot."""
    journal: Callable[[Path], AbstractAsyncContextManager[None]] = lambda _: nullcontext()
    """Is entered while the run lists and requests, with the file it may write; closed before the commit."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    path: Path
    """The Snapshot, or the partial one if the run was interrupted."""
    record: SnapshotRecord | None
    """None: interrupted; the next run resumes the partial Snapshot."""
    notes: tuple[str, ...] = ()
    """What was found and set aside in the Archive, for the user."""


class Run:
    """One run over one Archive, which the caller has locked."""

    def __init__(self, dependencies: RunDependencies) -> None:
        self._needs = dependencies
        self._stop = dependencies.client.limiter.stop
        self._stop.on_request = lambda reason: dependencies.observer.notify(Stopping(reason=reason))

    def interrupt(self, reason: str) -> None:
        """Stop for a signal: nothing new is started, the partial Snapshot is kept and not committed."""
        self._stop.interrupt(reason)

    async def execute(self) -> RunResult:
        """Make one Snapshot.

        Raises:
            StoppedError: the time was up before the projects were listed; nothing is committed.
            HarvesterError: the run cannot go on; the partial Snapshot is kept for the next run.
        """
        needs = self._needs
        if needs.settings.run.max_duration:
            self._stop.ends_at = anyio.current_time() + needs.settings.run.max_duration
        # Proven first: nothing is created on disk for credentials that are refused.
        async with self._stop.stage():
            await needs.client.authenticate()
        started = needs.now()
        partial = await in_thread(lambda: self._begin(started))
        try:
            return await self._harvest(partial)
        finally:
            await in_thread(partial.close)

    def _begin(self, started: datetime) -> PartialSnapshot:
        needs = self._needs
        date = started.astimezone(ZoneInfo(needs.settings.archive.timezone)).date().isoformat()
        return needs.archive.begin(date=date, run_id=needs.run_id, started=render_moment(started))

    async def _harvest(self, partial: PartialSnapshot) -> RunResult:
        needs = self._needs
        stages = Stages(
            partial,
            client=needs.client,
            settings=needs.settings,
            policy=needs.policy,
            observer=needs.observer,
            stamp=lambda: render_moment(needs.now()),
        )
        record = await stages.run(needs.journal)
        if record is None:
            return RunResult(partial.path, None, partial.notes + stages.notes)
        draft = msgspec.structs.replace(record, account=needs.archive.account)
        snapshot, committed = await in_thread(lambda: partial.commit(draft, pages=needs.pages))
        needs.observer.notify(Committed(record=committed))
        # Only now: the commit adds notes of its own, such as one about `latest`.
        return RunResult(snapshot.path, committed, partial.notes + stages.notes)
