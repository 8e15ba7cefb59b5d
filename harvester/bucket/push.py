"""Bringing a Bucket up to date with the Archive on disk.

Each step is durable before the next: packs, the Snapshot's zip, the ledger entry. The entry is the commit:
before it nobody sees the Snapshot, and after it everything that it names is there. A push that was killed
anywhere leaves at most objects that nobody names, which the next push recognises.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from harvester.bucket.bundle import write_bundle
from harvester.bucket.entries import ENTRY_BYTES, Entry, Head, missing_lines, render_entry
from harvester.bucket.head import check_head, create_archive_record, fetch_bundle, load_head
from harvester.bucket.keys import REPORTS, ledger_key, parse_snapshot_key, snapshot_key, timestamp_key
from harvester.bucket.lease import HeldLease, LeaseTimes, hold_lease, read_lease, this_host
from harvester.bucket.local import (
    TOKEN_BYTES,
    LocalArchive,
    LocalLedger,
    LocalReport,
    LocalSnapshot,
    iter_reports,
    list_tokens,
    load_local_ledger,
)
from harvester.bucket.packs import PackLine, StoredObject, render_line
from harvester.bucket.retention import LockPolicy
from harvester.bucket.sending import Known, LockTerms, PushObserver, Sender
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Requests, Store
from harvester.bucket.threads import in_order
from harvester.errors import BucketConflictError, CorruptBucketError
from harvester.format import ARCHIVE_FILE, LedgerLine, load_bytes
from harvester.model import FORMAT

_ROUNDS: Final = 100
"""Times that other writers may commit in between."""


class Silent:
    """An observer that tells nobody."""

    def planned(self, snapshot: str, objects: int, total_bytes: int) -> None:
        """A Snapshot is about to be sent."""

    def sent(self, key: str, size_bytes: int) -> None:
        """An object is there."""

    def committed(self, snapshot: str) -> None:
        """A Snapshot can be seen."""


@dataclass(frozen=True)
class PushSettings:
    """How a push works."""

    at_once: int = 8
    """Objects that are sent at the same time; as many packs are in memory."""
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    retention: LockPolicy | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a push is given from outside."""

    observer: PushObserver = field(default_factory=Silent)
    s3: S3Requests | None = None
    """For extending locks; None when there are no keys to sign with."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Pushed:
    """What a push has done."""

    snapshots: tuple[str, ...]
    """Committed by it, oldest first."""
    entries: int
    objects: int
    """Reports and records that the Bucket did not have."""
    sent_bytes: int
    requests: Requests

    @property
    def is_news(self) -> bool:
        """Whether anything was to be done."""
        return self.entries > 0 or self.objects > 0


@dataclass
class _Sum:
    """Counts what an observer is told, and tells it on."""

    observer: PushObserver
    snapshots: list[str] = field(default_factory=list)
    entries: int = 0
    objects: int = 0
    sent_bytes: int = 0

    def planned(self, snapshot: str, objects: int, total_bytes: int) -> None:
        self.observer.planned(snapshot, objects, total_bytes)

    def sent(self, key: str, size_bytes: int) -> None:
        self.objects += 1
        self.sent_bytes += size_bytes
        self.observer.sent(key, size_bytes)

    def committed(self, snapshot: str) -> None:
        self.snapshots.append(snapshot)
        self.observer.committed(snapshot)


class _OvertakenError(Exception):
    """Somebody else has created the entry that was to be ours."""


class Push:
    """One push of one Archive to its Bucket. Blocks; call it from a thread."""

    def __init__(
        self,
        store: Store,
        archive: LocalArchive,
        settings: PushSettings | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._store = store
        self._archive = archive
        self._settings = settings or PushSettings()
        around = surroundings or Surroundings()
        self._sum = _Sum(around.observer)
        retention = self._settings.retention
        terms = LockTerms(retention, around.now(), around.s3) if retention else None
        self._sender = Sender(store, terms, self._sum, wait=around.wait)
        self._wait = around.wait
        self._push_id = secrets.token_hex(8)
        self._known = Known()
        self._single_writer = ""
        self._bundles: dict[str, StoredObject] = {}

    def run(self) -> Pushed:
        """Send everything that is new.

        Raises:
            BucketLockedError: another push holds the Bucket.
            BucketConflictError: the Bucket is another account's, or has another history.
            CorruptArchiveError: something in the Archive is not what was committed, and was not sent.
            BucketError: the store failed; what was sent is kept, and the next push goes on from there.
        """
        ledger = load_local_ledger(self._archive.root)
        seen = read_lease(self._store)
        head = self._load_head(seen[0].head if seen[0] else 0)
        todo = missing_lines(ledger.raw, head.entry)
        tokens = self._new_tokens(head, len(ledger.raw))
        if todo or tokens:
            times = self._settings.lease
            with hold_lease(self._store, self._push_id, times, seen=seen, wait=self._wait) as lease:
                lease.head = head
                self._prepare(head, lease, todo)
                head = self._push(ledger, head, lease)
                self._send_tokens(head, len(ledger.raw))
                lease.head = head
        counted = self._sum
        return Pushed(
            tuple(counted.snapshots),
            counted.entries,
            counted.objects,
            counted.sent_bytes,
            self._store.requests,
        )

    def commit_again(self, names: Sequence[str]) -> None:
        """Write the zips of Snapshots again, each named by an entry of its own: the ones there are damaged.

        Raises:
            BucketLockedError: another push holds the Bucket.
            BucketConflictError: another writer has committed in between.
            CorruptArchiveError: a Snapshot on disk is not what was committed.
            BucketError: the store failed.
        """
        with hold_lease(self._store, self._push_id, self._settings.lease, wait=self._wait) as lease:
            head = self._load_head(0)
            self._single_writer = head.entry.single_writer if head.entry else ""
            self._list_packs()
            for name in names:
                stored = self._send_snapshot(self._archive.checked(name), lease)
                lease.check()
                try:
                    head = self._commit(_repaired_entry(head, stored, name))
                except _OvertakenError as exc:
                    key = ledger_key(head.n + 1)
                    raise BucketConflictError(
                        f"{key} was created by another writer meanwhile; repair again", key=key
                    ) from exc
                lease.head = head

    def _load_head(self, hint: int) -> Head:
        head = load_head(self._store, hint)
        check_head(head, account=self._archive.account, machine=this_host())
        return head

    def _prepare(self, head: Head, lease: HeldLease, todo: Sequence[bytes]) -> None:
        """Learn what is in the Bucket already."""
        if head.entry is None:
            content = load_bytes(self._archive.root / ARCHIVE_FILE)
            honoured = create_archive_record(self._store, content, self._archive.account)
            self._single_writer = "" if honoured else this_host()
        else:
            self._single_writer = head.entry.single_writer
        if todo:
            self._learn_newest(head)
            if lease.resumed:
                self._list_packs()

    def _learn_newest(self, head: Head) -> None:
        base = head.entry.base if head.entry else None
        if base is not None:
            with fetch_bundle(self._store, base) as bundle:
                for line in bundle.packs():
                    self._known.learn(line)

    def _list_packs(self) -> None:
        """What an interrupted push has sent: a create sends its whole body before it is refused."""
        self._known.listed = {info.key: info for info in self._store.list(REPORTS)}

    def _push(self, ledger: LocalLedger, head: Head, lease: HeldLease) -> Head:
        for _ in range(_ROUNDS):
            try:
                while missing := len(missing_lines(ledger.raw, head.entry)):
                    head = self._push_line(ledger, len(ledger.raw) - missing, head, lease)
            except _OvertakenError:
                head = self._overtaken(head)
            else:
                return head
        raise BucketConflictError(
            f"{self._store.address.url} was written to by others {_ROUNDS} times in between. "
            "Push from one place"
        )

    def _overtaken(self, before: Head) -> Head:
        """Go on after what another writer has committed."""
        head = self._load_head(before.n)
        if head.n <= before.n:
            raise BucketConflictError(
                f"{ledger_key(before.n + 1)} exists but is in no listing; wait a minute, then push again",
                key=ledger_key(before.n + 1),
            )
        chain_numbers = range(before.n + 1, head.n + 1)
        kinds = {self._entry_kind(number) for number in chain_numbers}
        if "removed" in kinds:
            # A prune may have taken what was found before it: see again, and write new zips.
            self._known = Known()
            self._learn_newest(head)
            self._list_packs()
            there = self._known.listed
            self._known.packs = {key: line for key, line in self._known.packs.items() if key in there}
            self._known.records.clear()
            self._bundles.clear()
            self._push_id = secrets.token_hex(8)
        return head

    def _entry_kind(self, number: int) -> str:
        content, _ = self._store.get(ledger_key(number), limit_bytes=ENTRY_BYTES)
        return msgspec.json.decode(content, type=Entry).kind

    def _push_line(self, ledger: LocalLedger, number: int, head: Head, lease: HeldLease) -> Head:
        """Bring one line of the Archive's Ledger into the Bucket, with what it commits."""
        line = ledger.lines[number]
        stored = None
        if line.event == "commit" and line.snapshot not in ledger.pruned:
            stored = self._send_snapshot(self._archive.checked(line.snapshot), lease)
        tokens = self._send_tokens(head, number + 1)
        entry = Entry(
            format=FORMAT,
            n=head.n + 1,
            previous_sha256=head.sha256,
            account=self._archive.account,
            push_id=self._push_id,
            line=ledger.raw[number].removesuffix(b"\n").decode("utf-8", "surrogatepass"),
            snapshot=stored,
            newest=None if stored or head.entry is None else head.entry.base,
            lines=number + 1,
            lines_sha256=hashlib.sha256(ledger.raw[number]).hexdigest(),
            timestamps=tokens,
            single_writer=self._single_writer,
        )
        lease.check()
        head = self._commit(entry)
        self._tell(line, stored)
        return head

    def _tell(self, line: LedgerLine, stored: StoredObject | None) -> None:
        self._sum.entries += 1
        if stored is not None:
            self._sum.committed(line.snapshot)

    def _commit(self, entry: Entry) -> Head:
        """Create the entry: this request is the commit."""
        content = render_entry(entry)
        key = ledger_key(entry.n)
        if not self._sender.create(key, content):
            # Ours, when the answer to an attempt that succeeded was lost; else another writer was faster.
            found, _ = self._store.get(key, limit_bytes=ENTRY_BYTES)
            if found != content:
                raise _OvertakenError
        return Head(entry, hashlib.sha256(content).hexdigest())

    def _send_snapshot(self, snapshot: LocalSnapshot, lease: HeldLease) -> StoredObject:
        if snapshot.name in self._bundles:
            return self._bundles[snapshot.name]
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="harvester-")))
            packs = scratch / "packs.jsonl"
            with packs.open("wb") as file:
                for line in self._send_reports(snapshot, lease):
                    file.write(render_line(line))
            bundle = scratch / "snapshot.zip"
            write_bundle(bundle, snapshot.path, packs)
            lease.check()
            stored = self._sender.put(snapshot_key(snapshot.name, self._push_id), bundle.read_bytes())
        self._bundles[snapshot.name] = stored
        return stored

    def _send_reports(self, snapshot: LocalSnapshot, lease: HeldLease) -> Iterator[PackLine]:
        new = [
            report.packed_bytes for report in iter_reports(snapshot) if report.key not in self._known.packs
        ]
        self._sum.planned(snapshot.name, len(new), sum(new))

        def send(report: LocalReport) -> PackLine:
            lease.check()
            return self._sender.send_report(snapshot, report, self._known)

        def known(report: LocalReport) -> PackLine | None:
            return self._sender.find_known(report, self._known)

        at_once = self._settings.at_once
        for line in in_order(send, iter_reports(snapshot), at_once=at_once, known=known):
            yield line
            self._known.learn(line)

    def _new_tokens(self, head: Head, last: int) -> dict[str, Path]:
        """Timestamp tokens on disk that the Bucket may not have, for lines up to `last`.

        A line is stamped while it is the newest, so no token comes for one that has another after it.
        """
        entry = head.entry
        known = entry.timestamps if entry else {}
        found = list_tokens(self._archive.root, entry.lines if entry else 1, last)
        return {name: path for name, path in found.items() if name not in known}

    def _send_tokens(self, head: Head, last: int) -> dict[str, str]:
        """Put new tokens; gives their digests by file name."""
        sent = {}
        for name, path in self._new_tokens(head, last).items():
            sent[name] = self._sender.put(timestamp_key(name), load_bytes(path, TOKEN_BYTES)).sha256
        return sent


def _repaired_entry(head: Head, stored: StoredObject, name: str) -> Entry:
    """The entry that names another zip for a Snapshot."""
    before = head.entry
    if before is None:
        raise CorruptBucketError(
            "the ledger of the bucket is empty, so nothing in it can be repaired: push instead"
        )
    newest = before.base
    newest_key = parse_snapshot_key(newest.key) if newest else None
    is_newest = newest_key is None or newest_key.snapshot == name
    return msgspec.structs.replace(
        before,
        format=FORMAT,
        n=head.n + 1,
        previous_sha256=head.sha256,
        kind="repaired",
        line="",
        snapshot=stored,
        newest=None if is_newest else newest,
        removed=(),
    )
