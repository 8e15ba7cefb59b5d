"""A committed Snapshot, to be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import CorruptArchiveError
from harvester.format import (
    INVENTORY,
    REPORT_JSON,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    file_sha256,
    is_file_name,
    load_inventory,
    load_projects,
    load_record,
)
from harvester.model import InventoryEntry, Previous, ReportRecord, SnapshotRecord


@dataclass(frozen=True)
class Snapshot:
    """One dated run, complete in itself, never changed."""

    name: str
    path: Path

    def record(self) -> SnapshotRecord:
        """Its `snapshot.json`.

        Raises:
            CorruptArchiveError: it is missing, damaged, or another Snapshot's.
        """
        path = self.path / SNAPSHOT_FILE
        record = load_record(path, SnapshotRecord)
        if record.name != self.name:
            raise CorruptArchiveError(
                f"{path} is that of Snapshot {record.name!r}: the directory was renamed"
            )
        return record

    def inventory(self) -> Iterator[InventoryEntry]:
        """Every entry, as a stream in the order of keys.

        Raises:
            CorruptArchiveError: it is missing, or a line is damaged or out of order; names the line.
        """
        return load_inventory(self.path / INVENTORY)

    def projects(self) -> Iterator[tuple[int, Collection[InventoryEntry]]]:
        """The entries of one project after another, by project id; they can be gone through repeatedly.

        Raises:
            CorruptArchiveError: as `inventory`.
        """
        return load_projects(self.path / INVENTORY)

    def report(self, entry: InventoryEntry) -> ReportRecord:
        """The `report.json` of an archived entry.

        Raises:
            CorruptArchiveError: it is missing, damaged, or another backtest's.
        """
        path = self.file(entry, REPORT_JSON)
        record = load_record(path, ReportRecord)
        if (record.project.project_id, record.backtest.backtest_id) != (entry.project_id, entry.backtest_id):
            raise CorruptArchiveError(f"{path} is that of backtest {record.backtest.backtest_id!r}")
        return record

    def file(self, entry: InventoryEntry, name: str) -> Path:
        """Where a file of an archived entry is: `report.html`, `images/01-monthly-returns.png`."""
        if not entry.archived or not all(is_file_name(part) for part in name.split("/", 1)):
            raise CorruptArchiveError(
                f"Snapshot {self.name} has no file {name!r} of backtest {entry.backtest_id}"
            )
        return self.path / entry.path / name

    def reference(self) -> Previous:
        """Name and digest, by which the next Snapshot names this one."""
        return Previous(self.name, file_sha256(self.path / TAGMANIFEST)[0])
