"""What a Bucket holds, for whoever reads it: dates, lists, and the files of one report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harvester.bucket.bundle import Bundle
from harvester.bucket.entries import Chain
from harvester.bucket.head import fetch_bundle, get_checked, load_chain
from harvester.bucket.packs import PACK_BYTES, PackLine, check_pack
from harvester.bucket.store import Store
from harvester.errors import BucketConflictError, BucketError, CorruptBucketError
from harvester.format import LATEST, RECORD_BYTES, REPORT_JSON, snapshot_order
from harvester.model import FORMAT


@dataclass(frozen=True)
class PackedReport:
    """One report directory of a Snapshot: what it must hold, and where it comes from."""

    line: PackLine
    files: dict[str, str]
    """Name below the directory and sha256, from the Manifest."""

    @property
    def path(self) -> str:
        """`data/PROJECT/BACKTEST`."""
        return self.line.path


@dataclass(frozen=True)
class OpenedSnapshot:
    """A Snapshot of a Bucket, its lists downloaded and proven."""

    name: str
    bundle: Bundle

    def reports(self) -> Iterator[PackedReport]:
        """Its report directories, in the order of the Inventory; the Manifest is covered to its last line.

        Raises:
            CorruptBucketError: Manifest and packs do not go together.
        """
        groups = _directories(self.bundle)
        kept: dict[str, dict[str, str]] = {}
        for line in self.bundle.packs():
            while line.path not in kept and (group := next(groups, None)) is not None:
                if group[0] in kept:
                    raise CorruptBucketError(
                        f"{self.bundle.key} lists {group[0]} in two places", key=self.bundle.key
                    )
                kept[group[0]] = group[1]
            if line.path not in kept:
                raise CorruptBucketError(
                    f"{self.bundle.key} has a pack for {line.path}, which its Manifest does not list",
                    key=self.bundle.key,
                )
            yield PackedReport(line, kept.pop(line.path))
        left = next(iter(kept), None) or next((path for path, _ in groups), None)
        if left is not None:
            raise CorruptBucketError(f"{self.bundle.key} names no pack for {left}", key=self.bundle.key)


def _directories(bundle: Bundle) -> Iterator[tuple[str, dict[str, str]]]:
    """The Manifest by report directory."""
    current = ""
    files: dict[str, str] = {}
    for path, sha256 in bundle.manifest():
        parts = path.split("/", 3)
        if len(parts) != 4:
            raise CorruptBucketError(f"{bundle.key} lists {path!r}, which no report has", key=bundle.key)
        directory = path[: -len(parts[3]) - 1]
        if directory != current and files:
            yield current, files
            files = {}
        current = directory
        files[parts[3]] = sha256
    if files:
        yield current, files


class BucketReader:
    """A Bucket, to be read; nothing in it is changed."""

    def __init__(self, store: Store, chain: Chain) -> None:
        self.store = store
        self.chain = chain

    @classmethod
    def open(cls, store: Store) -> BucketReader:
        """The Bucket with its ledger read; what is wrong with that is in `chain.faults`.

        Raises:
            BucketConflictError: a newer harvester has written it.
            BucketError: there is none, or it cannot be read.
        """
        chain = load_chain(store)
        if not chain.entries:
            raise BucketError(
                f"{store.address.url} holds no archive. Check the URL; `harvester push` fills a bucket"
            )
        newest = max(entry.format for entry in chain.entries)
        if newest > FORMAT:
            raise BucketConflictError(
                f"{store.address.url} was written by a newer harvester (format {newest}, this one knows "
                f"{FORMAT}). Update harvester"
            )
        return cls(store, chain)

    @property
    def names(self) -> list[str]:
        """The Snapshots that it holds, oldest first."""
        return sorted(self.chain.snapshots, key=snapshot_order)

    def resolve(self, name: str) -> str:
        """The Snapshot of that name; `latest` is the newest one.

        Raises:
            BucketError: there is none; the message lists what there is.
        """
        names = self.names
        if name == LATEST and names:
            return names[-1]
        if name in names:
            return name
        shown = ", ".join(names if len(names) <= 10 else [*names[:3], "...", *names[-6:]])
        raise BucketError(
            f"there is no Snapshot {name!r} in {self.store.address.url}; it has {shown or 'none'}"
        )

    @contextmanager
    def snapshot(self, name: str) -> Iterator[OpenedSnapshot]:
        """A Snapshot, every list of it held against the ledger.

        Raises:
            CorruptBucketError: a list is missing, or not what was committed.
            BucketError: there is no such Snapshot, or it cannot be got.
        """
        name = self.resolve(name)
        line = self.chain.committed[name]
        with fetch_bundle(self.store, self.chain.snapshots[name]) as bundle:
            bundle.check(line.tagmanifest_sha256)
            yield OpenedSnapshot(name, bundle)

    def files(self, name: str, paths: set[str]) -> Iterator[bytes]:
        """The bytes of files of a Snapshot, one report in memory at a time; what cannot be had is left out.

        Raises:
            BucketError: the Bucket does not answer.
        """
        if name not in self.chain.snapshots:
            return
        with self.snapshot(name) as snapshot:
            for path in sorted(paths & {*snapshot.bundle.names}):
                yield snapshot.bundle.read(path)
            for report in snapshot.reports():
                wanted = [file for file in report.files if f"{report.path}/{file}" in paths]
                if not wanted:
                    continue
                try:
                    found = self.load_report(report)
                except CorruptBucketError:
                    continue  # `verify --bucket` names it
                for file in wanted:
                    yield found[file]

    def load_report(self, report: PackedReport) -> dict[str, bytes]:
        """The files of a report directory, each with the digest that the Manifest has.

        Raises:
            CorruptBucketError: an object is missing, or not what was committed.
            BucketError: it cannot be got.
        """
        return load_report(self.store, report)


def load_report(store: Store, report: PackedReport) -> dict[str, bytes]:
    """The files of a report directory, each with the digest that the Manifest has.

    Raises:
        CorruptBucketError: an object is missing, or not what was committed.
        BucketError: it cannot be got.
    """
    line = report.line
    files = check_pack(get_checked(store, line.pack, PACK_BYTES), report.files, line.pack.key)
    if line.record is not None:
        files[REPORT_JSON] = get_checked(store, line.record, RECORD_BYTES)
    if hashlib.sha256(files[REPORT_JSON]).hexdigest() != report.files[REPORT_JSON]:
        key = (line.record or line.pack).key
        raise CorruptBucketError(f"{key} holds another {REPORT_JSON} than {line.path} has", key=key)
    return files
