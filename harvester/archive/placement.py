"""Instructions for `PartialSnapshot.fill`: an Inventory entry and where its files come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harvester.model import InventoryEntry, ReportRecord


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
class Fresh:
    """Its directory is in the partial Snapshot already: `save_report` or `keep_report` has put it there."""

    entry: InventoryEntry
    """Complete but for what `fill` sees on disk: path, files, payload_bytes, images, report_sha256."""


@dataclass(frozen=True)
class Carried:
    """All of its files are linked from the previous Snapshot."""

    entry: InventoryEntry
    """Complete but for what `fill` sees on disk: path, files, payload_bytes, images, report_sha256."""
    earlier: InventoryEntry
    """Its line in the previous Snapshot."""
    record: ReportRecord | None = None
    """The `report.json` that goes with it under a new name; None: it keeps its own."""
    copy: Path | None = None
    """The directory to link instead, because the one in the previous Snapshot is damaged."""


@dataclass(frozen=True)
class Absent:
    """Nothing of it is archived."""

    entry: InventoryEntry
    """Complete; path and sizes are left out of the Inventory whatever they are."""


Placement = Fresh | Carried | Absent
"""What `fill` needs to know about one Inventory entry: where its files come from."""
