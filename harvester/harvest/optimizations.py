"""Backtests that only an optimization names: for which projects they are requested, and what is answered.

The optimizations of a project are requested if its listing has changed since they were last read whole, if a
backtest that only they name is to be requested, or if everything is refreshed. Otherwise they count as they
were. What is read: first the list of the project's optimizations, then each one that the list or a row names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import anyio.to_thread
import msgspec

from harvester.api import ApiClient, OptimizationChildren, fetch_optimization, fetch_optimizations
from harvester.archive import CheckedSnapshot
from harvester.errors import ApiError, CorruptArchiveError, NotFoundError
from harvester.harvest.events import OptimizationRead, RunObserver
from harvester.harvest.listings import ListingJob, ListReader
from harvester.harvest.plan import Optimizations, Policy, is_older
from harvester.harvest.spool import Spool
from harvester.model import Backtest, InventoryEntry, Outcome, Project, UnreadOptimization

Key = tuple[int, str]
"""Project and optimization id; an empty one means the list of the project's optimizations."""

_RULES: Final = 1
"""Version of `digest_listing`: another one makes every project be asked once more."""
_NEVER: Final = "the run ended before it was its turn"
_DIGEST_BYTES: Final = 6
_MOST_CHARS: Final = 300
"""Of an error; every line of the Inventory that it concerns repeats it."""
_SETTLED: Final = frozenset(
    {Outcome.SAVED, Outcome.UPDATED, Outcome.UNCHANGED, Outcome.CARRIED, Outcome.SKIPPED}
)
"""Outcomes after which the next run requests the report only when its row has changed."""


def digest_listing(project: Project, backtests: Iterable[Backtest], policy: Policy) -> str:
    """What two runs compare to know whether a project's listing has changed.

    Everything that a new optimization may leave a trace in: the project's name and time of change, and each
    backtest's key. Filters are part of it, since with others an unwanted backtest may become wanted.
    """
    rows = sorted((backtest.backtest_id, backtest.change_key) for backtest in backtests)
    wanted = (policy.selection.backtest_filters, policy.include_broken)
    content = msgspec.json.encode((_RULES, project.name, project.modified, wanted, rows))
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:_DIGEST_BYTES]).decode()


def find_due(entries: Iterable[InventoryEntry], policy: Policy) -> set[int]:
    """The projects with a backtest that only its optimization names and that is to be requested again.

    Their optimizations are asked although their listings may be unchanged: only they have its row.
    """
    unlisted = (entry for entry in entries if entry.source and not entry.gone_since)
    return {entry.project_id for entry in unlisted if _is_due(entry, policy)}


def _is_due(entry: InventoryEntry, policy: Policy) -> bool:
    if entry.outcome is Outcome.UNAVAILABLE:
        return is_older(entry.tried_at, policy.retry_unavailable, policy)
    age = policy.refresh_after
    too_old = entry.archived and age is not None and is_older(entry.read_at, age, policy)
    return too_old or entry.outcome not in _SETTLED


@dataclass(frozen=True)
class Before:
    """What the previous Snapshot says about optimizations."""

    digests: Mapping[int, str] = field(default_factory=dict)
    """By project: of the listing with which all of its optimizations were read last."""
    due: Set[int] = frozenset()
    """Projects with a backtest that is to be requested again and that no listing has."""
    holding: Set[int] = frozenset()
    """Projects with at least one listed backtest archived: an empty listing would make all of them gone."""
    note: str = ""
    """Why nothing is known although there is a previous Snapshot."""


def load_before(previous: CheckedSnapshot | None, policy: Policy) -> Before:
    """What the previous Snapshot says; nothing if its record is damaged, and then all are requested again.

    Raises:
        CorruptArchiveError: its Inventory is damaged.
        DiskError: a file cannot be read.
    """
    if previous is None:
        return Before()
    due, holding = set[int](), set[int]()
    for project_id, entries in previous.projects():
        due |= find_due(entries, policy)
        if any(entry.archived and not entry.gone_since and not entry.source for entry in entries):
            holding.add(project_id)
    try:
        return Before(previous.optimizations().digests, due, holding)
    except CorruptArchiveError as exc:
        note = f"{exc}; every project is asked for its optimizations again"
        return Before({}, due, holding, note)


@dataclass
class Asked:
    """A project for which optimizations are requested, and what was read so far."""

    project: Project
    digest: str
    mentioned: tuple[str, ...]
    """Optimization ids in the rows of its listing: their optimizations exist, or existed."""
    over: bool = True
    """Whether none of its optimizations can get further backtests."""
    listed: Set[str] = frozenset()
    """Optimization ids of its list of optimizations."""
    parts: list[int] = field(default_factory=list)
    """Where the spool has the backtests of each optimization that was read."""
    last_part: int = 0
    unread: dict[str, str] = field(default_factory=lambda: {"": _NEVER})
    """Errors by optimization id; an empty id means the list."""


class OptimizationReader:
    """Reads the optimizations of projects that may have new ones, and keeps the answers."""

    def __init__(
        self,
        client: ApiClient,
        *,
        lists: ListReader,
        spool: Spool,
        observer: RunObserver,
        policy: Policy,
        before: Before,
    ) -> None:
        """Keep what it works with; `before` is what the previous Snapshot tells about optimizations."""
        self._client = client
        self._lists = lists
        self._spool = spool
        self._observer = observer
        self._policy = policy
        self._before = before
        self._asked: dict[int, Asked] = {}
        self._failed: set[Key] = set()

    def examine(self, project: Project, backtests: Iterable[Backtest]) -> Asked | None:
        """Return what to ask of a project that was just listed; None: its optimizations are as they were.

        Changes nothing, so that it may run in a worker thread.
        """
        policy, project_id = self._policy, project.project_id
        reason = policy.selection.project_reason(project_id, project.name, project.organization_id)
        if reason or not (policy.optimizations and policy.selection.wants_optimizations):
            return None
        digest = digest_listing(project, backtests, policy)
        unchanged = self._before.digests.get(project_id) == digest
        if unchanged and project_id not in self._before.due and policy.refresh_after != timedelta(0):
            return None
        mentioned = dict.fromkeys(backtest.optimization_id for backtest in backtests)
        return Asked(project, digest, tuple(filter(None, mentioned)))

    def ask(self, asked: Asked) -> None:
        """Read the optimizations of a project later, always after the lists that wait already.

        First their list, then each of them.
        """
        project_id = asked.project.project_id
        self._asked[project_id] = asked
        self._add((project_id, ""), self._list)

    def _add(self, key: Key, read: Callable[[Key], Awaitable[None]]) -> None:
        self._lists.add(ListingJob(partial(read, key), partial(self._note_failure, key)))

    async def _list(self, key: Key) -> None:
        asked = self._asked[key[0]]
        found = await fetch_optimizations(self._client, key[0])
        asked.listed = frozenset(found)
        asked.unread = dict.fromkeys((*found, *asked.mentioned), _NEVER)
        self._note_success(key, len(found))
        for optimization_id in asked.unread:
            self._add((key[0], optimization_id), self._read)

    async def _read(self, key: Key) -> None:
        project_id, optimization_id = key
        asked = self._asked[project_id]
        try:
            read = await fetch_optimization(self._client, project_id, optimization_id)
        except NotFoundError:
            # Listed and yet not found: not proven to be deleted.
            if optimization_id in asked.listed:
                raise
            read = OptimizationChildren([], over=True)  # deleted; its backtests are listed nevertheless
        asked.last_part = part = asked.last_part + 1
        await anyio.to_thread.run_sync(self._spool.save_listing, asked.project, read.backtests, part)
        asked.parts.append(part)
        asked.over = asked.over and read.over
        del asked.unread[optimization_id]
        self._note_success(key, len(read.backtests))

    def _note_success(self, key: Key, found: int) -> None:
        self._failed.discard(key)
        self._observer.notify(OptimizationRead(project_id=key[0], optimization_id=key[1], found=found))

    def _note_failure(self, key: Key, exc: ApiError, wait_s: float) -> None:
        project_id, optimization_id = key
        self._failed.add(key)
        self._asked[project_id].unread[optimization_id] = f"{exc!s:.{_MOST_CHARS}}"
        event = OptimizationRead(
            project_id=project_id, optimization_id=optimization_id, found=0, error=str(exc), wait_s=wait_s
        )
        self._observer.notify(event)

    @property
    def failed(self) -> bool:
        """Whether something was requested and could not be read."""
        return bool(self._failed)

    def unread(self) -> tuple[UnreadOptimization, ...]:
        """What could not be read, by project."""
        return tuple(
            UnreadOptimization(project_id, asked.project.name, optimization_id, error)
            for project_id, asked in sorted(self._asked.items())
            for optimization_id, error in asked.unread.items()
        )

    def known(self, project_id: int) -> Optimizations:
        """How far a project's optimizations are known, as the plan needs it."""
        asked = self._asked.get(project_id)
        if asked is None:
            return Optimizations(asked=False, off=not self._policy.optimizations)
        return Optimizations(unread=asked.unread)

    def load(self, project_id: int) -> list[Backtest]:
        """The backtests that the optimizations of a project name, from the spool."""
        asked = self._asked.get(project_id)
        parts = asked.parts if asked is not None else []
        return [backtest for part in parts for backtest in self._spool.load_listing(project_id, part)[1]]

    def digests(self, projects: Set[int], *, finished: bool) -> dict[int, str]:
        """Return what the next run compares with: a digest of each project that has been read completely.

        Args:
            projects: Ids of the projects in the account.
            finished: Whether the run has also requested all that it wanted. If not, what it read is
                forgotten, so that the next run asks again and sees what is still to be requested.
        """
        found = {n: digest for n, digest in self._before.digests.items() if n not in self._asked}
        if finished:
            read = (asked for asked in self._asked.values() if asked.over and not asked.unread)
            found |= {asked.project.project_id: asked.digest for asked in read}
        return {project_id: found[project_id] for project_id in sorted(found) if project_id in projects}
