"""Where listings are kept between the listing and the plan: on disk, or in memory for a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from harvester.model import Backtest, Project


class Spool(Protocol):
    """Keeps what was listed of each project, in parts: 0 is its listing, each further one an optimization."""

    def save_listing(self, project: Project, backtests: Sequence[Backtest], part: int = 0) -> None:
        """Keep one part."""

    def load_listing(self, project_id: int, part: int = 0) -> tuple[Project, list[Backtest]]:
        """Return one part."""


class MemorySpool:
    """Keeps listings as JSON in memory, for a dry run, which writes nothing."""

    def __init__(self) -> None:
        self._listings: dict[tuple[int, int], bytes] = {}

    def save_listing(self, project: Project, backtests: Sequence[Backtest], part: int = 0) -> None:
        """Keep one part."""
        self._listings[project.project_id, part] = msgspec.json.encode((project, backtests))

    def load_listing(self, project_id: int, part: int = 0) -> tuple[Project, list[Backtest]]:
        """Return one part."""
        return msgspec.json.decode(self._listings[project_id, part], type=tuple[Project, list[Backtest]])
