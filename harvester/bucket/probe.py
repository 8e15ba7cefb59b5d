"""What `doctor` asks a store: whether it is reached, and keeps the promises that a push relies on."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from harvester.bucket.faults import AlreadyThereError, ChangedError, MissingObjectError
from harvester.bucket.head import parse_record
from harvester.bucket.keys import ARCHIVE, progress_key
from harvester.bucket.retention import LockPolicy
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Store
from harvester.errors import BucketError

_CLOCK_S: Final = 60.0
"""A larger difference misleads people; requests to S3 fail from 15 minutes on."""
_ARCHIVE_BYTES: Final = 2**16

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class StoreCheck:
    """One thing that was asked."""

    name: str
    status: Status
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Asked:
    """What a store is asked for."""

    account: str = ""
    """Fingerprint of the Account whose archive is pushed there; empty when there is none yet."""
    retention: LockPolicy | None = None
    s3: S3Requests | None = None
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)


def probe_store(store: Store, asked: Asked) -> list[StoreCheck]:
    """Ask one thing after the other, and stop where the next ones have no meaning; leaves nothing behind."""
    try:
        return [*_check_reach(store, asked), *_check_puts(store, asked), *_check_locks(asked)]
    except BucketError as exc:
        return [StoreCheck("bucket", "error", str(exc), "fix that, then run harvester doctor again")]


def _check_reach(store: Store, asked: Asked) -> Iterator[StoreCheck]:
    next(iter(store.list("ledger")), None)
    yield StoreCheck("bucket", "ok", f"{store.address.url} can be listed")
    try:
        content, _ = store.get(ARCHIVE, limit_bytes=_ARCHIVE_BYTES)
    except MissingObjectError:
        yield StoreCheck("bucket archive", "ok", "nothing was pushed there yet")
        return
    account = parse_record(content).account
    if asked.account and account != asked.account:
        text = f"it holds the archive of another account ({account})"
        yield StoreCheck("bucket archive", "error", text, "use a prefix for each archive")
    else:
        yield StoreCheck("bucket archive", "ok", "it holds a copy of this archive")


def _check_puts(store: Store, asked: Asked) -> Iterator[StoreCheck]:
    key = progress_key("doctor", secrets.token_hex(8))
    made = store.create(key, b"first", lock=False)
    yield StoreCheck("bucket write", "ok", "objects can be created")
    try:
        store.create(key, b"second", lock=False)
    except AlreadyThereError:
        yield StoreCheck("bucket create-only", "ok", "an object is created only where there is none")
    else:
        yield StoreCheck(
            "bucket create-only",
            "warning",
            "the store does not honour If-None-Match: two writers could commit over each other, so a bucket "
            "is tied to the machine that first pushes to it",
            "push from one machine only, or use another store",
        )
        made = store.overwrite(key, b"first", lock=False)
    yield _check_replace(store, key, made.e_tag)
    content, info = store.get(key, limit_bytes=1000)
    if content != b"third":
        yield StoreCheck(
            "bucket read", "error", "an object reads as other bytes than were put", "use another store"
        )
    off_s = (info.modified - asked.now()).total_seconds()
    if abs(off_s) > _CLOCK_S:
        text = f"the clock of the store and that of this machine differ by {abs(off_s):.0f} s"
        yield StoreCheck("bucket clock", "warning", text, "set the clock (timedatectl set-ntp true)")
    else:
        yield StoreCheck("bucket clock", "ok", "the clocks of the store and of this machine agree")
    yield _check_delete(store, key)


def _check_replace(store: Store, key: str, e_tag: str) -> StoreCheck:
    made = store.replace(key, b"third", e_tag)
    try:
        store.replace(key, b"fourth", e_tag)
    except ChangedError:
        return StoreCheck("bucket replace", "ok", "an object is replaced only if it is the one that was read")
    store.replace(key, b"third", made.e_tag)
    return StoreCheck(
        "bucket replace",
        "warning",
        "the store does not honour If-Match: a push cannot see that another one has taken over",
        "push from one machine only, or use another store",
    )


def _check_delete(store: Store, key: str) -> StoreCheck:
    try:
        store.delete([key])
    except BucketError:
        text = "these credentials cannot delete, which is best for pushes; prune --bucket needs others"
        return StoreCheck("bucket delete", "ok", text)
    return StoreCheck("bucket delete", "ok", "objects can be deleted (only prune --bucket needs that)")


def _check_locks(asked: Asked) -> Iterator[StoreCheck]:
    if asked.s3 is None:
        if asked.retention is not None:
            text = "whether objects can be locked cannot be asked without keys to S3"
            yield StoreCheck("bucket retention", "warning", text, "set AWS_ACCESS_KEY_ID or a profile")
        return
    locks = asked.s3.has_object_lock()
    if asked.retention is None:
        state = "can be locked (bucket.retention is not set)" if locks else "are not locked"
        yield StoreCheck("bucket retention", "ok", f"objects {state}")
    elif locks:
        text = f"objects are locked in {asked.retention.mode} mode for {asked.retention.period.days} days"
        yield StoreCheck("bucket retention", "ok", text)
    else:
        yield StoreCheck(
            "bucket retention",
            "error",
            "bucket.retention is set, but the bucket has no Object Lock",
            "make a bucket with Object Lock, or leave bucket.retention out",
        )
