"""One self-contained bag from a Snapshot, whole or in part, that a stranger can check."""

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
from harvester.audit.export.targets import Package, Purpose, open_directory, open_zip
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

_WAITING: Final = 8
"""Reports in memory at once."""
_FILE_BYTES: Final = 2**31
"""Every file of a Snapshot is smaller: a report has at most `api.max_body_mb`."""


@dataclass(frozen=True)
class ExportOrder:
    """What is to be exported, and how."""

    to: Path
    at: str
    """UTC."""
    version: str
    """Of harvester."""
    zipped: bool = False
    selected: Callable[[InventoryEntry], bool] | None = None
    """None: the whole Snapshot."""
    filters: dict[str, object] = field(default_factory=dict)
    """What `selected` stands for, to be written down."""
    pages: Pages | None = None
    """For a part; of a whole Snapshot the pages are exported as they are."""
    on_progress: Callable[[int], None] | None = None
    """Told of payload bytes as they are done."""


@dataclass(frozen=True)
class _Job:
    """One report to be packed."""

    entry: InventoryEntry
    block: ManifestBlock


@dataclass(frozen=True)
class _Packed:
    """One report that was read."""

    payload_bytes: int
    files: list[tuple[str, bytes]]
    """Without those that are there already."""


@dataclass(frozen=True)
class Exported:
    """What an export holds."""

    snapshot: str
    path: Path
    reports: int
    files: int
    payload_bytes: int


def export_snapshot(archive: Archive, snapshot: Snapshot, order: ExportOrder) -> Exported:
    """Write a bag with everything in it, or with what is selected. Every file is checked as it is read.

    Into a directory it can be cut off and called again with the same arguments: what is there is not written
    twice.

    Raises:
        UsageError: `order.to` is in use or has no directory to go into, or nothing fits the filters.
        CorruptArchiveError: the Snapshot is damaged; names the file.
        DiskError: the export cannot be written.
    """
    try:
        return _export(archive, snapshot, order)
    except (ArchiveError, OSError) as exc:
        if not _is_pruned(archive, snapshot):
            raise
        left = "" if order.zipped else f" What is in {order.to} is not whole: remove it."
        raise ArchiveError(
            f"Snapshot {snapshot.name} was pruned meanwhile. Nothing is damaged; export another one.{left}"
        ) from exc


def _is_pruned(archive: Archive, snapshot: Snapshot) -> bool:
    """Whether the Ledger says so; a prune writes its line before it removes anything."""
    try:
        return snapshot.name in load_ledger(archive.root).pruned
    except (ArchiveError, OSError):
        return False


def _export(archive: Archive, snapshot: Snapshot, order: ExportOrder) -> Exported:
    if archive.root in order.to.absolute().resolve().parents:
        raise UsageError(f"{order.to} is within the Archive. Export to another place")
    if not order.to.absolute().parent.is_dir():
        raise UsageError(f"{order.to.parent} is no directory. Make it, or mount what belongs there")
    checked, line = _check_seal(archive, snapshot)
    seal = line.tagmanifest_sha256
    if order.selected is not None and not any(_wanted(order, entry) for entry in checked.inventory()):
        raise UsageError(f"no report in Snapshot {snapshot.name} fits the filters; nothing was exported")
    if order.zipped:
        opened = open_zip(order.to, order.at, archive.disk)
    else:
        opened = open_directory(order.to, Purpose(snapshot.name, seal, order.filters), archive.disk)
    try:
        with opened as package, tempfile.TemporaryDirectory(prefix="harvester-") as draft:
            return _Export(checked, order, package, Path(draft)).run(seal, _ledger_line(archive, line))
    except OSError as exc:
        raise explain(exc, exc.filename or order.to) from exc


def _wanted(order: ExportOrder, entry: InventoryEntry) -> bool:
    return entry.archived and (order.selected is None or order.selected(entry))


def _check_seal(archive: Archive, snapshot: Snapshot) -> tuple[CheckedSnapshot, LedgerLine]:
    """The Snapshot with its lists and all that is handed over beside them checked, and its Ledger line."""
    ledger = load_sound_ledger(archive.root)
    checked = check_lists(snapshot, ledger)
    check_tags(snapshot.path)
    return checked, ledger.committed[snapshot.name]


def _ledger_line(archive: Archive, line: LedgerLine) -> bytes:
    """The line with which the Snapshot was committed, byte for byte."""
    return load_bytes(archive.root / LEDGER, LEDGER_BYTES).split(b"\n")[line.n - 1] + b"\n"


class _Export:
    """One export under way; `draft` is a place for what is made for it."""

    def __init__(self, snapshot: CheckedSnapshot, order: ExportOrder, package: Package, draft: Path) -> None:
        self._snapshot = snapshot
        self._order = order
        self._package = package
        self._draft = draft
        self._sums = Sums()
        self._tags: dict[str, str] = {}

    def run(self, seal: str, ledger_line: bytes) -> Exported:
        """Pack everything; the tag manifest comes last."""
        self._package.add_dir(PAYLOAD)
        with (
            (self._draft / MANIFEST).open("wb") as manifest,
            (self._draft / INVENTORY).open("wb") as inventory,
        ):
            jobs = self._jobs(manifest, inventory)
            for packed in map_in_order(self._read, jobs, waiting=_WAITING):
                for name, content in packed.files:
                    self._package.add(name, content)
                if self._order.on_progress is not None:
                    self._order.on_progress(packed.payload_bytes)
        if self._order.selected is None:
            self._add_tags_as_they_are()
        else:
            self._draft_tags_of_part()
        self._draft_proof(seal, ledger_line)
        self._add_draft()
        lines = [manifest_line(name, sha256) for name, sha256 in sorted(self._tags.items())]
        self._package.add(TAGMANIFEST, b"".join(lines))
        sums = self._sums
        return Exported(self._snapshot.name, self._order.to, sums.reports, sums.files, sums.payload_bytes)

    def _jobs(self, manifest: BinaryIO, inventory: BinaryIO) -> Iterator[_Job]:
        """The reports to pack, with their lines of the Manifest, which go into the lists of the export."""
        cursor = ManifestCursor(self._snapshot.path / MANIFEST)
        for entry in self._snapshot.inventory():
            if _wanted(self._order, entry):
                block = cursor.take(entry.path, set())
                manifest.writelines(block.lines)
                inventory.write(render_entry(entry))
                self._sums.add(entry)
                yield _Job(entry, block)

    def _read(self, job: _Job) -> _Packed:
        """The files of one report that the package does not hold yet, each with the recorded digest."""
        files = []
        for below, sha256 in job.block.files().items():
            name = f"{job.block.directory}/{below}"
            if not self._package.holds(name, sha256):
                files.append((name, self._load(name, sha256)))
        return _Packed(job.entry.payload_bytes, files)

    def _load(self, name: str, sha256: str) -> bytes:
        content = load_bytes(self._snapshot.path / name, _FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise CorruptArchiveError(
                f"{self._snapshot.path / name} is not what was recorded, and is not handed on. "
                f"Run `harvester verify {self._snapshot.name} --repair`, then export again"
            )
        return content

    def _add_tags_as_they_are(self) -> None:
        """Every tag file of the Snapshot; its own tag manifest goes to `source/`."""
        for name, sha256 in load_manifest(self._snapshot.path / TAGMANIFEST):
            self._tags[name] = sha256
            self._package.add_file(name, self._snapshot.path / name)
        (self._draft / MANIFEST).unlink()
        (self._draft / INVENTORY).unlink()
        source = self._draft / SOURCE_TAGMANIFEST
        source.parent.mkdir()
        shutil.copyfile(self._snapshot.path / TAGMANIFEST, source)

    def _draft_tags_of_part(self) -> None:
        """Tag files of what was selected, which say nothing about the rest."""
        record = self._sums.narrowed(self._snapshot.record())
        info = [*bag_info_fields(record), ("Harvester-Exported", self._order.at), ("Harvester-Part", "yes")]
        (self._draft / BAGIT).write_bytes(DECLARATION)
        (self._draft / BAG_INFO).write_bytes(render_bag_info(info))
        (self._draft / SNAPSHOT_FILE).write_bytes(render_record(record))
        if self._order.pages is not None:
            (self._draft / PAYLOAD).symlink_to(self._snapshot.path / PAYLOAD)
            self._order.pages(self._draft)

    def _draft_proof(self, seal: str, ledger_line: bytes) -> None:
        """What ties the export to the Archive: its record, the Ledger's line, and how to check all this."""
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
            self._package.add_file(name, path)
