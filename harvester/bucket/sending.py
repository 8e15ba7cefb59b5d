"""Putting the objects of one Snapshot: what is there already is recognised, the rest is created."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import msgspec

from harvester.bucket.faults import AlreadyThereError, MissingObjectError
from harvester.bucket.keys import record_key
from harvester.bucket.local import LocalReport, LocalSnapshot, read_file, read_report
from harvester.bucket.packs import PACK_BYTES, PackLine, StoredObject, build_pack, check_pack
from harvester.bucket.retention import LockPolicy, needs_extension
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Created, ObjectInfo, Store
from harvester.errors import BucketError, CorruptBucketError
from harvester.format import REPORT_JSON
from harvester.text import render_moment

_TRIES: Final = 6
"""Attempts to create an object that the store calls neither present nor absent."""
_PAUSE_S: Final = 0.2


class PushObserver(Protocol):
    """Is told what a push does."""

    def planned(self, snapshot: str, objects: int, total_bytes: int) -> None:
        """A Snapshot is about to be sent: so many reports that the Bucket does not have."""

    def sent(self, key: str, size_bytes: int) -> None:
        """An object is in the Bucket now, sent or recognised."""

    def committed(self, snapshot: str) -> None:
        """A Snapshot can be seen in the Bucket now."""


@dataclass
class Known:
    """Objects that need not be sent."""

    packs: dict[str, PackLine] = field(default_factory=dict)
    """By the key of the pack, as the newest Snapshot in the Bucket names them."""
    records: dict[str, StoredObject] = field(default_factory=dict)
    listed: dict[str, ObjectInfo] = field(default_factory=dict)
    """Objects that are there and that no Snapshot names yet: of a push that was interrupted."""

    def learn(self, line: PackLine) -> None:
        """Remember what a Snapshot names."""
        self.packs[line.pack.key] = line
        if line.record is not None:
            self.records[line.record.key] = line.record


@dataclass(frozen=True)
class LockTerms:
    """The retention of what a push puts and needs."""

    policy: LockPolicy
    now: datetime
    s3: S3Requests | None
    """None: a lock cannot be extended, for want of keys to sign with."""

    @property
    def until(self) -> str:
        """The end of the lock of what is put now."""
        return render_moment(self.policy.until(self.now))


class Sender:
    """Puts objects, each only once if that can be known; used by several threads at once."""

    def __init__(
        self,
        store: Store,
        terms: LockTerms | None,
        observer: PushObserver,
        *,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._terms = terms
        self._observer = observer
        self._wait = wait
        self._until = terms.until if terms else ""

    def find_known(self, report: LocalReport, known: Known) -> PackLine | None:
        """The line of a report of which nothing has to be sent, and no lock extended; None for all others."""
        line = known.packs.get(report.key)
        if line is None or report.record_sha256 != line.packed_record or self._terms is not None:
            return None
        if line.path == report.path and line.record is None:
            return line
        return msgspec.structs.replace(line, path=report.path, record=None)

    def send_report(self, snapshot: LocalSnapshot, report: LocalReport, known: Known) -> PackLine:
        """See that a report's directory is in the Bucket; gives its line.

        Raises:
            CorruptArchiveError: the directory on disk is not what was committed.
            CorruptBucketError: something else has its key.
            BucketError: it cannot be put.
        """
        line = known.packs.get(report.key)
        if line is None:
            line = self._send_pack(snapshot, report, known)
        line = msgspec.structs.replace(line, path=report.path, record=None)
        if report.record_sha256 != line.packed_record:
            record = self._send_record(snapshot, report, known)
            line = msgspec.structs.replace(line, record=record)
        return self._extend(line)

    def _send_pack(self, snapshot: LocalSnapshot, report: LocalReport, known: Known) -> PackLine:
        content = build_pack(read_report(snapshot, report))
        stored = self._adopt(known.listed.get(report.key), content)
        if stored is None:
            stored = self._create(report.key, content)
        if stored is not None:
            self._observer.sent(report.key, stored.bytes)
            return PackLine(report.path, stored, report.record_sha256)
        # Another pack of this version: an earlier push had an earlier report.json, or somebody damaged it.
        found, info = self._store.get(report.key, limit_bytes=PACK_BYTES)
        files = check_pack(found, report.files, report.key)
        self._observer.sent(report.key, info.bytes)
        stored = StoredObject(report.key, len(found), _sha256(found), info.e_tag, info.version)
        return PackLine(report.path, stored, _sha256(files[REPORT_JSON]))

    def _send_record(self, snapshot: LocalSnapshot, report: LocalReport, known: Known) -> StoredObject:
        key = record_key(report.project_id, report.backtest_id, report.record_sha256)
        if key in known.records:
            return known.records[key]
        content = read_file(snapshot, f"{report.path}/{REPORT_JSON}", report.record_sha256)
        stored = self.put(key, content)
        self._observer.sent(key, stored.bytes)
        return stored

    def put(self, key: str, content: bytes) -> StoredObject:
        """Create an object whose key says what it holds; one with these bytes that is there already will do.

        Raises:
            CorruptBucketError: other bytes have that key.
            BucketError: it cannot be put.
        """
        stored = self._create(key, content)
        if stored is None:
            raise CorruptBucketError(
                f"{key} in {self._store.address.url} holds other bytes than this archive. "
                "Run `harvester verify --bucket --repair`",
                key=key,
            )
        return stored

    def create(self, key: str, content: bytes) -> bool:
        """Create an object; False when there is one of its key.

        Raises:
            BucketError: it cannot be put.
        """
        return isinstance(self._create_or_find(key, content), Created)

    def _create(self, key: str, content: bytes) -> StoredObject | None:
        """Create an object, or recognise the one that is there; None when that one holds other bytes."""
        made = self._create_or_find(key, content)
        if isinstance(made, ObjectInfo):
            return self._recognise(made, content)
        return StoredObject(key, len(content), _sha256(content), made.e_tag, made.version, self._until)

    def _create_or_find(self, key: str, content: bytes) -> Created | ObjectInfo:
        for _ in range(_TRIES):
            try:
                return self._store.create(key, content)
            except AlreadyThereError:
                try:
                    return self._store.head(key)
                except MissingObjectError:  # of two creates at one moment some stores refuse both
                    self._wait(_PAUSE_S)
        raise BucketError(
            f"{key} can neither be created in {self._store.address.url} nor found there. Run again later",
            key=key,
        )

    def _adopt(self, listed: ObjectInfo | None, content: bytes) -> StoredObject | None:
        """The object of an interrupted push, when it holds these bytes; a listing has no version ids."""
        if listed is None or self._recognise(listed, content) is None:
            return None
        try:
            return self._recognise(self._store.head(listed.key), content)
        except MissingObjectError:
            return None

    def _recognise(self, info: ObjectInfo, content: bytes) -> StoredObject | None:
        """The object that is there, when it holds these bytes.

        An ETag that is the MD5 of the content says so. With encryption by keys of the customer's own, and in
        other stores, it is something else; then the bytes are read back.
        """
        if info.bytes != len(content):
            return None
        if info.e_tag.strip('"') != hashlib.md5(content, usedforsecurity=False).hexdigest():
            found, info = self._store.get(info.key, limit_bytes=PACK_BYTES)
            if found != content:
                return None
        return StoredObject(info.key, info.bytes, _sha256(content), info.e_tag, info.version)

    def _extend(self, line: PackLine) -> PackLine:
        """Lock what a new Snapshot needs for as long as the Snapshot."""
        pack = self.extend(line.pack)
        record = self.extend(line.record) if line.record is not None else None
        return msgspec.structs.replace(line, pack=pack, record=record)

    def extend(self, stored: StoredObject) -> StoredObject:
        """Lock an object for the whole period from now on, unless it is.

        Raises:
            BucketError: the store refuses.
        """
        terms = self._terms
        if terms is None or not needs_extension(stored, terms.policy, terms.now):
            return stored
        if terms.s3 is None:
            raise BucketError(
                f"the retention of {stored.key} cannot be extended with the rights of a machine's role: "
                "give harvester keys (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile)",
                key=stored.key,
            )
        terms.s3.extend(stored.key, stored.version, terms.policy, terms.policy.until(terms.now))
        return msgspec.structs.replace(stored, retained_until=self._until)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
