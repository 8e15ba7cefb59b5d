"""Exports a Snapshot, or a part of it, as one self-contained bag that anybody can check."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from harvester.archive import (
    Archive,
    CheckedSnapshot,
    Snapshot,
    check_lists,
    explain,
)
from harvester.audit.export.readme import (
    EXPORT_FILE,
    LEDGER_LINE,
    README,
    SOURCE_TAGMANIFEST,
    ExportRecord,
    Sums,
    render_readme,
)
from harvester.audit.export.targets import Target, open_directory, open_zip
from harvester.audit.parallel import map_in_order
from harvester.errors import ArchiveError, CorruptArchiveError, UsageError
from harvester.format import (
    BAG_INFO,
    BAGIT,
    DECLARATION,
    INDEX,
    INVENTORY,
    LEDGER,
    LEDGER_BYTES,
    MANIFEST,
    PAYLOAD,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    LedgerLine,
    ManifestBlock,
    ManifestCursor,
    bag_info_fields,
    check_tags,
    file_sha256,
    load_bytes,
    load_ledger,
    load_manifest,
    load_sound_ledger,
    manifest_line,
    render_bag_info,
    render_entry,
    render_record,
    tag_files,
)
from harvester.model import FORMAT, InventoryEntry

Pages = Callable[[Path], None]
"""Writes `index.html` and `site/` of the bag at the path."""

_MAX_REPORTS: Final = 8
"""Reports in memory at once."""
_MAX_FILE_BYTES: Final = 2**31
"""Every file of a Snapshot is smaller: a report has at most `api.max_body_mb`."""


@dataclass(frozen=True)
class ExportOrder:
    """What to export, and how."""

    to: Path
    """The directory or zip file to write."""
    at: str
    """The time now, UTC, as `2026-11-24T10:00:00Z`."""
    version: str
    """Of harvester."""
    zipped: bool = False
    selected: Callable[[InventoryEntry], bool] | None = None
    """Whether a report is exported; None: the whole Snapshot is."""
    filters: dict[str, object] = field(default_factory=dict)
    """The settings that `selected` was made from, for `export.json`."""
    pages: Pages | None = None
    """Writes the pages of a part; those of a whole Snapshot are exported as they are."""
    on_progress: Callable[[int], None] | None = None
    """Called with the payload bytes of each report that was exported."""


@dataclass(frozen=True)
class _Job:
    """One report to export."""

    entry: InventoryEntry
    block: ManifestBlock


@dataclass(frozen=True)
class _LoadedReport:
    """A report with files that were read and checked."""

    payload_bytes: int
    files: list[tuple[str, bytes]]
    """Path below the Snapshot, and content."""


@dataclass(frozen=True)
class ExportResult:
    """What was exported."""

    snapshot: str
    path: Path
    reports: int
    files: int
    payload_bytes: int


def export_snapshot(archive: Archive, snapshot: Snapshot, order: ExportOrder) -> ExportResult:
    """Write a bag with everything in it, or with what is selected. Every file is checked as it is read.

    No lock is needed: a Snapshot that is pruned meanwhile is recognized and reported as such.

    Raises:
        UsageError: `order.to` is in use or has no parent directory, or no report is selected.
        CorruptArchiveError: the Snapshot is damaged; names the file.
        DiskError: the export cannot be written.
    """
    try:
        return _export(archive, snapshot, order)
    except (ArchiveError, OSError) as exc:
        if not _is_pruned(archive, snapshot):
            raise
        raise ArchiveError(
            f"Snapshot {snapshot.name} was pruned meanwhile. Nothing is damaged; export another one"
        ) from exc


def _is_pruned(archive: Archive, snapshot: Snapshot) -> bool:
    """Whether the Ledger has a prune of it; a prune writes its line before it removes anything."""
    try:
        return snapshot.name in load_ledger(archive.root).pruned
    except (ArchiveError, OSError):
        return False


def _export(archive: Archive, snapshot: Snapshot, order: ExportOrder) -> ExportResult:
    if archive.root in order.to.absolute().resolve().parents:
        raise UsageError(f"{order.to} is within the Archive. Export to another place")
    if not order.to.absolute().parent.is_dir():
        raise UsageError(f"{order.to.parent} is not a directory. Create or mount it first")
    checked, line = _check_seal(archive, snapshot)
    seal = line.tagmanifest_sha256
    if order.selected is not None and not any(_wanted(order, entry) for entry in checked.inventory()):
        raise UsageError(f"no report in Snapshot {snapshot.name} matches the filters; nothing was exported")
    if order.zipped:
        opened = open_zip(order.to, order.at, archive.disk)
    else:
        opened = open_directory(order.to, archive.disk)
    try:
        with opened as target, tempfile.TemporaryDirectory(prefix="harvester-") as draft:
            return _Export(checked, order, target, Path(draft)).run(seal, _ledger_line(archive, line))
    except OSError as exc:
        raise explain(exc, exc.filename or order.to) from exc


def _wanted(order: ExportOrder, entry: InventoryEntry) -> bool:
    return entry.archived and (order.selected is None or order.selected(entry))


def _check_seal(archive: Archive, snapshot: Snapshot) -> tuple[CheckedSnapshot, LedgerLine]:
    """Check the Snapshot's lists and tag files; returns it and its Ledger line."""
    ledger = load_sound_ledger(archive.root)
    checked = check_lists(snapshot, ledger)
    check_tags(snapshot.path)
    return checked, ledger.committed[snapshot.name]


def _ledger_line(archive: Archive, line: LedgerLine) -> bytes:
    """The bytes of the Ledger line with which the Snapshot was committed."""
    return load_bytes(archive.root / LEDGER, LEDGER_BYTES).split(b"\n")[line.n - 1] + b"\n"


class _Export:
    """One export; `draft` is a temporary directory for the files that are made for it."""

    def __init__(self, snapshot: CheckedSnapshot, order: ExportOrder, target: Target, draft: Path) -> None:
        self._snapshot = snapshot
        self._order = order
        self._target = target
        self._draft = draft
        self._sums = Sums()
        self._tags: dict[str, str] = {}

    def run(self, seal: str, ledger_line: bytes) -> ExportResult:
        """Write everything; the tag manifest comes last, since it lists all other tag files."""
        self._target.add_dir(PAYLOAD)
        with (
            (self._draft / MANIFEST).open("wb") as manifest,
            (self._draft / INVENTORY).open("wb") as inventory,
        ):
            jobs = self._jobs(manifest, inventory)
            for report in map_in_order(self._load_report, jobs, waiting=_MAX_REPORTS):
                for name, content in report.files:
                    self._target.add(name, content)
                if self._order.on_progress is not None:
                    self._order.on_progress(report.payload_bytes)
        if self._order.selected is None:
            self._add_tags_as_they_are()
        else:
            self._draft_tags_of_part()
        self._draft_proof(seal, ledger_line)
        self._add_draft()
        lines = [manifest_line(name, sha256) for name, sha256 in sorted(self._tags.items())]
        self._target.add(TAGMANIFEST, b"".join(lines))
        sums = self._sums
        return ExportResult(self._snapshot.name, self._order.to, sums.reports, sums.files, sums.payload_bytes)

    def _jobs(self, manifest: BinaryIO, inventory: BinaryIO) -> Iterator[_Job]:
        """Yield the reports to export, and write their lines to the export's Manifest and Inventory."""
        cursor = ManifestCursor(self._snapshot.path / MANIFEST)
        for entry in self._snapshot.inventory():
            if _wanted(self._order, entry):
                block = cursor.take(entry.path, set())
                manifest.writelines(block.lines)
                inventory.write(render_entry(entry))
                self._sums.add(entry)
                yield _Job(entry, block)

    def _load_report(self, job: _Job) -> _LoadedReport:
        """Read the files of one report, each with the recorded digest."""
        names = {f"{job.block.directory}/{below}": sha256 for below, sha256 in job.block.files().items()}
        files = [(name, self._load(name, sha256)) for name, sha256 in names.items()]
        return _LoadedReport(job.entry.payload_bytes, files)

    def _load(self, name: str, sha256: str) -> bytes:
        content = load_bytes(self._snapshot.path / name, _MAX_FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptArchiveError(
                f"{self._snapshot.path / name} is not what was recorded, so it is not exported. "
                f"Run `harvester verify {self._snapshot.name} --repair`, then export again"
            )
        return content

    def _add_tags_as_they_are(self) -> None:
        """Export every tag file of the Snapshot; its tag manifest goes to `source/`."""
        for name, sha256 in load_manifest(self._snapshot.path / TAGMANIFEST):
            self._tags[name] = sha256
            self._target.add_file(name, self._snapshot.path / name)
        (self._draft / MANIFEST).unlink()
        (self._draft / INVENTORY).unlink()
        source = self._draft / SOURCE_TAGMANIFEST
        source.parent.mkdir()
        shutil.copyfile(self._snapshot.path / TAGMANIFEST, source)

    def _draft_tags_of_part(self) -> None:
        """Make the tag files of a part; they say nothing about reports that were not selected."""
        record = self._sums.narrowed(self._snapshot.record())
        info = [*bag_info_fields(record), ("Harvester-Exported", self._order.at), ("Harvester-Part", "yes")]
        (self._draft / BAGIT).write_bytes(DECLARATION)
        (self._draft / BAG_INFO).write_bytes(render_bag_info(info))
        (self._draft / SNAPSHOT_FILE).write_bytes(render_record(record))
        if self._order.pages is not None:
            (self._draft / PAYLOAD).symlink_to(self._snapshot.path / PAYLOAD)
            self._order.pages(self._draft)

    def _draft_proof(self, seal: str, ledger_line: bytes) -> None:
        """Make `export.json`, the Ledger line and README.txt, which prove what was exported."""
        order = self._order
        whole = order.selected is None
        record = ExportRecord(
            FORMAT, self._snapshot.name, seal, order.at, whole, order.filters, order.version
        )
        (self._draft / EXPORT_FILE).write_bytes(render_record(record))
        (self._draft / LEDGER_LINE).parent.mkdir(exist_ok=True)
        (self._draft / LEDGER_LINE).write_bytes(ledger_line)
        has_pages = INDEX in self._tags or (self._draft / INDEX).exists()
        readme = render_readme(record, self._sums, has_pages=has_pages)
        (self._draft / README).write_bytes(readme)

    def _add_draft(self) -> None:
        for path in tag_files(self._draft):
            name = path.relative_to(self._draft).as_posix()
            self._tags[name] = file_sha256(path)[0]
            self._target.add_file(name, path)
