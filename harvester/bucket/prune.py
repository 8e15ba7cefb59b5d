"""Removing Snapshots from a Bucket, and the objects that no Snapshot needs any more.

The ledger entry comes first, then the lists that name packs, then packs: a prune that is interrupted leaves
objects that nobody names, and never a Snapshot without its packs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from harvester.bucket.entries import Chain, Entry, Head, render_entry
from harvester.bucket.faults import AlreadyThereError
from harvester.bucket.head import check_head, load_chain
from harvester.bucket.keys import (
    PROGRESS,
    SNAPSHOTS,
    is_pack_key,
    is_record_key,
    ledger_key,
    parse_snapshot_key,
)
from harvester.bucket.lease import LeaseTimes, hold_lease, store_now, this_host
from harvester.bucket.packs import StoredObject
from harvester.bucket.reader import BucketReader
from harvester.bucket.retention import is_locked
from harvester.bucket.store import ObjectInfo, Store
from harvester.errors import BucketConflictError, CorruptBucketError
from harvester.model import FORMAT

YOUNGEST: Final = dt.timedelta(days=7)
"""Nothing younger is removed: a push may have sent it and not committed yet."""


@dataclass(frozen=True)
class HeldObjects:
    """What one Snapshot names."""

    name: str
    zip: StoredObject
    objects: dict[str, StoredObject]


@dataclass
class BucketPrunePlan:
    """What would become of a Bucket."""

    remove: list[str] = field(default_factory=list)
    """Snapshots, oldest first."""
    refused: dict[str, str] = field(default_factory=dict)
    """Snapshots that may not go, with the reason."""
    keys: list[str] = field(default_factory=list)
    """Objects to delete."""
    freed_bytes: int = 0
    locked: int = 0
    """Objects that nobody names and that the store keeps until their lock ends."""
    young: int = 0
    """Objects that nobody names and that are too young to go."""


def plan_bucket_prune(
    held: Sequence[HeldObjects],
    wanted: Iterable[str],
    listing: Iterable[ObjectInfo],
    now: dt.datetime,
    *,
    drop_superseded: bool = False,
) -> BucketPrunePlan:
    """Decide what a prune removes.

    Args:
        held: Every Snapshot of the Bucket, oldest first, with all that it names.
        wanted: Snapshots that no rule keeps.
        listing: Every object of the Bucket.
        now: By the clock of the store.
        drop_superseded: An earlier version of a report may go when a kept Snapshot has a later one.
    """
    plan = BucketPrunePlan()
    going = set(wanted)
    kept = [item for item in held if item.name not in going]
    reports = {_report(key, drop_superseded) for item in kept for key in item.objects}
    for item in reversed([item for item in held if item.name in going]):
        reason = _why_not(item, held[-1].name, reports, now, drop_superseded=drop_superseded)
        if reason:
            plan.refused[item.name] = reason
            kept.append(item)
            reports |= {_report(key, drop_superseded) for key in item.objects}
        else:
            plan.remove.insert(0, item.name)
    _plan_objects(plan, held, kept, listing, now)
    return plan


def _report(key: str, drop_superseded: bool) -> str:
    """What counts as one report: a version of a backtest, or the backtest."""
    return key.rpartition("/")[0] if drop_superseded else key


def _why_not(
    item: HeldObjects, newest: str, reports: set[str], now: dt.datetime, *, drop_superseded: bool
) -> str:
    """Why a Snapshot may not go; empty when it may."""
    if item.name == newest:
        return "it is the newest one"
    if is_locked(item.zip.retained_until, now):
        return f"it is locked until {item.zip.retained_until}"
    only = sum(1 for key in item.objects if is_pack_key(key) and _report(key, drop_superseded) not in reports)
    return f"it has the only copy of {only} reports" if only else ""


def _plan_objects(
    plan: BucketPrunePlan,
    held: Sequence[HeldObjects],
    kept: Sequence[HeldObjects],
    listing: Iterable[ObjectInfo],
    now: dt.datetime,
) -> None:
    needed = {item.zip.key for item in kept} | {key for item in kept for key in item.objects}
    recorded = {item.zip.key: item.zip for item in held}
    for item in held:
        recorded.update(item.objects)
    removed_zips = {item.zip.key for item in held} - needed
    found: list[ObjectInfo] = []
    for info in listing:
        if info.key in needed or not _is_ours(info.key):
            continue
        if info.key in recorded and is_locked(recorded[info.key].retained_until, now):
            plan.locked += 1
        elif info.key not in removed_zips and now - info.modified < YOUNGEST:
            plan.young += 1
        else:
            found.append(info)
    plan.keys = sorted(info.key for info in found)
    plan.freed_bytes = sum(info.bytes for info in found)


def _is_ours(key: str) -> bool:
    """Whether the key is of something that a push may have left; objects of others are never touched."""
    return (
        is_pack_key(key)
        or is_record_key(key)
        or parse_snapshot_key(key) is not None
        or key.startswith(f"{PROGRESS}/")
    )


class BucketPrune:
    """One prune of one Bucket. Blocks; call it from a thread."""

    def __init__(
        self,
        store: Store,
        *,
        times: LeaseTimes | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._times = times or LeaseTimes()
        self._wait = wait

    def run(
        self,
        choose: Callable[[list[str]], Iterable[str]],
        *,
        dry_run: bool,
        drop_superseded: bool = False,
    ) -> BucketPrunePlan:
        """Remove what no rule keeps and nothing forbids.

        Args:
            choose: Given the names of all Snapshots, gives those that no rule keeps.
            dry_run: Change nothing.
            drop_superseded: See `plan_bucket_prune`.

        Raises:
            BucketLockedError: a push holds the Bucket.
            CorruptBucketError: lists are damaged, so nobody knows what is needed.
            BucketError: the store failed; the next prune goes on.
        """
        if dry_run:
            return self._plan(load_chain(self._store), choose, drop_superseded=drop_superseded)
        with hold_lease(self._store, f"prune-{secrets.token_hex(4)}", self._times, wait=self._wait) as lease:
            chain = load_chain(self._store)
            plan = self._plan(chain, choose, drop_superseded=drop_superseded)
            lease.head = chain.head
            if plan.remove:
                lease.head = self._write_entry(chain, plan)
            lease.check()
            # References before bytes, each group done before the next: a bulk deletion has no order.
            self._store.delete([key for key in plan.keys if key.startswith(SNAPSHOTS)])
            self._store.delete([key for key in plan.keys if not key.startswith(SNAPSHOTS)])
        return plan

    def _plan(
        self, chain: Chain, choose: Callable[[list[str]], Iterable[str]], *, drop_superseded: bool
    ) -> BucketPrunePlan:
        if chain.entries:
            check_head(chain.head, account=chain.entries[-1].account, machine=this_host())
        faults = chain.faults
        if faults:
            raise CorruptBucketError(
                f"entry {faults[0].n} of the ledger {faults[0].text}. Nothing is removed from a Bucket whose "
                "ledger is broken: see `harvester verify --bucket`",
                key=ledger_key(max(faults[0].n, 1)),
            )
        reader = BucketReader(self._store, chain)
        names = reader.names
        held = [self._load_held(reader, name) for name in names]
        listing = list(self._store.list(""))
        now = store_now(self._store)
        wanted = set(choose(names)) & set(names)
        return plan_bucket_prune(held, wanted, listing, now, drop_superseded=drop_superseded)

    def _load_held(self, reader: BucketReader, name: str) -> HeldObjects:
        with reader.snapshot(name) as snapshot:
            objects = {stored.key: stored for line in snapshot.bundle.packs() for stored in line.objects}
        return HeldObjects(name, reader.chain.snapshots[name], objects)

    def _write_entry(self, chain: Chain, plan: BucketPrunePlan) -> Head:
        head = chain.head
        before = chain.entries[-1]
        entry = Entry(
            format=FORMAT,
            n=head.n + 1,
            previous_sha256=head.sha256,
            account=before.account,
            push_id=secrets.token_hex(8),
            kind="removed",
            newest=before.base,
            lines=before.lines,
            lines_sha256=before.lines_sha256,
            removed=tuple(plan.remove),
            single_writer=before.single_writer,
        )
        try:
            self._store.create(ledger_key(entry.n), render_entry(entry))
        except AlreadyThereError as exc:
            found, _ = self._store.get(ledger_key(entry.n), limit_bytes=2**22)
            if found != render_entry(entry):
                raise BucketConflictError(
                    f"{ledger_key(entry.n)} was created by another process meanwhile. Nothing was removed; "
                    "run again",
                    key=ledger_key(entry.n),
                ) from exc
        return Head(entry, hashlib.sha256(render_entry(entry)).hexdigest())
