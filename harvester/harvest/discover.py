"""Lists an account: every project by several workers, each listing spooled to disk when it is read.

A project is unread until its listing is read. Nothing of an unread project is ever taken for gone, nor of one
whose listing has rows without a usable id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio.to_thread

from harvester.api import (
    ApiClient,
    BacktestList,
    ProjectList,
    Room,
    fetch_backtests,
    fetch_optimization,
    fetch_projects,
)
from harvester.errors import ApiError
from harvester.harvest.events import Doubted, Listed, Relisted, RunObserver
from harvester.harvest.listings import ListingJob, ListReader
from harvester.harvest.optimizations import Asked, OptimizationReader
from harvester.harvest.plan import Listing, Optimizations
from harvester.harvest.spool import Merged, Spool
from harvester.model import Backtest, Project, UnreadProject

_EXAMPLES: Final = 20
"""Rows without a usable id that are named; all are counted."""
_SHOWN: Final = 3
"""Of those rows in one message."""
_MOST_CHARS: Final = 300
"""Length of a reason, which every line of the Inventory that it concerns repeats."""
_NOT_REACHED: Final = "the run ended before it was its turn"
_EMPTY_ONCE: Final = "it was listed without backtests, and the run ended before a second list confirmed that"
_WITHHELD: Final = "more than half of what is archived would be gone at once"


@dataclass
class Discovery:
    """What was listed, and what was not."""

    projects: int = 0
    listed: set[int] = field(default_factory=set)
    """Ids of the projects for which backtests were listed."""
    unread: dict[int, UnreadProject] = field(default_factory=dict)
    known: bool = False
    """Whether the list of projects was read; without it there is nothing to make a Snapshot of."""
    unproven: str = ""
    """Why that list may lack some; empty: it is proven complete."""
    bad_projects: str = ""
    """What is wrong with its rows that have no usable id; empty: all have one."""
    bad_backtests: dict[int, str] = field(default_factory=dict)
    """What is wrong with the rows of listed projects that have no usable id, by project id."""
    bad_rows: int = 0
    """Rows without a usable id, of projects and of backtests."""
    bad_row_examples: list[str] = field(default_factory=list)
    withheld_gone: int = 0
    """Reports that are missing, too many at once for any of them to become gone."""
    failed: set[int] = field(default_factory=set)
    """Unread projects for which the listing was requested and failed."""
    optimizations: OptimizationReader | None = None
    """Has the backtests that only their optimizations name; None: no optimization was requested."""

    @property
    def partial(self) -> bool:
        """Whether something may be missing, apart from what the run did not reach."""
        unread = self.optimizations is not None and self.optimizations.failed
        return bool(self.failed or self.unproven or self.bad_rows or self.withheld_gone or unread)

    def note_bad_rows(self, rows: Sequence[str], where: str) -> str:
        """Count the rows without a usable id of one list; returns what is wrong, empty if there are none."""
        if not rows:
            return ""
        self.bad_rows += len(rows)
        room = _EXAMPLES - len(self.bad_row_examples)
        self.bad_row_examples += [f"{where}: {row}" for row in rows[:room]]
        more = ", ..." if len(rows) > _SHOWN else ""
        return f"{where}: rows without a usable id: {len(rows)} ({', '.join(rows[:_SHOWN])}{more})"

    def listing(
        self, spool: Spool, orphans: Mapping[int, Sequence[tuple[Project, Backtest]]] | None = None
    ) -> Listing:
        """What was listed, as the plan takes it."""
        unread = {project_id: unread.error for project_id, unread in self.unread.items()}
        reader = self.optimizations
        return Listing(
            self.listed,
            lambda project_id: self._load(spool, project_id),
            unread,
            orphans or {},
            optimizations=reader.known if reader else lambda _: Optimizations(),
            unproven=self.unproven or self.bad_projects,
            bad_rows=self.bad_backtests,
            withheld=_WITHHELD if self.withheld_gone else "",
        )

    def _load(self, spool: Spool, project_id: int) -> tuple[Project, Collection[Backtest]]:
        """A project's backtests: those of its listing, and those that only an optimization names."""
        project, backtests = spool.load_listing(project_id)
        more: dict[str, Backtest] = {}
        for backtest in self.optimizations.load(project_id) if self.optimizations else ():
            more.setdefault(backtest.backtest_id, backtest)
        if more:
            for listed in backtests:
                more.pop(listed.backtest_id, None)
        return project, Merged(backtests, list(more.values())) if more else backtests


class Discoverer:
    """Lists an Account into a spool."""

    def __init__(
        self,
        client: ApiClient,
        *,
        lists: ListReader,
        spool: Spool,
        observer: RunObserver,
        optimizations: OptimizationReader | None = None,
        expected: Set[int] = frozenset(),
    ) -> None:
        """Keep what it works with.

        Args:
            client: Sends the requests.
            lists: Reads the lists with several workers, until a stop is requested.
            spool: Keeps what was listed.
            observer: Receives an event for each list.
            optimizations: Reads the optimizations of listed projects; None: nobody does.
            expected: Projects that had backtests before; an empty list of one is read a second time.
        """
        self._client = client
        self._lists = lists
        self._spool = spool
        self._observer = observer
        self._expected = set(expected)
        self.found = Discovery(optimizations=optimizations)
        """What was listed so far; a project is unread until it is listed."""

    async def discover(self, workers: int) -> Discovery:
        """List everything; ends early when a stop is requested.

        Raises:
            ApiError: the projects cannot be listed.
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        found = await fetch_projects(self._client)
        self._doubt_projects(found)
        self.found.projects = len(found.projects)
        for project in found.projects:
            self._mark_unread(project, _NOT_REACHED)
            self._add(project)
        self.found.known = True
        await self._lists.run(workers)
        return self.found

    def _add(self, project: Project) -> None:
        self._lists.add(ListingJob(partial(self._list, project), partial(self._record_failure, project)))

    def _mark_unread(self, project: Project, why: str) -> None:
        self.found.unread[project.project_id] = UnreadProject(project.project_id, project.name, why)

    def _doubt_projects(self, found: ProjectList) -> None:
        if found.unproven:
            why = found.unproven[:_MOST_CHARS]
            self.found.unproven = f"the list of projects is not proven complete: {why}"
            self._observer.notify(Doubted(reason=self.found.unproven))
        self.found.bad_projects = self.found.note_bad_rows(found.bad_rows, "projects/read")
        if self.found.bad_projects:
            self._observer.notify(Doubted(reason=self.found.bad_projects))

    def _doubt_backtests(self, project_id: int, listed: BacktestList) -> None:
        if listed.bad_rows and project_id not in self.found.bad_backtests:
            bad = self.found.note_bad_rows(listed.bad_rows, f"project {project_id}")
            self.found.bad_backtests[project_id] = bad
            self._observer.notify(Doubted(reason=bad))

    async def relist(
        self, places: Iterable[tuple[int, str]], workers: int
    ) -> dict[tuple[int, str], frozenset[str]]:
        """List some projects and optimizations again, at the end of a run.

        Args:
            places: Project and optimization id; an empty one means the project's own listing.
            workers: Calls in flight at once.

        Returns:
            The ids of the backtests that each of them has now. What cannot be listed, or has a row without
            a usable id, is left out.

        Raises:
            AuthenticationError: no further call has a point (in an ExceptionGroup).
        """
        found: dict[tuple[int, str], frozenset[str]] = {}

        async def relist(place: tuple[int, str]) -> None:
            project_id, optimization_id = place
            with self._client.budget.room() as room:
                backtests, whole = await self._fetch_again(project_id, optimization_id, room)
                if whole:
                    found[place] = frozenset(backtest.backtest_id for backtest in backtests)
                count = len(backtests)
            self._observer.notify(Relisted(project_id=project_id, backtests=count))

        def record_failure(project_id: int, exc: ApiError, wait_s: float) -> None:
            event = Relisted(project_id=project_id, backtests=0, error=str(exc), wait_s=wait_s)
            self._observer.notify(event)

        for place in sorted(places):
            self._lists.add(ListingJob(partial(relist, place), partial(record_failure, place[0])))
        await self._lists.run(workers)
        return found

    async def _fetch_again(
        self, project_id: int, optimization_id: str, room: Room
    ) -> tuple[Collection[Backtest], bool]:
        """Some backtests as they are listed now, and whether none of them can be missing."""
        if optimization_id:
            return (await fetch_optimization(self._client, project_id, optimization_id)).backtests, True
        listed = await fetch_backtests(self._client, project_id, room=room)
        self._doubt_backtests(project_id, listed)  # each bad row may be the one that was not found
        return listed.backtests, not listed.bad_rows

    async def _list(self, project: Project) -> None:
        project_id = project.project_id
        with self._client.budget.room() as room:
            count = await self._read(project, room)
        if count is None:
            # One wrong answer must not make a whole project gone: a second, later one has to agree.
            self._expected.discard(project_id)
            self._mark_unread(project, _EMPTY_ONCE)
            self._add(project)
            return
        self.found.unread.pop(project_id, None)
        self.found.failed.discard(project_id)
        self.found.listed.add(project_id)
        self._report(project_id, count, "")

    async def _read(self, project: Project, room: Room) -> int | None:
        """Read and spool one listing; returns how many backtests it has, None: it has to be read again."""
        project_id = project.project_id
        listed = await fetch_backtests(self._client, project_id, room=room)
        if project_id in self._expected and not (listed.backtests or listed.bad_rows):
            return None
        asked = await anyio.to_thread.run_sync(self._spool_listing, project, listed.backtests)
        if self.found.optimizations is not None and asked is not None:
            # In the event loop and not in the thread: it adds to the queue of the workers.
            self.found.optimizations.ask(asked)
        self._doubt_backtests(project_id, listed)
        return len(listed.backtests)

    def _spool_listing(self, project: Project, backtests: Collection[Backtest]) -> Asked | None:
        """Keep a listing until the run ends; returns what to request of its optimizations. Blocks."""
        self._spool.save_listing(project, backtests)
        if self.found.optimizations is None:
            return None
        # From the spool, for a large answer is parsed each time that it is gone through.
        if not isinstance(backtests, list):
            _, backtests = self._spool.load_listing(project.project_id)
        return self.found.optimizations.examine(project, backtests)

    def _record_failure(self, project: Project, exc: ApiError, wait_s: float) -> None:
        self._mark_unread(project, str(exc))
        self.found.failed.add(project.project_id)
        self._report(project.project_id, 0, str(exc), wait_s)

    def _report(self, project_id: int, backtests: int, error: str, wait_s: float = 0.0) -> None:
        self._observer.notify(
            Listed(
                project_id=project_id,
                backtests=backtests,
                projects=self.found.projects,
                error=error,
                wait_s=wait_s,
            )
        )
