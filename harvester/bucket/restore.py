"""Getting Snapshots back as they were: one date as a bag, or a whole Archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from harvester.archive import PRIVATE, Disk, LinkMode
from harvester.bucket.keys import ARCHIVE, TIMESTAMPS, parse_timestamp_key
from harvester.bucket.local import TOKEN_BYTES
from harvester.bucket.reader import BucketReader, OpenedSnapshot, PackedReport
from harvester.bucket.threads import in_order
from harvester.errors import ArchiveError, CorruptBucketError, DiskError
from harvester.format import ARCHIVE_FILE, LATEST, LEDGER, PART, PAYLOAD, REPORT_JSON

_ARCHIVE_BYTES: Final = 2**16


class RestoreObserver(Protocol):
    """Is told what a restore does."""

    def restoring(self, snapshot: str, reports: int) -> None:
        """A Snapshot with so many reports is about to be restored."""

    def restored(self, path: str, size_bytes: int) -> None:
        """A report is on disk now; no bytes when it was there, or was linked."""


class SilentRestore:
    """An observer that tells nobody."""

    def restoring(self, snapshot: str, reports: int) -> None:
        """A Snapshot is about to be restored."""

    def restored(self, path: str, size_bytes: int) -> None:
        """A report is on disk now."""


@dataclass(frozen=True)
class Restored:
    """What a restore has done."""

    path: Path
    snapshots: tuple[str, ...]
    reports: int
    """Report directories of all Snapshots."""
    fetched_bytes: int
    missing: tuple[str, ...] = ()
    """Snapshots of the Ledger that the Bucket does not hold any more."""


@dataclass
class _Place:
    """Where a report directory is on disk already, to be linked."""

    snapshot: str
    path: str
    record_sha256: str


@dataclass
class _Sum:
    reports: int = 0
    fetched_bytes: int = 0
    places: dict[str, _Place] = field(default_factory=dict)
    """By the key of the pack."""


class Restore:
    """One restore from one Bucket. Blocks; call it from a thread."""

    def __init__(
        self,
        reader: BucketReader,
        disk: Disk,
        *,
        observer: RestoreObserver | None = None,
        at_once: int = 8,
    ) -> None:
        self._reader = reader
        self._disk = disk
        self._observer = observer or SilentRestore()
        self._at_once = at_once
        self._link_mode: LinkMode | None = None

    def restore(self, name: str, target: Path) -> Restored:
        """Make `target` the bag of one Snapshot; interrupted, the same call goes on.

        Args:
            name: Of the Snapshot; `latest` is the newest.
            target: Absent, or an empty directory.

        Raises:
            ArchiveError: `target` is in use.
            CorruptBucketError: an object is not what was committed; nothing gets the name `target`.
            BucketError: an object cannot be got.
            DiskError: it cannot be written.
        """
        target = _vacant(target)
        part = target.with_name(f".{target.name}{PART}")
        self._disk.make_dir(part)
        counted = _Sum()
        with self._reader.snapshot(name) as snapshot:
            self._restore(snapshot, part, counted)
        self._finish(part, target)
        return Restored(target, (self._reader.resolve(name),), counted.reports, counted.fetched_bytes)

    def restore_all(self, target: Path) -> Restored:
        """Make `target` the whole Archive, its Ledger byte for byte; interrupted, the same call goes on.

        Raises:
            ArchiveError: `target` is in use.
            CorruptBucketError: the ledger is broken, or an object is not what was committed.
            BucketError: an object cannot be got.
            DiskError: it cannot be written.
        """
        chain = self._reader.chain
        if chain.faults:
            fault = chain.faults[0]
            raise CorruptBucketError(
                f"entry {fault.n} of the ledger {fault.text}. A single date can still be restored; "
                "see `harvester verify --bucket`"
            )
        target = _vacant(target)
        part = target.with_name(f".{target.name}{PART}")
        self._disk.make_dir(part)
        with suppress(OSError):  # not every file system has modes
            part.chmod(PRIVATE)
        held = [name for name in self._reader.names if name not in chain.pruned]
        counted = _Sum()
        for name in held:
            bag = part / name
            self._disk.make_dir(bag)
            with self._reader.snapshot(name) as snapshot:
                self._restore(snapshot, bag, counted)
        self._restore_root(part, held)
        self._finish(part, target)
        missing = tuple(name for name in chain.committed if name not in {*held, *chain.pruned})
        return Restored(target, tuple(held), counted.reports, counted.fetched_bytes, missing)

    def _restore_root(self, part: Path, held: Sequence[str]) -> None:
        """The files of the Archive itself."""
        store = self._reader.store
        content, _ = store.get(ARCHIVE, limit_bytes=_ARCHIVE_BYTES)
        recorded = next((line.archive_sha256 for line in reversed(self._reader.chain.committed.values())), "")
        if recorded and hashlib.sha256(content).hexdigest() != recorded:
            raise CorruptBucketError(
                f"{ARCHIVE} is not the one that the ledger has the digest of", key=ARCHIVE
            )
        for name in (ARCHIVE_FILE, LEDGER, TIMESTAMPS, LATEST):
            self._disk.remove_tree(part / name)
        self._disk.write(part / ARCHIVE_FILE, content)
        self._disk.append(part / LEDGER, b"".join(self._reader.chain.lines))
        if tokens := self._load_tokens():
            self._disk.make_dir(part / TIMESTAMPS)
            self._disk.write_all(part / TIMESTAMPS, tokens)
        if held:
            self._disk.symlink_atomic(part / LATEST, held[-1])

    def _load_tokens(self) -> list[tuple[str, bytes]]:
        store = self._reader.store
        found = []
        for info in store.list(TIMESTAMPS):
            parsed = parse_timestamp_key(info.key)
            if parsed is not None:
                found.append((parsed[1], store.get(info.key, limit_bytes=TOKEN_BYTES)[0]))
        return found

    def _restore(self, snapshot: OpenedSnapshot, bag: Path, counted: _Sum) -> None:
        reports = sum(1 for _ in snapshot.bundle.packs())
        self._observer.restoring(snapshot.name, reports)
        self._disk.make_dir(bag / PAYLOAD)
        self._write_tags(snapshot, bag)

        def bring(report: PackedReport) -> tuple[PackedReport, int]:
            return report, self._bring(report, bag, counted.places)

        for report, size in in_order(bring, snapshot.reports(), at_once=self._at_once):
            counted.reports += 1
            counted.fetched_bytes += size
            counted.places[report.line.pack.key] = _Place(str(bag), report.path, report.files[REPORT_JSON])
            self._observer.restored(report.path, size)

    def _write_tags(self, snapshot: OpenedSnapshot, bag: Path) -> None:
        for name in snapshot.bundle.names:
            path = bag / name
            self._make_parents(path.parent, bag)
            self._disk.remove_tree(path)
            self._disk.write(path, snapshot.bundle.read(name), sync=False)

    def _make_parents(self, directory: Path, root: Path) -> None:
        missing = []
        while directory != root and not directory.is_dir():
            missing.append(directory)
            directory = directory.parent
        for path in reversed(missing):
            self._disk.make_dir(path)

    def _bring(self, report: PackedReport, bag: Path, places: dict[str, _Place]) -> int:
        """Put one report directory in place, linked if it can be; gives the bytes that were fetched."""
        directory = bag / report.path
        if _holds(directory, report.files):
            return 0
        part = directory.with_name(f".{directory.name}{PART}")
        self._make_parents(directory.parent, bag)
        for path in (part, directory):
            self._disk.remove_tree(path)
        self._disk.make_dir(part)
        for name in {str(Path(name).parent) for name in report.files} - {"."}:
            self._disk.make_dir(part / name)
        place = places.get(report.line.pack.key)
        linked = self._link(report, place, part) if place is not None else set()
        fetched = 0
        if linked != report.files.keys():
            files = self._reader.load_report(report)
            fetched = report.line.pack.bytes
            self._disk.write_all(part, [item for item in files.items() if item[0] not in linked], sync=False)
        self._disk.rename(part, directory)
        return fetched

    def _link(self, report: PackedReport, place: _Place, part: Path) -> set[str]:
        """Link what an earlier Snapshot on disk has; gives the names of the files."""
        source = Path(place.snapshot, place.path)
        names = {name for name in report.files if name != REPORT_JSON}
        if report.files[REPORT_JSON] == place.record_sha256:
            names.add(REPORT_JSON)
        if not names:
            return set()
        if self._link_mode is None:
            self._link_mode = self._disk.probe_links(source / min(names), part / f".probe{PART}")
        for directory in {str(Path(name).parent) for name in names}:
            inside = [Path(name).name for name in names if str(Path(name).parent) == directory]
            self._disk.link_files(self._link_mode, str(source / directory), str(part / directory), inside)
        return names

    def _finish(self, part: Path, target: Path) -> None:
        """Make everything durable, then give it its name."""
        self._disk.sync_all(part)
        self._disk.rename(part, target)
        self._disk.sync_dir(target.parent)


def _vacant(target: Path) -> Path:
    """The place of a restore: absent, or an empty directory.

    Raises:
        ArchiveError: something is there.
        DiskError: it cannot be looked at.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 -- a link in the path is the user's wish
    if not target.parent.is_dir():
        raise ArchiveError(f"{target.parent} is not a directory. Make it, or restore to another place")
    try:
        if os.path.lexists(target) and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
            raise ArchiveError(f"{target} is not empty. Restore to a new or empty directory")
    except OSError as exc:
        raise DiskError(f"{target} cannot be read: {exc.strerror}", path=str(target)) from exc
    return target


def _holds(directory: Path, files: dict[str, str]) -> bool:
    """Whether an interrupted restore has put all files of a report here, and nothing else."""
    try:
        for name, sha256 in files.items():
            with (directory / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    return False
        found = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}
    except OSError:
        return False
    return found == files.keys()
