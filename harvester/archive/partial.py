"""A Snapshot while it is being made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from harvester.archive import placing
from harvester.archive.bag import file_sha256
from harvester.archive.commit import Totals, publish, seal, write_tags
from harvester.archive.disk import Disk, LinkMode, explain
from harvester.archive.inventory import render_entry
from harvester.archive.layout import (
    IMAGES,
    INVENTORY,
    MANIFEST,
    OFFLINE_HTML,
    PAYLOAD,
    REPORT_HTML,
    REPORT_JSON,
    RUN,
    report_path,
)
from harvester.archive.linking import Linker
from harvester.archive.manifest import ManifestCursor, NewFile
from harvester.archive.placing import Carry, Placement, ReportFiles, Source
from harvester.archive.reading import load_bytes, load_record, parse_record
from harvester.archive.snapshot import Snapshot
from harvester.errors import CorruptArchiveError, DiskError
from harvester.model import Backtest, InventoryEntry, Outcome, Project, ReportRecord, SnapshotRecord

LISTING: Final = "listing"
"""Below `.run/`: one file for each project that was listed."""


class PartialState(msgspec.Struct, frozen=True):
    """`.run/partial.json`: whose partial it is."""

    format: int
    account: str
    run_id: str
    started: str


class Listing(msgspec.Struct, frozen=True):
    """One project as listed, kept on disk so that memory does not grow with the account."""

    project: Project
    backtests: list[Backtest]


@dataclass(frozen=True)
class Base:
    """What a partial Snapshot stands on."""

    root: Path
    disk: Disk
    previous: Snapshot | None
    mode: LinkMode
    notes: tuple[str, ...] = ()


class PartialSnapshot:
    """A Snapshot while it is being made, under the Archive's lock.

    First reports are saved, in any order and by any thread. Then `fill` is called for one project after
    another, and `commit` makes a Snapshot of it.
    """

    def __init__(self, name: str, path: Path, state: PartialState, base: Base) -> None:
        self.name = name
        self.path = path
        self.run_id = state.run_id
        self.started = state.started
        self.previous = base.previous
        self.notes = base.notes
        """What was found and set aside when this one was begun, for the user."""
        self._base = base
        self._disk = base.disk
        self._totals = Totals()
        self._moved: dict[tuple[int, str], str] = {}
        self._project_dirs: set[str] = set()
        self._filled_dirs: set[str] = set()
        self._making_dirs = Lock()
        self._filling: _Filling | None = None

    # -- listings ---------------------------------------------------------------------------------

    def save_listing(self, project: Project, backtests: Sequence[Backtest]) -> None:
        """Keep what was listed of a project until the run ends."""
        listing = Listing(project, list(backtests))
        self._disk.scratch(self._listing_path(project.project_id), msgspec.json.encode(listing))

    def load_listing(self, project_id: int) -> tuple[Project, list[Backtest]]:
        """What `save_listing` kept of a project."""
        path = self._listing_path(project_id)
        listing = parse_record(load_bytes(path, 2**31), Listing, where=str(path))
        return listing.project, listing.backtests

    def listed_projects(self) -> list[int]:
        """The ids of the projects of which a listing is kept, in order."""
        return sorted(int(path.stem) for path in (self.path / RUN / LISTING).glob("*.json"))

    def _listing_path(self, project_id: int) -> Path:
        return self.path / RUN / LISTING / f"{project_id}.json"

    # -- reports ----------------------------------------------------------------------------------

    def finished(self) -> dict[tuple[int, str], ReportRecord]:
        """The reports that an earlier, cut-off attempt of this run has written, by project and backtest id.

        Every digest is checked; what is damaged or half there is removed. It takes time: call it in a thread.
        """
        found: dict[tuple[int, str], ReportRecord] = {}
        directories = [
            path for project in _directories(self.path / PAYLOAD) for path in _directories(project)
        ]
        with ThreadPoolExecutor(4) as threads:
            for path, record in zip(directories, threads.map(self._check_finished, directories), strict=True):
                if record is None:
                    continue
                key = (record.project.project_id, record.backtest.backtest_id)
                if key in found:  # saved twice under two names: one is enough
                    self._disk.remove_tree(path)
                    continue
                found[key] = record
                relative = path.relative_to(self.path).as_posix()
                if relative != _path_of(record):
                    self._moved[key] = relative
        return found

    def _check_finished(self, path: Path) -> ReportRecord | None:
        """The record of a directory that this run has written; a damaged directory is removed."""
        try:
            record = load_record(path / REPORT_JSON, ReportRecord)
            if record.run_id != self.run_id:
                return None  # linked from the previous Snapshot; `fill` looks at it
            wanted = _digests(record)
            if {*wanted, REPORT_JSON} == set(placing.file_names(path)) and all(
                file_sha256(path / name)[0] == sha256 for name, sha256 in wanted.items()
            ):
                return record
        except (CorruptArchiveError, DiskError):
            pass  # half written or damaged: it is read again
        self._disk.remove_tree(path)
        return None

    def save_report(
        self, record: ReportRecord, html: bytes, offline: bytes, images: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write one report's directory, whole or not at all; on disk when this returns. Any thread may."""
        target = self._target(record)
        placing.write_report(self._disk, target, ReportFiles(record, html, offline, images))

    def keep_report(self, record: ReportRecord, entry: InventoryEntry) -> None:
        """The same for a report whose bytes, read again, are those of `entry` in the previous Snapshot."""
        if self.previous is None:
            raise ValueError("there is no previous Snapshot to keep a report of")
        source = self.previous.path / entry.path
        placing.keep_report(self._disk, self._base.mode, source, self._target(record), record)

    def _target(self, record: ReportRecord) -> Path:
        path = self.path / _path_of(record)
        self._make_project_dir(path.parent)
        return path

    def _make_project_dir(self, path: Path) -> None:
        with self._making_dirs:
            if path.name not in self._project_dirs:
                self._disk.make_dir(path)
                self._disk.sync_dir(path.parent)
                self._project_dirs.add(path.name)

    # -- filling ----------------------------------------------------------------------------------

    def fill(self, project_id: int, placements: Sequence[Placement]) -> None:
        """Write one project's part of Inventory and Manifest, and bring in what is carried.

        Projects come in ascending order of their ids, placements in the order of their entries' keys.

        Raises:
            CorruptArchiveError: the previous Snapshot lacks what its Inventory names.
            DiskError: something cannot be written.
        """
        filling = self._filling = self._filling or _Filling(self.path, self._base)
        filling.check_order(project_id, placements)
        wanted = {item.earlier.path for item in placements if item.source is Source.CARRIED and item.earlier}
        placed: set[str] = set()
        for item in placements:
            if item.source is Source.FRESH:
                path = self._place_fresh(item, filling)
            elif item.source is Source.CARRIED:
                path = self._place_carried(item, filling, wanted)
            else:
                filling.inventory.add(render_entry(msgspec.structs.replace(item.entry, path="", files=0)))
                continue
            placed.add(path)
        projects = {path.split("/")[1] for path in placed}
        self._filled_dirs |= projects
        self._sweep_projects(projects, placed)

    def _place_fresh(self, item: Placement, filling: _Filling) -> str:
        entry = item.entry
        key = (entry.project_id, entry.backtest_id)
        path = self._moved.get(key) or report_path(
            entry.project_id, entry.project, entry.backtest_id, entry.name
        )
        directory = self.path / path
        content = load_bytes(directory / REPORT_JSON)
        record = parse_record(content, ReportRecord, where=str(directory / REPORT_JSON))
        lines = placing.fresh_lines(directory, path, record, content)
        payload_bytes = sum(size for _, size in lines)
        kept = record.outcome is Outcome.UNCHANGED
        self._totals.written_bytes += len(content) if kept else payload_bytes
        entry = msgspec.structs.replace(
            entry,
            path=path,
            files=len(lines),
            payload_bytes=payload_bytes,
            images=len(record.images),
            report_sha256=record.report_sha256,
        )
        self._write(filling, entry, [line for line, _ in lines])
        return path

    def _place_carried(self, item: Placement, filling: _Filling, wanted: set[str]) -> str:
        entry, earlier, record = item.entry, item.earlier, item.record
        if earlier is None or self.previous is None:
            raise ValueError(f"backtest {entry.backtest_id} is carried from nowhere")
        lines = filling.cursor(earlier.path, wanted)
        if len(lines) != earlier.files:
            raise CorruptArchiveError(
                f"{self.previous.path / MANIFEST} has {len(lines)} files in {earlier.path}, its Inventory "
                f"{earlier.files}. Run `harvester verify` and restore what it names"
            )
        path, payload_bytes, content = earlier.path, earlier.payload_bytes, None
        if record is not None:
            path = _path_of(record)
            old = load_bytes(self.previous.path / earlier.path / REPORT_JSON)
            content = _rendered_as_of(old, record)
            lines = placing.moved_lines(lines, earlier.path, path, content)
            payload_bytes += len(content) - len(old)
            self._totals.written_bytes += len(content)
        if self._base.mode is LinkMode.COPY:
            self._totals.written_bytes += payload_bytes - len(content or b"")
        self._make_project_dir((self.path / path).parent)
        source, target = str(self.previous.path / earlier.path), str(self.path / path)
        filling.linker.add(Carry(source, target, lines, 66 + len(path.encode()) + 1, content))
        entry = msgspec.structs.replace(
            entry,
            path=path,
            files=earlier.files,
            payload_bytes=payload_bytes,
            images=earlier.images,
            report_sha256=earlier.report_sha256,
        )
        self._write(filling, entry, lines)
        return path

    def _write(self, filling: _Filling, entry: InventoryEntry, lines: Iterable[bytes]) -> None:
        filling.inventory.add(render_entry(entry))
        filling.manifest.add(b"".join(lines))
        self._totals.files += entry.files
        self._totals.payload_bytes += entry.payload_bytes

    def _sweep_projects(self, projects: set[str], placed: set[str]) -> None:
        """Remove what an earlier attempt has left in these projects and this one has no use for."""
        for project in projects:
            for path in _directories(self.path / PAYLOAD / project):
                if f"{PAYLOAD}/{project}/{path.name}" not in placed:
                    self._disk.remove_tree(path)

    # -- the end ----------------------------------------------------------------------------------

    def commit(self, record: SnapshotRecord, *, pages: Callable[[Path], None] | None = None) -> Snapshot:
        """Make a Snapshot of it: tag files, everything to disk, its name, the Ledger line, `latest`.

        Args:
            record: complete but for what only the disk knows: files, bytes, link_mode, name, previous.
            pages: writes `index.html` and `site/` below the path that it is given.
        """
        filling = self._filling = self._filling or _Filling(self.path, self._base)
        known = filling.finish()
        for path in _directories(self.path / PAYLOAD):
            if path.name not in self._filled_dirs:
                self._disk.remove_tree(path)
        if pages is not None:
            pages(self.path)
        record = msgspec.structs.replace(
            record,
            name=self.name,
            previous=self.previous.reference() if self.previous else None,
            link_mode=str(self._base.mode) if self.previous else "",
            **vars(self._totals),
        )
        write_tags(self._disk, self.path, record, known)
        seal(self._disk, self._base.root, self.name)
        publish(self._disk, self._base.root, record)
        self.close()
        return Snapshot(self.name, self._base.root / self.name)

    def close(self) -> None:
        """Let go of files and threads; what is on disk stays for the next run."""
        if self._filling is not None:
            self._filling.close()
            self._filling = None


class _Filling:
    """The files and threads that `fill` uses from the first project to the commit."""

    def __init__(self, path: Path, base: Base) -> None:
        self.inventory = NewFile(base.disk, path / INVENTORY)
        self.manifest = NewFile(base.disk, path / MANIFEST)
        self.linker = Linker(base.disk, base.mode)
        self._cursor = ManifestCursor(base.previous.path / MANIFEST) if base.previous else None
        self._last_project = -(2**63)

    def check_order(self, project_id: int, placements: Sequence[Placement]) -> None:
        keys = [item.entry.key for item in placements]
        if project_id <= self._last_project or keys != sorted(set(keys)):
            raise ValueError(f"project {project_id} is filled out of order")
        self._last_project = project_id

    def cursor(self, directory: str, wanted: set[str]) -> list[bytes]:
        if self._cursor is None:
            raise ValueError("there is no previous Snapshot")
        return self._cursor.take(directory, wanted)

    def finish(self) -> dict[str, str]:
        """Wait for all links and close the files; gives their digests."""
        self.linker.finish()
        return {MANIFEST: self.manifest.finish(), INVENTORY: self.inventory.finish()}

    def close(self) -> None:
        self.linker.close()
        self.inventory.close()
        self.manifest.close()


def _path_of(record: ReportRecord) -> str:
    project, backtest = record.project, record.backtest
    return report_path(project.project_id, project.name, backtest.backtest_id, backtest.name)


def _digests(record: ReportRecord) -> dict[str, str]:
    """What the files of a report should be, `report.json` left out."""
    return {
        REPORT_HTML: record.report_sha256,
        OFFLINE_HTML: record.offline_sha256,
        **{f"{IMAGES}/{image.name}": image.sha256 for image in record.images},
    }


def _rendered_as_of(old: bytes, record: ReportRecord) -> bytes:
    """The new `report.json` of a renamed report; it keeps the run that read the bytes."""
    run_id = msgspec.json.decode(old, type=ReportRecord).run_id
    return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(record, run_id=run_id)), indent=1)


def _directories(path: Path) -> list[Path]:
    try:
        return [child for child in sorted(path.iterdir()) if child.is_dir() and not child.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise explain(exc, path) from exc
