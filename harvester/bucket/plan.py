"""What a push would send, without sending it: two requests and the lists on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from harvester.bucket.entries import missing_lines
from harvester.bucket.head import check_head, fetch_bundle, load_head
from harvester.bucket.keys import record_key
from harvester.bucket.lease import read_lease, this_host
from harvester.bucket.local import LocalArchive, LocalSnapshot, iter_reports, list_tokens, load_local_ledger
from harvester.bucket.retention import LockPolicy
from harvester.bucket.sending import Known
from harvester.bucket.store import Store
from harvester.format import TAGMANIFEST, load_manifest
from harvester.text import render_moment

_LEASE_PUTS: Final = 2
"""Taking it and releasing it; renewals come on top in a long push."""
_RECORD_BYTES: Final = 6_000
"""About what a report.json has."""


@dataclass(frozen=True)
class PushPlan:
    """What a push would do."""

    snapshots: tuple[str, ...]
    """To be committed, oldest first."""
    entries: int
    """Ledger entries: Snapshots, and prunes of the Archive."""
    packs: int
    records: int
    tokens: int
    bytes: int
    """Of packs exactly; the lists of a Snapshot are counted before they are compressed."""
    put_requests: int
    get_requests: int
    list_requests: int
    locked_until: str = ""
    """The end of the lock of what would be put; empty without a retention."""
    lock_mode: str = ""

    @property
    def is_up_to_date(self) -> bool:
        """Whether there is nothing to do."""
        return self.entries == 0 and self.tokens == 0


def plan_push(
    store: Store, archive: LocalArchive, retention: LockPolicy | None, *, now: datetime
) -> PushPlan:
    """What a push would do now. Blocks; call it from a thread.

    Raises:
        BucketConflictError: the Bucket is another account's, or has another history.
        CorruptArchiveError: a list of the Archive is not what was committed.
        BucketError: the Bucket cannot be read.
    """
    ledger = load_local_ledger(archive.root)
    lease, _ = read_lease(store)
    head = load_head(store, lease.head if lease else 0)
    check_head(head, account=archive.account, machine=this_host())
    missing = missing_lines(ledger.raw, head.entry)
    first = len(ledger.raw) - len(missing)
    known = Known()
    if missing and head.entry is not None and head.entry.base is not None:
        with fetch_bundle(store, head.entry.base) as bundle:
            for pack in bundle.packs():
                known.learn(pack)
    gets = 1 + (head.n > 0) + bool(known.packs)
    packs = {key: pack.packed_record for key, pack in known.packs.items()}
    counted = _Counted(packs, set(known.records))
    names = []
    for line in ledger.lines[first:]:
        if line.event == "commit" and line.snapshot not in ledger.pruned:
            names.append(line.snapshot)
            counted.count(archive.checked(line.snapshot))
    stamped = head.entry.timestamps if head.entry else {}
    since = head.entry.lines if head.entry else 1
    tokens = [name for name in list_tokens(archive.root, since, len(ledger.raw)) if name not in stamped]
    if not missing and not tokens:
        return PushPlan(
            snapshots=(),
            entries=0,
            packs=0,
            records=0,
            tokens=0,
            bytes=0,
            put_requests=0,
            get_requests=gets,
            list_requests=1,
        )
    archive_file = 0 if head.entry else 2
    puts = counted.new_packs + counted.new_records + len(names) + len(missing) + len(tokens)
    return PushPlan(
        snapshots=tuple(names),
        entries=len(missing),
        packs=counted.new_packs,
        records=counted.new_records,
        tokens=len(tokens),
        bytes=counted.bytes,
        put_requests=puts + archive_file + _LEASE_PUTS,
        get_requests=gets,
        list_requests=1,
        locked_until=render_moment(retention.until(now)) if retention else "",
        lock_mode=retention.mode if retention else "",
    )


@dataclass
class _Counted:
    """Objects that need not be sent, and how many and how large those are that need to be."""

    packs: dict[str, str]
    """Key and the digest of the report.json in it."""
    records: set[str]
    new_packs: int = 0
    new_records: int = 0
    bytes: int = 0

    def count(self, snapshot: LocalSnapshot) -> None:
        """Add what a Snapshot needs."""
        for report in iter_reports(snapshot):
            if report.key not in self.packs:
                self.packs[report.key] = report.record_sha256
                self.new_packs += 1
                self.bytes += report.packed_bytes
            elif self.packs[report.key] != report.record_sha256:
                key = record_key(report.project_id, report.backtest_id, report.record_sha256)
                if key not in self.records:
                    self.records.add(key)
                    self.new_records += 1
                    self.bytes += _RECORD_BYTES
        names = [name for name, _ in load_manifest(snapshot.path / TAGMANIFEST)]
        self.bytes += sum((snapshot.path / name).stat().st_size for name in names)
