"""Proving a Bucket: from the ledger over lists and packs to the listing, without downloading a pack.

The chain of proof is: entries follow each other by digest; an entry has the digest of the Snapshot's zip and,
in its ledger line, of the tag manifest; that covers Manifest and Inventory; both agree with packs.jsonl,
which has size and ETag of every object; the listing has the same. What the store itself has let decay without
a change of ETag is found by reading (`Scope.read`), or by its stored checksum (`Scope.checksums`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from harvester.bucket.bundle import Bundle
from harvester.bucket.entries import Chain
from harvester.bucket.faults import MissingObjectError
from harvester.bucket.findings import BucketProblem, Finding, problem
from harvester.bucket.head import fetch_bundle, load_chain, parse_record
from harvester.bucket.keys import (
    ARCHIVE,
    LEASE,
    LEDGER,
    PROGRESS,
    TIMESTAMPS,
    ledger_key,
    parse_ledger_key,
    parse_timestamp_key,
)
from harvester.bucket.lease import read_lease
from harvester.bucket.lists import check_lists
from harvester.bucket.local import TOKEN_BYTES, LocalArchive, list_tokens, load_local_ledger
from harvester.bucket.packs import PACK_BYTES, StoredObject
from harvester.bucket.reader import OpenedSnapshot
from harvester.bucket.retention import parse_lock_end
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Store
from harvester.bucket.threads import in_order
from harvester.errors import ArchiveError, BucketConflictError, BucketError, CorruptBucketError
from harvester.format import LATEST, load_bytes, snapshot_order

_ARCHIVE_BYTES: Final = 2**16


@dataclass(frozen=True)
class Scope:
    """What is looked at beyond the listing."""

    snapshots: tuple[str, ...] = ()
    """Whose lists are checked; all when empty."""
    read: tuple[int, int] | None = None
    """Download the k-th of n parts of the objects; (1, 1) is all."""
    checksums: bool = False
    """Ask the store for the checksum and lock of every object: one request each."""
    at_once: int = 8


@dataclass
class Verified:
    """What a look at a Bucket has found."""

    problems: list[BucketProblem] = field(default_factory=list)
    snapshots: int = 0
    objects: int = 0
    """Named by the Snapshots that were looked at."""
    read_bytes: int = 0
    named: dict[str, StoredObject] = field(default_factory=dict)
    """Every object that they name, by key."""

    @property
    def is_damaged(self) -> bool:
        """Whether something that was committed cannot be had as it was."""
        return any(item.is_damage for item in self.problems)


class Verify:
    """One look at one Bucket; nothing is changed. Blocks; call it from a thread."""

    def __init__(
        self,
        store: Store,
        scope: Scope | None = None,
        *,
        archive: LocalArchive | None = None,
        s3: S3Requests | None = None,
        on_bytes: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Prepare a look.

        Args:
            store: The Bucket.
            scope: What is looked at beyond the listing.
            archive: The Archive on disk that the Bucket is a copy of, if there is one.
            s3: For checksums, locks and versions; None: the store has none, or there are no keys.
            on_bytes: Told how many bytes were read, and how many there are to read.
        """
        self._store = store
        self._scope = scope or Scope()
        self._archive = archive
        self._s3 = s3
        self._on_bytes = on_bytes
        self._found = Verified()
        self._listed: dict[str, tuple[int, str]] = {}
        self._named = self._found.named
        self._all_lists = True
        """Whether the lists of every Snapshot could be read: else nobody knows what they name."""

    def run(self) -> Verified:
        """Everything that is wrong, by key.

        Raises:
            BucketError: the store failed: nothing is proven then.
        """
        self._listed = {info.key: (info.bytes, info.e_tag) for info in self._store.list("")}
        chain = load_chain(self._store, at_once=self._scope.at_once)
        self._check_chain(chain)
        self._check_archive_file(chain)
        newest = max(chain.snapshots, key=snapshot_order, default=LATEST)
        chosen = tuple(newest if name == LATEST else name for name in self._scope.snapshots)
        chosen = chosen or tuple(chain.snapshots)
        for name in chosen:
            if name not in chain.snapshots:
                raise BucketError(f"there is no Snapshot {name!r} in {self._store.address.url}")
            self._check_snapshot(chain, name)
        self._found.snapshots = len(chosen)
        self._found.objects = len(self._named)
        self._check_named()
        if not self._scope.snapshots:
            self._name_unnamed(chain)
        if self._archive is not None:
            self._compare(chain, self._archive)
        self._found.problems = sorted(set(self._found.problems))
        return self._found

    def _add(self, key: str, finding: Finding, text: str, *, snapshot: str = "") -> None:
        self._found.problems.append(problem(key, finding, text, snapshot=snapshot))

    def _check_chain(self, chain: Chain) -> None:
        for fault in chain.faults:
            self._add(ledger_key(fault.n), Finding.LEDGER, fault.text)
        for gap in chain.find_gaps():
            self._add(ledger_key(gap.n), Finding.BEHIND, gap.text)
        try:
            lease, _ = read_lease(self._store)
        except (CorruptBucketError, BucketConflictError):
            self._add(LEASE, Finding.CHANGED, "is not a lease that this harvester has written")
            return
        if lease is None:
            if chain.entries:
                self._add(LEASE, Finding.MISSING, "is missing")
            return
        newest = max((parse_ledger_key(key) or 0 for key in self._listed), default=0)
        for number in range(newest + 1, lease.head + 1):
            self._add(ledger_key(number), Finding.LEDGER, "is missing")
        if lease.head == newest and lease.head_sha256 not in {"", chain.head.sha256}:
            self._add(ledger_key(newest), Finding.LEDGER, "is not the one that its writer has left")

    def _check_archive_file(self, chain: Chain) -> None:
        if not chain.entries:
            return
        try:
            content, _ = self._store.get(ARCHIVE, limit_bytes=_ARCHIVE_BYTES)
        except MissingObjectError:
            self._add(ARCHIVE, Finding.MISSING, "is missing")
            return
        lines = [msgspec.json.decode(line) for line in chain.lines]
        recorded = next(
            (line["archive_sha256"] for line in reversed(lines) if line.get("archive_sha256")), ""
        )
        try:
            account = parse_record(content).account
        except (CorruptBucketError, BucketConflictError):
            account = ""
        if recorded and hashlib.sha256(content).hexdigest() != recorded:
            self._add(ARCHIVE, Finding.CHANGED, "is not the one that the ledger has the digest of")
        elif account != chain.entries[-1].account:
            self._add(ARCHIVE, Finding.CHANGED, "is of another account than the ledger")

    def _check_snapshot(self, chain: Chain, name: str) -> None:
        stored = chain.snapshots[name]
        self._named[stored.key] = stored
        if self._compare_listed(stored) is not None:
            self._all_lists = False
            return  # found again with all other objects
        try:
            with fetch_bundle(self._store, stored) as bundle:
                self._name_packs(bundle)
                bundle.check(chain.committed[name].tagmanifest_sha256)
                check_lists(OpenedSnapshot(name, bundle), chain.committed[name].listed)
        except CorruptBucketError as exc:
            self._all_lists = False
            self._add(stored.key, Finding.LISTS, f"has lists that cannot be used: {exc}", snapshot=name)

    def _name_packs(self, bundle: Bundle) -> None:
        for line in bundle.packs():
            for stored in line.objects:
                known = self._named.setdefault(stored.key, stored)
                if (known.bytes, known.sha256) != (stored.bytes, stored.sha256):
                    self._add(
                        bundle.key, Finding.LISTS, f"names other bytes of {stored.key} than another Snapshot"
                    )
                if stored.retained_until > known.retained_until:
                    self._named[stored.key] = stored

    def _compare_listed(self, stored: StoredObject) -> tuple[Finding, str] | None:
        """What the listing says against an object; None when it is as it was created."""
        listed = self._listed.get(stored.key)
        if listed is None:
            return self._why_missing(stored)
        size, e_tag = listed
        if size != stored.bytes:
            return Finding.CHANGED, f"has {size:,} bytes instead of {stored.bytes:,}"
        if e_tag != stored.e_tag and not self._reads_as(stored):
            return Finding.CHANGED, "has other bytes than were created"
        return None

    def _why_missing(self, stored: StoredObject) -> tuple[Finding, str]:
        if stored.version:
            try:
                self._store.head(stored.key, version=stored.version)
            except BucketError:
                return Finding.MISSING, "is missing, with all of its versions"
            return Finding.HIDDEN, "is hidden by a delete marker"
        return Finding.MISSING, "is missing"

    def _reads_as(self, stored: StoredObject) -> bool:
        """Whether an object with another ETag has the same bytes, as one that was put again may."""
        plain = {hash_name for hash_name in (stored.e_tag.strip('"'),) if len(hash_name) == 32}
        if plain and self._store.has_content_tags:
            return False  # an MD5 that differs: other bytes
        try:
            content, _ = self._store.get(stored.key, limit_bytes=PACK_BYTES)
        except MissingObjectError:
            return False
        return hashlib.sha256(content).hexdigest() == stored.sha256

    def _check_named(self) -> None:
        sound = []
        for stored in self._named.values():
            wrong = self._compare_listed(stored)
            if wrong is None:
                sound.append(stored)
            else:
                self._add(stored.key, *wrong)
        if self._scope.checksums:
            self._check_proofs(sound)
        if self._scope.read is not None:
            self._read(sound, self._scope.read)

    def _check_proofs(self, objects: list[StoredObject]) -> None:
        if self._s3 is None:
            raise BucketError(
                "stored checksums can be asked for with keys to S3 only (AWS_ACCESS_KEY_ID, or a profile). "
                "Use --read, which downloads"
            )
        s3 = self._s3
        for stored, text in in_order(
            lambda stored: _check_proof(s3, stored), objects, at_once=self._scope.at_once
        ):
            if text is not None:
                self._add(stored.key, *text)

    def _read(self, objects: list[StoredObject], part: tuple[int, int]) -> None:
        chosen = [stored for stored in objects if in_part(stored.key, part)]

        def read(stored: StoredObject) -> tuple[StoredObject, bool]:
            content, _ = self._store.get(stored.key, limit_bytes=PACK_BYTES)
            return stored, hashlib.sha256(content).hexdigest() == stored.sha256

        total = sum(stored.bytes for stored in chosen)
        for stored, sound in in_order(read, chosen, at_once=self._scope.at_once):
            self._found.read_bytes += stored.bytes
            self._on_bytes(self._found.read_bytes, total)
            if not sound:
                self._add(
                    stored.key, Finding.CHANGED, "reads as other bytes than were created, under the same ETag"
                )

    def _name_unnamed(self, chain: Chain) -> None:
        for key in self._listed:
            token = parse_timestamp_key(key)
            expected = (
                key in self._named
                or key in {ARCHIVE, LEASE}
                or key.startswith(f"{PROGRESS}/")
                or parse_ledger_key(key) is not None
                or (token is not None and token[0] <= len(chain.lines))
            )
            if not expected:
                doubt = "" if self._all_lists else " whose lists could be read"
                self._add(key, Finding.UNNAMED, f"is named by no Snapshot{doubt}")
        self._check_tokens(chain)

    def _check_tokens(self, chain: Chain) -> None:
        for entry in chain.entries:
            for name, sha256 in entry.timestamps.items():
                key = f"{TIMESTAMPS}/{name}"
                try:
                    content, _ = self._store.get(key, limit_bytes=TOKEN_BYTES)
                except MissingObjectError:
                    self._add(key, Finding.MISSING, "is missing")
                else:
                    if hashlib.sha256(content).hexdigest() != sha256:
                        self._add(key, Finding.CHANGED, "has other bytes than were created")

    def _compare(self, chain: Chain, archive: LocalArchive) -> None:
        """Hold the Bucket against the Archive that it is a copy of."""
        try:
            local = load_local_ledger(archive.root)
        except ArchiveError as exc:
            self._add(LEDGER, Finding.LEDGER, f"cannot be compared: {exc}")
            return
        both = min(len(local.raw), len(chain.lines))
        if list(local.raw[:both]) != chain.lines[:both]:
            self._add(LEDGER, Finding.LEDGER, "has other lines than the ledger of the archive")
        elif len(chain.lines) > both:
            self._add(LEDGER, Finding.LEDGER, "has lines that the archive does not have: it is an older copy")
        elif len(local.raw) > both:
            number = len(local.raw) - both
            self._add(
                "", Finding.BEHIND, f"lacks {number} lines of the ledger: they were not pushed, or removed"
            )
        for name, path in list_tokens(archive.root, 1, both).items():
            key = f"{TIMESTAMPS}/{name}"
            if key not in self._listed:
                self._add(key, Finding.MISSING, "is missing; the archive has it")
            elif self._listed[key][0] != len(load_bytes(path, TOKEN_BYTES)):
                self._add(key, Finding.CHANGED, "is not the token that the archive has")


def _check_proof(s3: S3Requests, stored: StoredObject) -> tuple[StoredObject, tuple[Finding, str] | None]:
    """What the store's own checksum and lock say against an object."""
    proof = s3.proof(stored.key)
    until = parse_lock_end(stored.retained_until)
    if proof.sha256 and proof.sha256 != stored.sha256:
        return stored, (Finding.CHANGED, "has another stored checksum than when it was created")
    if until is not None and (proof.locked_until is None or proof.locked_until < until):
        return stored, (Finding.UNLOCKED, f"was to be locked until {stored.retained_until} and is not")
    return stored, None


def in_part(key: str, part: tuple[int, int]) -> bool:
    """Whether an object belongs to the k-th of n parts; the parts of one n cover each key once."""
    number, parts = part
    return parts == 1 or zlib.crc32(key.encode()) % parts == number - 1
