"""Discovery as a stage of a run: every project listed by the workers, each spooled to disk as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio.to_thread
import msgspec

from harvester.api.client import ApiClient
from harvester.api.discover import fetch_backtests, fetch_projects
from harvester.errors import ApiError, ThrottledError
from harvester.harvest.events import Listed, Relisted, RunObserver
from harvester.harvest.outage import Outage
from harvester.harvest.plan import Listing
from harvester.harvest.rounds import Rounds
from harvester.model import Backtest, Project, UnreadProject


class Spool(Protocol):
    """Where listings are kept until they are planned."""

    def save_listing(self, project: Project, backtests: Sequence[Backtest]) -> None:
        """Keep one project."""

    def load_listing(self, project_id: int) -> tuple[Project, list[Backtest]]:
        """Give it back."""


class MemorySpool:
    """Keeps listings as JSON in memory, for a dry run, which writes nothing."""

    def __init__(self) -> None:
        self._listings: dict[int, bytes] = {}

    def save_listing(self, project: Project, backtests: Sequence[Backtest]) -> None:
        """Keep one project."""
        self._listings[project.project_id] = msgspec.json.encode((project, backtests))

    def load_listing(self, project_id: int) -> tuple[Project, list[Backtest]]:
        """Give it back."""
        return msgspec.json.decode(self._listings[project_id], type=tuple[Project, list[Backtest]])


@dataclass
class Discovery:
    """What a listing came to."""

    projects: int = 0
    listed: set[int] = field(default_factory=set)
    """Ids of the projects whose backtests were listed."""
    unread: dict[int, UnreadProject] = field(default_factory=dict)
    known: bool = False
    """Whether the list of projects was read to its end: without it nobody can say what is gone."""
    failed: set[int] = field(default_factory=set)
    """Those of the unread whose listing was asked for and failed."""
    throttled: ThrottledError | None = None
    """Why it ended early, when that was the server's "slow down"."""

    def listing(
        self, spool: Spool, orphans: Mapping[int, Sequence[tuple[Project, Backtest]]] | None = None
    ) -> Listing:
        """The same as the plan takes it."""
        unread = {project_id: unread.error for project_id, unread in self.unread.items()}
        return Listing(self.listed, spool.load_listing, unread, orphans or {})


class Discoverer:
    """Lists an Account into a spool."""

    def __init__(
        self,
        client: ApiClient,
        spool: Spool,
        observer: RunObserver,
        outage: Outage,
        *,
        stopped: Callable[[], str] = lambda: "",
    ) -> None:
        self._client = client
        self._spool = spool
        self._observer = observer
        self._rounds = Rounds(client, outage, stopped=stopped)
        self.found = Discovery()
        """What was listed so far; a project is unread until it is listed."""

    async def discover(self, workers: int) -> Discovery:
        """List everything; ends early on a stop, a lasting "slow down", or a server that stays away.

        Raises:
            ApiError: the projects cannot be listed.
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        projects = await fetch_projects(self._client)
        self.found.projects = len(projects)
        for project in projects:
            never = UnreadProject(project.project_id, project.name, "the run ended before it was its turn")
            self.found.unread[project.project_id] = never
        self.found.known = True
        await self._rounds.run(projects, workers, self._list, self._failed)
        self.found.throttled = self._rounds.throttled
        return self.found

    async def relist(self, project_ids: Iterable[int], workers: int) -> dict[int, frozenset[str]]:
        """List some projects again, at the end of a run; returns the ids of the backtests that they have now.

        A project that cannot be listed is missing from the result.

        Raises:
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        found: dict[int, frozenset[str]] = {}

        async def relist(project_id: int) -> None:
            backtests = await fetch_backtests(self._client, project_id)
            found[project_id] = frozenset(backtest.backtest_id for backtest in backtests)
            self._observer.notify(Relisted(project_id=project_id, backtests=len(backtests)))

        def failed(project_id: int, exc: ApiError, wait_s: float) -> None:
            event = Relisted(project_id=project_id, backtests=0, error=str(exc), wait_s=wait_s)
            self._observer.notify(event)

        await self._rounds.run(sorted(project_ids), workers, relist, failed)
        self.found.throttled = self._rounds.throttled
        return found

    async def _list(self, project: Project) -> None:
        project_id = project.project_id
        backtests = await fetch_backtests(self._client, project_id)
        await anyio.to_thread.run_sync(self._spool.save_listing, project, backtests)
        self.found.unread.pop(project_id, None)
        self.found.failed.discard(project_id)
        self.found.listed.add(project_id)
        self._tell(project_id, len(backtests), "")

    def _failed(self, project: Project, exc: ApiError, wait_s: float) -> None:
        self.found.unread[project.project_id] = UnreadProject(project.project_id, project.name, str(exc))
        self.found.failed.add(project.project_id)
        self._tell(project.project_id, 0, str(exc), wait_s)

    def _tell(self, project_id: int, backtests: int, error: str, wait_s: float = 0.0) -> None:
        self._observer.notify(
            Listed(
                project_id=project_id,
                backtests=backtests,
                projects=self.found.projects,
                error=error,
                wait_s=wait_s,
            )
        )
