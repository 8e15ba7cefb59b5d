"""Instructions for `PartialSnapshot.fill`: an Inventory entry and where its files come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from harvester.model import InventoryEntry, ReportRecord


class Source(Enum):
    """Where the files of an Inventory entry come from."""

    FRESH = "fresh"
    """Their directory is in the partial already: `save_report` or `keep_report` has put it there."""
    CARRIED = "carried"
    """All linked from the previous Snapshot."""
    NONE = "none"
    """Nothing is archived."""


@dataclass(frozen=True)
class Damage:
    """A report that cannot be carried."""

    entry: InventoryEntry
    """Its line in the previous Snapshot."""
    why: str
    """What is wrong; names the file."""
    files: dict[str, str]
    """What it should hold: names below its directory and their sha256."""

    @property
    def key(self) -> tuple[int, str]:
        """The pair that addresses a backtest."""
        return (self.entry.project_id, self.entry.backtest_id)


@dataclass(frozen=True)
class Placement:
    """One Inventory entry and where its files come from."""

    entry: InventoryEntry
    """Complete but for what `fill` sees on disk: path, files, payload_bytes, images, report_sha256."""
    source: Source
    earlier: InventoryEntry | None = None
    """CARRIED: the entry of the previous Snapshot."""
    record: ReportRecord | None = None
    """CARRIED under a new name: the `report.json` that goes with it."""
    copy: Path | None = None
    """CARRIED from this directory, because the one in the previous Snapshot is damaged."""
