"""Discovery as a stage of a run: every project listed by the workers, each spooled to disk as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import anyio
import anyio.to_thread
import msgspec

from harvester.api.client import ApiClient
from harvester.api.discover import fetch_backtests, fetch_projects
from harvester.errors import ApiError, AuthenticationError, ThrottledError, TransportError
from harvester.harvest.events import Listed, RunObserver
from harvester.harvest.outage import Outage
from harvester.harvest.plan import Listing
from harvester.model import Backtest, Project, UnreadProject

_ROUNDS: Final = 2
"""A project whose listing failed is tried again after all others were listed."""


_GLANCE_S: Final = 1.0
"""How long a stop may go unnoticed while the server is waited for."""


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
        self._outage = outage
        self._stopped = stopped
        self._server_gone = False
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
        for _ in range(_ROUNDS):
            await self._round(projects, workers)
            projects = [project for project in projects if project.project_id not in self.found.listed]
        return self.found

    async def _round(self, projects: list[Project], workers: int) -> None:
        left = iter(projects)

        async def work() -> None:
            for project in left:
                while not self._over() and await self._list(project):
                    pass
                if self._over():
                    break
            if self.found.throttled:
                group.cancel_scope.cancel()  # the others wait for a turn that may come in hours

        async with anyio.create_task_group() as group:
            for _ in range(min(workers, len(projects))):
                group.start_soon(work)

    def _over(self) -> bool:
        return bool(self._stopped() or self._server_gone or self.found.throttled)

    async def _list(self, project: Project) -> bool:
        """List one project; gives whether it is to be asked for again, the server having been away."""
        project_id = project.project_id
        try:
            backtests = await fetch_backtests(self._client, project_id)
        except AuthenticationError:
            raise
        except ThrottledError as exc:
            self.found.throttled = exc
            return False
        except ApiError as exc:
            self.found.unread[project_id] = UnreadProject(project_id, project.name, str(exc))
            self.found.failed.add(project_id)
            pause_s = await self._pause_s(exc)
            self._tell(project_id, 0, str(exc), pause_s)
            await self._pause(pause_s)
            return pause_s > 0
        self._outage.good()
        await anyio.to_thread.run_sync(self._spool.save_listing, project, backtests)
        self.found.unread.pop(project_id, None)
        self.found.failed.discard(project_id)
        self.found.listed.add(project_id)
        self._tell(project_id, len(backtests), "")
        return False

    async def _pause_s(self, exc: ApiError) -> float:
        """How long to wait for the server; 0 when it is there, and the trouble the project's own."""
        if not isinstance(exc, TransportError):
            self._outage.good()
            return 0.0
        try:
            pause_s = await self._outage.wait_s(self._client)
        except ThrottledError as throttled:
            self.found.throttled = throttled
            return 0.0
        self._server_gone = pause_s is None
        return pause_s or 0.0

    async def _pause(self, pause_s: float) -> None:
        until = anyio.current_time() + pause_s
        while not self._over() and (left_s := until - anyio.current_time()) > 0:  # noqa: ASYNC110 -- no event
            await anyio.sleep(min(left_s, _GLANCE_S))

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
