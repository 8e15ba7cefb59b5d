"""Putting back what `verify --bucket` has found damaged, where the bytes that were created can still be had.

Objects are looked for in this order: an older version of the same key, then the Archive on disk. What does
not have the recorded digest is never put. A Snapshot's zip that cannot be had any more is written again from
the Archive, under a new key that a new ledger entry names. Entries of the ledger come back from older
versions only: nobody can make them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Final

import msgspec

from harvester.bucket.entries import ENTRY_BYTES, Chain
from harvester.bucket.faults import AlreadyThereError, MissingObjectError
from harvester.bucket.findings import BucketProblem, Finding
from harvester.bucket.head import load_chain
from harvester.bucket.keys import (
    ARCHIVE,
    LEASE,
    TIMESTAMPS,
    is_pack_key,
    is_record_key,
    ledger_key,
    parse_ledger_key,
    parse_snapshot_key,
    parse_timestamp_key,
)
from harvester.bucket.lease import new_lease, render_lease
from harvester.bucket.local import (
    TOKEN_BYTES,
    LocalArchive,
    LocalReport,
    LocalSnapshot,
    iter_reports,
    list_tokens,
    load_local_ledger,
    read_file,
    read_report,
)
from harvester.bucket.packs import PACK_BYTES, StoredObject, build_pack
from harvester.bucket.push import Push
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Store
from harvester.errors import ArchiveError, BucketError
from harvester.format import ARCHIVE_FILE, REPORT_JSON, load_bytes, snapshot_order

_LOST: Final = (
    "neither the archive nor an older version has these bytes. A later Snapshot is not affected unless it is "
    "named too; restore the archive from another copy, then repair again"
)
_REPAIRABLE: Final = frozenset(
    {Finding.CHANGED, Finding.MISSING, Finding.HIDDEN, Finding.LISTS, Finding.LEDGER}
)


@dataclass
class BucketRepaired:
    """What a repair has done."""

    repaired: list[BucketProblem] = field(default_factory=list)
    left: list[BucketProblem] = field(default_factory=list)
    """With what to do about each now."""


class BucketRepair:
    """One repair of one Bucket from the Archive that it is a copy of. Blocks; call it from a thread."""

    def __init__(
        self, store: Store, archive: LocalArchive | None, push: Push, *, s3: S3Requests | None = None
    ) -> None:
        """`push` is one of that Archive to that Bucket: it writes zips again, with a ledger entry."""
        self._store = store
        self._archive = archive
        self._push = push
        self._s3 = s3

    def run(self, problems: Sequence[BucketProblem], named: dict[str, StoredObject]) -> BucketRepaired:
        """Put back what can be had.

        Args:
            problems: As `Verify` found them.
            named: Every object that the Snapshots name, as `Verify` learned them.

        Raises:
            BucketError: the store does not take an object.
        """
        done = BucketRepaired()
        wanted = [item for item in problems if item.finding in _REPAIRABLE]
        done.left += [item for item in problems if item.finding not in _REPAIRABLE]
        packs = [item for item in wanted if is_pack_key(item.key) or is_record_key(item.key)]
        zips = [item for item in wanted if parse_snapshot_key(item.key) is not None]
        others = [item for item in wanted if item not in packs and item not in zips]
        for item in others:
            self._note(item, self._repair_other(item), done)
        lost = [item for item in packs if not self._repair_version(named.get(item.key))]
        done.repaired += [item for item in packs if item not in lost]
        self._repair_from_archive(lost, named, done)
        self._repair_zips(zips, named, done)
        done.left.sort()
        return done

    def _note(self, item: BucketProblem, repaired: bool, done: BucketRepaired) -> None:
        if repaired:
            done.repaired.append(item)
        else:
            done.left.append(msgspec.structs.replace(item, fix=_LOST))

    def _repair_other(self, item: BucketProblem) -> bool:
        """Put back an object that is neither a pack nor a zip."""
        if item.key == LEASE:
            lease = render_lease(new_lease("repair", 0, state="released"))
            self._store.overwrite(LEASE, lease, lock=False)
            return True
        if parse_ledger_key(item.key) is not None:
            return self._repair_entry(item.key)
        if self._archive is None:
            return False
        if item.key == ARCHIVE:
            self._store.overwrite(ARCHIVE, load_bytes(self._archive.root / ARCHIVE_FILE))
            return True
        if parse_timestamp_key(item.key) is not None:
            name = item.key.removeprefix(f"{TIMESTAMPS}/")
            path = list_tokens(self._archive.root, 1, 10**9).get(name)
            if path is not None:
                self._store.overwrite(item.key, load_bytes(path, TOKEN_BYTES))
                return True
        return False

    def _repair_entry(self, key: str) -> bool:
        """Bring an entry back from an older version: the one whose digest the next entry has."""
        number = parse_ledger_key(key) or 0
        wanted = self._digest_of_entry(number)
        for version in self._s3.versions(key) if self._s3 is not None else []:
            try:
                content, _ = self._store.get(key, limit_bytes=ENTRY_BYTES, version=version)
            except BucketError:
                continue
            if hashlib.sha256(content).hexdigest() == wanted or (
                not wanted and self._is_entry(content, number)
            ):
                self._store.overwrite(key, content)
                return True
        return False

    def _digest_of_entry(self, number: int) -> str:
        """What the entry after it says; empty when it is the newest one, or that one is damaged too."""
        try:
            content, _ = self._store.get(ledger_key(number + 1), limit_bytes=ENTRY_BYTES)
            return str(msgspec.json.decode(content).get("previous_sha256", ""))
        except (BucketError, msgspec.MsgspecError, UnicodeDecodeError, AttributeError):
            return ""

    def _is_entry(self, content: bytes, number: int) -> bool:
        """Whether the newest entry can be this: it follows the one before, and its line is the Archive's."""
        if self._archive is None:
            return False
        chain = Chain()
        for n in range(1, number):
            try:
                chain.add(n, self._store.get(ledger_key(n), limit_bytes=ENTRY_BYTES)[0])
            except MissingObjectError:
                return False
        chain.add(number, content)
        return not chain.faults and chain.lines == list(
            load_local_ledger(self._archive.root).raw[: len(chain.lines)]
        )

    def _repair_version(self, stored: StoredObject | None) -> bool:
        """Bring an object back from the version that was created."""
        if stored is None or not stored.version:
            return False
        try:
            content, _ = self._store.get(stored.key, limit_bytes=PACK_BYTES, version=stored.version)
        except BucketError:
            return False
        return self._put(stored, content)

    def _put(self, stored: StoredObject, content: bytes) -> bool:
        """Put an object if it has the recorded digest: created where there is none, else put over it."""
        if hashlib.sha256(content).hexdigest() != stored.sha256:
            return False
        try:
            self._store.create(stored.key, content)
        except AlreadyThereError:
            self._store.overwrite(stored.key, content)
        return True

    def _repair_from_archive(
        self, items: Sequence[BucketProblem], named: dict[str, StoredObject], done: BucketRepaired
    ) -> None:
        """Make packs and records again from the directories they were made of."""
        left = {item.key: item for item in items}
        for snapshot in self._snapshots() if left else ():
            for report in iter_reports(snapshot):
                record = report.files[REPORT_JSON]
                for key in [report.key, *(key for key in left if key.endswith(f"/{record}.json"))]:
                    if key in left and key in named and self._remake(named[key], snapshot, report):
                        done.repaired.append(left.pop(key))
        for item in left.values():
            self._note(item, False, done)

    def _snapshots(self) -> Iterator[LocalSnapshot]:
        """The Snapshots on disk whose lists are sound, newest first."""
        if self._archive is None:
            return
        ledger = load_local_ledger(self._archive.root)
        names = {line.snapshot for line in ledger.lines if line.event == "commit"} - ledger.pruned
        for name in sorted(names, key=snapshot_order, reverse=True):
            try:
                yield self._archive.checked(name)
            except ArchiveError:
                continue

    def _remake(self, stored: StoredObject, snapshot: LocalSnapshot, report: LocalReport) -> bool:
        try:
            if is_record_key(stored.key):
                content = read_file(snapshot, f"{report.path}/{REPORT_JSON}", report.record_sha256)
            else:
                content = build_pack(read_report(snapshot, report))
        except ArchiveError:
            return False
        return self._put(stored, content)

    def _repair_zips(
        self, items: Sequence[BucketProblem], named: dict[str, StoredObject], done: BucketRepaired
    ) -> None:
        """Bring zips back from their versions, or write them again under a new key."""
        again: dict[str, list[BucketProblem]] = {}
        for item in items:
            key = parse_snapshot_key(item.key)
            if self._repair_version(named.get(item.key)):
                done.repaired.append(item)
            elif key is not None:
                again.setdefault(key.snapshot, []).append(item)
        here = {snapshot.name for snapshot in self._snapshots()} if again else set()
        chain = load_chain(self._store) if again else None
        for name in [name for name in again if name not in here or (chain is not None and chain.faults)]:
            for item in again.pop(name):
                self._note(item, False, done)
        if again:
            self._push.commit_again(sorted(again, key=snapshot_order))
            done.repaired += joined.from_iterable(again.values())
