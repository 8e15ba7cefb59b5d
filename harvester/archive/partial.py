"""A Snapshot while it is being made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from harvester.archive import reports
from harvester.archive.advice import explain
from harvester.archive.commit import publish, seal, write_tags
from harvester.archive.content import ContentWriter, SnapshotContext
from harvester.archive.disk import Disk
from harvester.archive.group_commit import GroupCommit
from harvester.archive.placement import Damage, Placement
from harvester.archive.search import find_copies
from harvester.archive.snapshot import Snapshot
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import (
    AT_ONCE,
    INVENTORY,
    MANIFEST,
    OPTIMIZATIONS,
    PAYLOAD,
    REPORT_JSON,
    RUN,
    SNAPSHOT_FILE,
    Content,
    Span,
    StoredValues,
    mask_errors,
    opened,
    parse_record,
    render_record,
)
from harvester.model import (
    Backtest,
    InventoryEntry,
    OptimizationsRecord,
    Project,
    ReportRecord,
    SnapshotRecord,
)

LISTING: Final = "listing"
"""Below `.run/`: one file for each project that was listed."""
_LISTING_LINE_BYTES: Final = 2**30
"""A listing is our own file and read under the lock; no row is larger than the answer that it comes from."""


Pages = Callable[[Path, Disk], None]
"""Writes `index.html` and `site/` of the Snapshot at the path, through the disk."""


class PartialState(msgspec.Struct, frozen=True):
    """`.run/partial.json`: which run started the partial, for which account and in which format."""

    format: int
    account: str
    run_id: str
    started: str


class ListingHead(msgspec.Struct, frozen=True):
    """The first line of a listing; each further one is a backtest."""

    project: Project
    backtests: int


def _listing_lines(head: ListingHead, backtests: Iterable[Backtest]) -> Iterator[bytes]:
    for value in chain((head,), backtests):
        yield msgspec.json.encode(value) + b"\n"


def _parse_listed(line: bytes, where: str) -> Backtest:
    return parse_record(line, Backtest, where=where)


class PartialSnapshot:
    """A Snapshot while it is being made, under the Archive's lock.

    1. `save_listing`, `save_report` and `keep_report`, in any order and from any thread.
    2. `fill`, for one project after another.
    3. `find_damage`; where there is some, `refill` and step 2 again.
    4. `commit`.
    """

    def __init__(self, name: str, path: Path, state: PartialState, context: SnapshotContext) -> None:
        self.name = name
        self.path = path
        self.run_id = state.run_id
        self.started = state.started
        self.previous = context.previous
        self.notes = context.notes
        """What was found and set aside, for the user."""
        self.passed_over = tuple(context.base.passed_over)
        """Newer Snapshots than the previous one, which are not built on because their lists are damaged."""
        self._context = context
        self._disk = context.disk
        self._finished: dict[tuple[int, str], str] = {}
        self._project_dirs: set[str] = set()
        self._making_dirs = Lock()
        self._content: ContentWriter | None = None
        self._flush = GroupCommit(
            lambda: self._disk.sync_all(path), shared_sync_from=context.disk.shared_sync_from
        )

    def save_listing(self, project: Project, backtests: Collection[Backtest], part: int = 0) -> None:
        """Keep what was listed of a project until the run ends; further parts are those of optimizations."""
        path = self._listing_path(project.project_id, part)
        self._disk.write_temp(path, _listing_lines(ListingHead(project, len(backtests)), backtests))

    def load_listing(self, project_id: int, part: int = 0) -> tuple[Project, Collection[Backtest]]:
        """What `save_listing` kept of a project; many backtests stay on disk until they are gone through."""
        path = self._listing_path(project_id, part)
        with opened(path) as file:
            line = file.readline(_LISTING_LINE_BYTES)
        head = parse_record(line, ListingHead, where=str(path))
        stored = StoredValues(Span(path, len(line), head.backtests), _parse_listed, _LISTING_LINE_BYTES)
        return head.project, list(stored) if head.backtests <= AT_ONCE else stored

    def _listing_path(self, project_id: int, part: int) -> Path:
        name = f"{project_id}.{part}.jsonl" if part else f"{project_id}.jsonl"
        return self.path / RUN / LISTING / name

    def save_optimizations(self, record: OptimizationsRecord) -> None:
        """Write which projects were asked for their optimizations, for the next run; before the commit."""
        self._disk.write(self.path / OPTIMIZATIONS, msgspec.json.encode(record) + b"\n")

    def finished(self) -> dict[tuple[int, str], ReportRecord]:
        """The reports that an interrupted attempt of this run has written, by project and backtest id.

        Every digest is checked; what is damaged or half there is removed. That attempt may have been built on
        another Snapshot, which is lost or damaged by now: each has the Outcome that fits the previous one of
        today. It takes time: call it in a thread.

        Raises:
            DiskError: a file cannot be read, which proves nothing against it.
        """
        found: dict[tuple[int, str], ReportRecord] = {}
        paths = [path for project in _directories(self.path / PAYLOAD) for path in _directories(project)]
        with ThreadPoolExecutor() as threads:
            for path, record in zip(paths, threads.map(self._check, paths), strict=True):
                if record is None:
                    continue
                key = (record.project.project_id, record.backtest.backtest_id)
                if key in found:  # renamed and saved again by a later attempt: one is enough
                    self._disk.remove_tree(path)
                    continue
                found[key] = record
                self._finished[key] = path.relative_to(self.path).as_posix()
        return self._compared(found)

    def _compared(self, found: dict[tuple[int, str], ReportRecord]) -> dict[tuple[int, str], ReportRecord]:
        """Compare records with the previous Snapshot; records with a changed Outcome are written again."""
        earlier = {}
        for entry in self.previous.inventory() if self.previous and found else ():
            key = (entry.project_id, entry.backtest_id)
            if (entry.archived or entry.lost_since) and key in found:
                earlier[key] = entry.report_sha256
        for key, record in found.items():
            compared = reports.compare(record, earlier.get(key))
            if compared != record:
                found[key] = compared
                self._disk.replace(self.path / self._finished[key] / REPORT_JSON, render_record(compared))
        return found

    def _check(self, path: Path) -> ReportRecord | None:
        try:
            return reports.check_report(path, self.run_id)
        except CorruptArchiveError:
            self._disk.remove_tree(path)  # it is read again
            return None
        except DiskError as exc:
            fix = f"fix the disk or its permissions, or remove {path}: that report is then requested again"
            raise DiskError(f"{exc}; {fix}", path=exc.path) from exc

    def save_report(
        self, record: ReportRecord, html: Content, offline: bytes, images: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write one report's directory, whole or not at all; on disk when this returns. Any thread may."""
        files = reports.ReportFiles(record, html, offline, images)
        reports.write_report(self._disk, self._flush, self._target(record), files)

    def keep_report(self, record: ReportRecord, entry: InventoryEntry) -> None:
        """Link a report that was read again and has the bytes of `entry` in the previous Snapshot.

        Raises:
            DamagedReportError: a file in the previous Snapshot is missing or is not what `record` says.
            DiskError: something cannot be written.
        """
        if self.previous is None:
            raise ValueError("there is no previous Snapshot to keep a report of")
        reports.check_directories(self.previous.path, entry.path)
        source = self.previous.path / entry.path
        reports.keep_report(self._disk, self._context.mode, source, self._target(record), record)

    def _target(self, record: ReportRecord) -> Path:
        path = self.path / reports.path_of(record)
        with self._making_dirs:
            if path.parent.name not in self._project_dirs:
                self._disk.make_dir(path.parent)
                self._disk.sync_dir(path.parent.parent)
                self._project_dirs.add(path.parent.name)
        return path

    def fill(self, project_id: int, placements: Sequence[Placement]) -> None:
        """Write one project's part of Inventory and Manifest, and bring in what is carried.

        Projects come in ascending order of their ids, placements in the order of their entries' keys; a large
        project may come in several portions.

        Raises:
            CorruptArchiveError: the previous Snapshot lacks what its Inventory names.
            DiskError: something cannot be written.
        """
        self._open_content().add_project(project_id, placements, self._finished)

    def find_damage(self) -> list[Damage]:
        """Wait until everything carried is linked; returns the reports that could not be carried.

        When there are any, `refill` and fill again with other placements for them.
        """
        return self._open_content().find_damage()

    def refill(self) -> None:
        """Begin again with the first project; what is linked already stays and is checked."""
        self.close()
        self._disk.remove(self.path / INVENTORY)
        self._disk.remove(self.path / MANIFEST)

    def find_copies(self, wanted: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], list[Path]]:
        """Directories of committed Snapshots that should hold these versions of reports, the newest first."""
        return find_copies(self._context.root, wanted)

    def _open_content(self) -> ContentWriter:
        if self._content is None:
            self._content = ContentWriter(self.path, self._context)
        return self._content

    def commit(
        self, record: SnapshotRecord, *, pages: Pages | None = None
    ) -> tuple[Snapshot, SnapshotRecord]:
        """Make a Snapshot of it: tag files, everything to disk, its name, the Ledger line, `latest`.

        Everything else in its directory by now, such as a finished `journal.jsonl`, becomes a tag file.

        Args:
            record: complete but for what only the disk knows: files, bytes, link_mode, name, previous.
            pages: writes `index.html` and `site/` below the path that it is given, where everything but
                BagIt's own files exists already.

        Returns:
            The Snapshot, and the record as it was written.
        """
        content = self._open_content()
        known = content.finish()
        record = msgspec.structs.replace(
            record,
            name=self.name,
            previous=self.previous.reference() if self.previous else None,
            passed_over=self.passed_over,
            link_mode=str(self._context.mode) if self.previous else "",
            files=content.totals.files,
            payload_bytes=content.totals.payload_bytes,
            written_bytes=content.totals.written_bytes,
        )
        record = mask_errors(record)
        self.close()
        self._disk.write(self.path / SNAPSHOT_FILE, render_record(record))
        if pages is not None:
            self._make_pages(pages)
        write_tags(self._disk, self.path, record, known)
        seal(self._context.store, self.name)
        self.notes = (*self.notes, *publish(self._context.store, record))
        return Snapshot(self.name, self._context.root / self.name), record

    def _make_pages(self, pages: Pages) -> None:
        try:
            pages(self.path, self._disk)
        except OSError as exc:
            raise explain(exc, exc.filename or self.path) from exc

    def close(self) -> None:
        """Close files and stop threads, as the end of the lock does; the partial stays on disk."""
        if self._content is not None:
            self._content.close()
            self._content = None


def _directories(path: Path) -> list[Path]:
    try:
        return [child for child in sorted(path.iterdir()) if child.is_dir() and not child.is_symlink()]
    except OSError as exc:
        raise explain(exc, path) from exc
