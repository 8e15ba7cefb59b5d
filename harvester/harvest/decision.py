"""What is to be done about one backtest: five cases, which `plan` tells apart and `settle` ends.

| case          | row     | in a list of this run    | what follows                          |
|---------------|---------|--------------------------|---------------------------------------|
| `FetchReport` | known   | yes                      | its report is requested               |
| `NoRequest`   | known   | yes                      | carried, skipped, unavailable or lost |
| `Orphan`      | known   | no                       | kept: an interrupted run has read it  |
| `AsBefore`    | unknown | no, which proves nothing | its line stays as it was              |
| `Gone`        | unknown | no, which is proven      | carried and marked as gone            |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from harvester.model import Backtest, InventoryEntry, Outcome, Project

NO_LONGER_LISTED: Final = "no longer listed"


@dataclass(frozen=True)
class _OfRow:
    """A decision about a backtest with a known row."""

    project: Project
    backtest: Backtest
    earlier: InventoryEntry | None
    """Its line in the previous Snapshot."""

    @property
    def key(self) -> tuple[int, str]:
        """Project and backtest id."""
        return (self.project.project_id, self.backtest.backtest_id)

    @property
    def name(self) -> str:
        """The backtest's name."""
        return self.backtest.name

    @property
    def order(self) -> tuple[str, str]:
        """Its place within its project's part of the Inventory."""
        return (self.backtest.created, self.backtest.backtest_id)


@dataclass(frozen=True)
class FetchReport(_OfRow):
    """Listed, and its report is to be requested."""

    urgent: bool = False
    """It was still pending last time, so it is first in line."""
    listed: ClassVar = True
    gone: ClassVar = False


@dataclass(frozen=True)
class NoRequest(_OfRow):
    """Listed, and its Outcome is decided without a request."""

    outcome: Outcome = Outcome.CARRIED
    reason: str = ""
    listed: ClassVar = True
    gone: ClassVar = False


@dataclass(frozen=True)
class Orphan(_OfRow):
    """Read by an interrupted run of this Snapshot and not listed since: ours may be the only copy."""

    reason: str
    gone: bool
    """It is missing from a listing that is proven complete."""
    outcome: ClassVar = Outcome.SAVED
    listed: ClassVar = False


@dataclass(frozen=True)
class _OfEntry:
    """A decision about a backtest of the previous Snapshot that no list of this run has."""

    project: Project
    earlier: InventoryEntry
    """Its line in the previous Snapshot."""
    outcome: Outcome
    backtest: ClassVar[Backtest | None] = None

    @property
    def key(self) -> tuple[int, str]:
        """Project and backtest id."""
        return (self.project.project_id, self.earlier.backtest_id)

    @property
    def name(self) -> str:
        """The backtest's name."""
        return self.earlier.name

    @property
    def order(self) -> tuple[str, str]:
        """Its place within its project's part of the Inventory."""
        return (self.earlier.created, self.earlier.backtest_id)


@dataclass(frozen=True)
class AsBefore(_OfEntry):
    """It may exist all the same, so its line stays as it was."""

    reason: str
    listed: bool = False
    """It counts as listed: nothing has changed since its optimization named it."""
    gone: ClassVar = False


@dataclass(frozen=True)
class Gone(_OfEntry):
    """It is missing from a listing that is proven complete."""

    reason: ClassVar = NO_LONGER_LISTED
    listed: ClassVar = False
    gone: ClassVar = True


Decision = FetchReport | NoRequest | Orphan | AsBefore | Gone
"""What is to be done about one backtest."""
