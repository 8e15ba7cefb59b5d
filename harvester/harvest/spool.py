"""Where listings are kept between the listing and the plan: on disk, or in memory for a dry run."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import msgspec

from harvester.model import Backtest, Project


class Spool(Protocol):
    """Keeps what was listed of each project, in parts: 0 is its listing, every other one an optimization."""

    def save_listing(self, project: Project, backtests: Collection[Backtest], part: int = 0) -> None:
        """Keep one part."""

    def load_listing(self, project_id: int, part: int = 0) -> tuple[Project, Collection[Backtest]]:
        """Return one part; many backtests may stay on disk until they are gone through."""


class Merged(Collection[Backtest]):
    """A listing, and further backtests in their places between those of the listing."""

    def __init__(self, listed: Collection[Backtest], more: Iterable[Backtest]) -> None:
        self._listed = listed
        self._more = sorted(more, key=_place)

    def __len__(self) -> int:
        return len(self._listed) + len(self._more)

    def __contains__(self, backtest: object) -> bool:
        return any(backtest == own for own in self)

    def __iter__(self) -> Iterator[Backtest]:
        return heapq.merge(self._listed, self._more, key=_place)


def _place(backtest: Backtest) -> tuple[str, str]:
    return (backtest.created, backtest.backtest_id)


class MemorySpool:
    """Keeps listings as JSON in memory, for a dry run, which writes nothing."""

    def __init__(self) -> None:
        self._listings: dict[tuple[int, int], bytes] = {}

    def save_listing(self, project: Project, backtests: Collection[Backtest], part: int = 0) -> None:
        """Keep one part."""
        self._listings[project.project_id, part] = msgspec.json.encode((project, list(backtests)))

    def load_listing(self, project_id: int, part: int = 0) -> tuple[Project, list[Backtest]]:
        """Return one part."""
        return msgspec.json.decode(self._listings[project_id, part], type=tuple[Project, list[Backtest]])
