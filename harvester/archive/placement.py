"""What `fill` is told: an Inventory entry and where its files come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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
class Placement:
    """One Inventory entry and where its files come from."""

    entry: InventoryEntry
    """Complete but for what `fill` sees on disk: path, files, payload_bytes, images, report_sha256."""
    source: Source
    earlier: InventoryEntry | None = None
    """CARRIED: the entry of the previous Snapshot."""
    record: ReportRecord | None = None
    """CARRIED under a new name: the `report.json` that goes with it."""
