"""Writes the content of a partial Snapshot: Inventory and Manifest as streams, and the files they list."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from harvester.archive.advice import explain
from harvester.archive.carrying import Carry, Linker
from harvester.archive.disk import Disk
from harvester.archive.links import LinkMode
from harvester.archive.lists import Base, CheckedSnapshot
from harvester.archive.new_file import NewFile
from harvester.archive.placement import Absent, Carried, Damage, Fresh, Placement
from harvester.archive.reports import check_directories, manifest_lines, path_of
from harvester.archive.store import Store
from harvester.errors import CorruptArchiveError, DamagedReportError, DiskError
from harvester.format import (
    INVENTORY,
    MANIFEST,
    PAYLOAD,
    REPORT_JSON,
    ManifestBlock,
    ManifestCursor,
    load_bytes,
    parse_record,
    render_entry,
    render_record,
    report_path,
)
from harvester.model import InventoryEntry, Outcome, ReportRecord


@dataclass(frozen=True)
class SnapshotContext:
    """Where a partial Snapshot is made and what it is built on."""

    store: Store
    base: Base
    mode: LinkMode
    """How unchanged files get into it."""
    notes: tuple[str, ...] = ()
    """What was found and set aside, for the user."""

    @property
    def root(self) -> Path:
        """The Archive's directory."""
        return self.store.root

    @property
    def disk(self) -> Disk:
        """What changes it."""
        return self.store.disk

    @property
    def previous(self) -> CheckedSnapshot | None:
        """The Snapshot that this one is built on."""
        return self.base.snapshot


@dataclass
class Totals:
    """Sizes of a partial Snapshot so far; the fields are those of its record."""

    files: int = 0
    payload_bytes: int = 0
    written_bytes: int = 0


class ContentWriter:
    """The open files, threads and totals of a partial Snapshot, from its first project to the commit."""

    def __init__(self, path: Path, context: SnapshotContext) -> None:
        self.totals = Totals()
        self._path = path
        self._context = context
        self._inventory = NewFile(context.disk, path / INVENTORY)
        self._manifest = NewFile(context.disk, path / MANIFEST)
        self._linker = Linker(context.disk, context.mode)
        self._cursor = ManifestCursor(context.previous.path / MANIFEST) if context.previous else None
        self._project = -1
        """The project that is being added; -1: none yet."""
        self._last: list[tuple[int, str, str]] = []
        """The key of the last entry; empty: none yet."""
        self._placed: dict[str, set[str]] = {}
        """Backtest directories placed so far in each directory of that project."""
        self._projects: set[str] = set()
        """Project directories that have reports in this Snapshot."""
        self._sources: set[str] = set()
        """Project directories of the previous Snapshot that were checked to be directories."""
        self._damaged: list[Damage] = []

    def add_project(
        self, project_id: int, placements: Sequence[Placement], finished: dict[tuple[int, str], str]
    ) -> None:
        """Add a project, or the next portion of it, in the order of its keys.

        `finished` has the paths of reports that an earlier attempt has written.
        """
        self._check_order(project_id, placements)
        # The old Manifest has another order when the API has changed when a backtest was created.
        wanted = {item.earlier.path for item in placements if isinstance(item, Carried)}
        for item in placements:
            if isinstance(item, Absent):
                entry = msgspec.structs.replace(item.entry, path="", files=0, payload_bytes=0, images=0)
                self._inventory.add(render_entry(entry))
                continue
            if isinstance(item, Fresh):
                path = self._add_fresh(item.entry, finished)
            else:
                path = self._add_carried(item, wanted)
            _, project, backtest = path.split("/")
            self._placed.setdefault(project, set()).add(backtest)

    def find_damage(self) -> list[Damage]:
        """Wait for all links; returns the reports that could not be carried. If any, the lists are wrong."""
        self._linker.finish()
        return self._damaged

    def finish(self) -> dict[str, str]:
        """Wait for all links and flush the lists; returns the sha256 of Inventory and Manifest by file name.

        Raises:
            DamagedReportError: a report could not be carried; see `find_damage`.
        """
        damaged = self.find_damage()
        if damaged:
            raise DamagedReportError(damaged[0].why)
        self._end_project()
        self._sweep(self._path / PAYLOAD, keep=self._projects)
        return {MANIFEST: self._manifest.finish(), INVENTORY: self._inventory.finish()}

    def close(self) -> None:
        """Close the files and stop the threads."""
        self._linker.close()
        self._inventory.close()
        self._manifest.close()

    def _check_order(self, project_id: int, placements: Sequence[Placement]) -> None:
        keys = [*self._last, *(item.entry.key for item in placements)]
        in_order = all(before < after for before, after in pairwise(keys))
        if not in_order or project_id < self._project:
            raise ValueError(f"project {project_id} is added out of order")
        if project_id != self._project:
            self._end_project()
        self._project, self._last = project_id, keys[-1:]

    def _end_project(self) -> None:
        """Remove what an interrupted attempt has left in a project that is complete now."""
        for project, backtests in self._placed.items():
            self._sweep(self._path / PAYLOAD / project, keep=backtests)
        self._projects |= self._placed.keys()
        self._placed = {}

    def _add_fresh(self, entry: InventoryEntry, finished: dict[tuple[int, str], str]) -> str:
        path = finished.get((entry.project_id, entry.backtest_id)) or report_path(
            entry.project_id, entry.project, entry.backtest_id, entry.name
        )
        directory = self._path / path
        content = load_bytes(directory / REPORT_JSON)
        record = parse_record(content, ReportRecord, where=str(directory / REPORT_JSON))
        lines, payload_bytes = manifest_lines(directory, path, record, content)
        # An unchanged report was linked by `keep_report`: only its record is new on disk.
        kept = record.outcome is Outcome.UNCHANGED and self._context.mode is not LinkMode.COPY
        self.totals.written_bytes += len(content) if kept else payload_bytes
        seen = msgspec.structs.replace(
            entry,
            path=path,
            files=len(lines),
            payload_bytes=payload_bytes,
            images=len(record.images),
            report_sha256=record.report_sha256,
        )
        self._add(seen, lines)
        return path

    def _add_carried(self, item: Carried, wanted: set[str]) -> str:
        earlier, previous = item.earlier, self._context.previous
        if previous is None or self._cursor is None:
            raise ValueError(
                f"backtest {item.entry.backtest_id} cannot be carried: there is no previous Snapshot"
            )
        block = self._cursor.take(earlier.path, wanted)

        def on_damage(why: str) -> None:
            self._damaged.append(Damage(earlier, why, block.files()))

        try:
            source = item.copy or self._find_source(previous.path, earlier.path)
            path, payload_bytes, moved, content = earlier.path, earlier.payload_bytes, block, None
            if item.record is not None:
                path, old = path_of(item.record), _load_old(source, block)
                content = _as_of(old, item.record)
                moved = block.moved(path, {REPORT_JSON: hashlib.sha256(content).hexdigest()})
                payload_bytes += len(content) - len(old)
        except (CorruptArchiveError, DiskError) as exc:
            # Go on with the others: the caller looks for copies of all that is damaged at once.
            on_damage(str(exc))
            self._make_project_dir(earlier.path)
            return earlier.path
        self._make_project_dir(path)
        self._linker.add(Carry(str(source), f"{self._path}/{path}", moved, content, on_damage))
        copied = self._context.mode is LinkMode.COPY
        self.totals.written_bytes += payload_bytes if copied else len(content or b"")
        seen = msgspec.structs.replace(
            item.entry,
            path=path,
            files=earlier.files,
            payload_bytes=payload_bytes,
            images=earlier.images,
            report_sha256=earlier.report_sha256,
        )
        self._add(seen, moved.lines)
        return path

    def _find_source(self, root: Path, path: str) -> Path:
        """The directory of a report in the previous Snapshot, reached through no link."""
        above = path.rpartition("/")[0]
        if above not in self._sources:
            check_directories(root, above)
            self._sources.add(above)
        return root / path

    def _add(self, entry: InventoryEntry, lines: Sequence[bytes]) -> None:
        self._inventory.add(render_entry(entry))
        self._manifest.add(b"".join(lines))
        self.totals.files += entry.files
        self.totals.payload_bytes += entry.payload_bytes

    def _make_project_dir(self, path: str) -> None:
        _, project, _ = path.split("/")
        if project not in self._projects:
            self._context.disk.make_dir(self._path / PAYLOAD / project)
            self._projects.add(project)

    def _sweep(self, directory: Path, keep: set[str]) -> None:
        """Remove what an interrupted attempt has left here and this one does not use."""
        try:
            names = [path.name for path in directory.iterdir()]
        except OSError as exc:
            raise explain(exc, directory) from exc
        for name in names:
            if name not in keep:
                self._context.disk.remove_tree(directory / name)


def _load_old(source: Path, block: ManifestBlock) -> bytes:
    """The `report.json` of a directory, if it is the one that was recorded."""
    content = load_bytes(source / REPORT_JSON)
    if hashlib.sha256(content).hexdigest() != block.files().get(REPORT_JSON):
        raise DamagedReportError(f"{source / REPORT_JSON} has other bytes than were recorded")
    return content


def _as_of(old: bytes, record: ReportRecord) -> bytes:
    """The new `report.json` of a renamed report; it names the run that read the bytes, as the old one did."""
    run_id = parse_record(old, ReportRecord, where=REPORT_JSON).run_id
    return render_record(msgspec.structs.replace(record, run_id=run_id))
