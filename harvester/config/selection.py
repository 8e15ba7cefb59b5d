"""The filters of settings and arguments as one pure predicate over projects and backtests.

It is here and not in `harvest` because `audit` and `cli` select by these filters too.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from harvester.config.settings import FilterSettings
from harvester.model import RECYCLE_BIN, Backtest, InventoryEntry
from harvester.text import parse_moment, render_moment


class Selection:
    """Returns why a project or backtest is left out; an empty reason means that it is wanted."""

    def __init__(self, filters: FilterSettings) -> None:
        self._filters = filters
        self._after = _moment(filters.created_after)
        self._before = _moment(filters.created_before)

    @property
    def wants_optimizations(self) -> bool:
        """Whether backtests of optimizations are wanted at all."""
        return self._filters.optimizations

    @property
    def backtest_filters(self) -> tuple[object, ...]:
        """The filters that decide between backtests of the same project, for comparison."""
        filters = self._filters
        return (filters.names, filters.tags, filters.optimizations, self._after, self._before)

    def project_reason(self, project_id: int, name: str, organization_id: str) -> str:
        """Return why no backtest of this project is wanted; empty if some are."""
        filters = self._filters
        if name.startswith(RECYCLE_BIN) and not filters.recycle_bin:
            return "its project is in the recycle bin"
        if filters.projects and not _project_matches(filters.projects, project_id, name):
            return "its project is not among the selected ones"
        if _project_matches(filters.exclude_projects, project_id, name):
            return "its project is excluded"
        if filters.organizations and organization_id not in filters.organizations:
            return "its organization is not among the selected ones"
        return ""

    def backtest_reason(self, backtest: Backtest | InventoryEntry) -> str:
        """Return why this backtest is not wanted, whatever its project is; empty if it is wanted."""
        filters = self._filters
        if filters.names and not _any_glob(filters.names, backtest.name):
            return "its name is not among the selected ones"
        if filters.tags and not set(filters.tags) & set(backtest.tags):
            return "it has none of the selected tags"
        if backtest.optimization_id and not filters.optimizations:
            return "it belongs to an optimization"
        if self._after and (not backtest.created or backtest.created < self._after):
            return f"it was created before {filters.created_after}"
        if self._before and (not backtest.created or backtest.created >= self._before):
            return f"it was not created before {filters.created_before}"
        return ""

    def wants(self, entry: InventoryEntry) -> bool:
        """Whether both an archived backtest and its project are wanted."""
        return not (
            self.project_reason(entry.project_id, entry.project, entry.organization_id)
            or self.backtest_reason(entry)
        )


def _project_matches(patterns: Iterable[str], project_id: int, name: str) -> bool:
    # Digits are an id and never a glob, so that 12 does not select a project named 12.
    texts = tuple(patterns)
    return str(project_id) in texts or _any_glob([text for text in texts if not text.isdigit()], name)


def _any_glob(patterns: Iterable[str], name: str) -> bool:
    # `fnmatch` itself ignores case on some systems only.
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _moment(text: str) -> str:
    """Return a validated setting in the form of `Backtest.created`, so that texts compare as times."""
    return render_moment(parse_moment(text)) if text else ""
