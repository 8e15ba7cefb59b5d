"""The newest entry of a Bucket, and whether this Archive may write after it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from harvester.bucket.bundle import BUNDLE_BYTES, Bundle, open_bundle
from harvester.bucket.entries import ENTRY_BYTES, Chain, Head, parse_entry
from harvester.bucket.faults import AlreadyThereError, MissingObjectError
from harvester.bucket.keys import ARCHIVE, LEDGER, ledger_key, parse_ledger_key
from harvester.bucket.packs import StoredObject
from harvester.bucket.store import Store
from harvester.bucket.threads import in_order
from harvester.errors import BucketConflictError, CorruptBucketError
from harvester.model import FORMAT

_ARCHIVE_BYTES: Final = 2**16


class BucketRecord(msgspec.Struct, frozen=True):
    """What has to be known of `archive.json`, which is the Archive's `harvester.json` byte for byte."""

    format: int
    account: str


def load_head(store: Store, hint: int = 0) -> Head:
    """The newest entry: one listing and one object.

    Args:
        store: The Bucket.
        hint: The number of an entry that was the newest once, so that a long ledger is not listed whole.

    Raises:
        BucketConflictError: a newer harvester has written it.
        CorruptBucketError: it is damaged.
        BucketError: it cannot be read.
    """
    after = ledger_key(hint - 1) if hint > 1 else ""
    number = max(iter_numbers(store, after), default=0)
    if number == 0 and after:
        return load_head(store)
    if number == 0:
        return Head()
    content, _ = store.get(ledger_key(number), limit_bytes=ENTRY_BYTES)
    return Head(parse_entry(content, number), hashlib.sha256(content).hexdigest())


def iter_numbers(store: Store, after: str = "") -> Iterator[int]:
    """The numbers of the entries there are."""
    for info in store.list(LEDGER, after=after):
        number = parse_ledger_key(info.key)
        if number is not None:
            yield number


def check_head(head: Head, *, account: str, machine: str) -> None:
    """Refuse to write after an entry of somebody else.

    Raises:
        BucketConflictError: says of whom.
    """
    entry = head.entry
    if entry is None:
        return
    key = ledger_key(entry.n)
    if entry.account != account:
        raise BucketConflictError(
            f"the bucket belongs to another account or archive ({entry.account}; yours is {account}). "
            "Use a prefix for each, or the archive that it was pushed from",
            key=key,
        )
    if entry.single_writer not in {"", machine}:
        raise BucketConflictError(
            "this store does not honour create-only puts, so only one machine may write to it, and that is "
            "another one. Push from there, or use another prefix or store",
            key=key,
        )


def load_chain(store: Store, *, at_once: int = 8) -> Chain:
    """Every entry of the Bucket, in order; what is wrong is in its `faults`.

    Raises:
        BucketError: one cannot be read.
    """

    def load(number: int) -> tuple[int, bytes | None]:
        try:
            return number, store.get(ledger_key(number), limit_bytes=ENTRY_BYTES)[0]
        except MissingObjectError:
            return number, None

    chain = Chain()
    newest = max(iter_numbers(store), default=0)
    for number, content in in_order(load, range(1, newest + 1), at_once=at_once):
        chain.add(number, content)
    return chain


def create_archive_record(store: Store, content: bytes, account: str) -> bool:
    """Put `archive.json`, or see that the one that is there is the same.

    Returns:
        Whether the store has honoured that an object is only created where there is none.

    Raises:
        BucketConflictError: the prefix belongs to another account, or a newer harvester.
        CorruptBucketError: something else has that key.
    """
    try:
        store.create(ARCHIVE, content)
    except AlreadyThereError:
        _check_record(store, content, account)
        return True
    try:
        store.create(ARCHIVE, content)
    except AlreadyThereError:
        return True
    return False


def _check_record(store: Store, content: bytes, account: str) -> None:
    found, _ = store.get(ARCHIVE, limit_bytes=_ARCHIVE_BYTES)
    if found == content:
        return
    record = parse_record(found)
    if record.account != account:
        raise BucketConflictError(
            f"{store.address.url} belongs to another account or archive "
            f"({record.account}; yours is {account}). "
            "Use a prefix for each, or the archive that it was pushed from",
            key=ARCHIVE,
        )
    raise BucketConflictError(
        f"{ARCHIVE} in {store.address.url} is not the harvester.json of this archive, although both are "
        "of one account. Push to another prefix",
        key=ARCHIVE,
    )


def parse_record(content: bytes) -> BucketRecord:
    """`archive.json`.

    Raises:
        BucketConflictError: a newer harvester has written it.
        CorruptBucketError: it is damaged.
    """
    try:
        record = msgspec.json.decode(content, type=BucketRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptBucketError(
            f"{ARCHIVE} is damaged: {exc}. Run `harvester verify --bucket`", key=ARCHIVE
        ) from exc
    if record.format > FORMAT:
        raise BucketConflictError(
            f"the bucket was written by a newer harvester (format {record.format}, this one knows {FORMAT}). "
            "Update harvester",
            key=ARCHIVE,
        )
    return record


@contextmanager
def fetch_bundle(store: Store, stored: StoredObject) -> Iterator[Bundle]:
    """The zip of a Snapshot, downloaded and held against the digest that the ledger has.

    Raises:
        CorruptBucketError: it is missing, or not the one that was committed.
        BucketError: it cannot be got.
    """
    with TemporaryDirectory(prefix="harvester-") as scratch:
        path = Path(scratch, "snapshot.zip")
        download_checked(store, stored, path, BUNDLE_BYTES)
        with open_bundle(path, stored.key) as bundle:
            yield bundle


def download_checked(store: Store, stored: StoredObject, path: Path, limit_bytes: int) -> None:
    """Download an object, and hold it against what was recorded when it was created.

    Raises:
        CorruptBucketError: it is missing, or has other bytes.
        BucketError: it cannot be got.
    """
    try:
        store.download(stored.key, path, limit_bytes=limit_bytes)
    except MissingObjectError as exc:
        raise CorruptBucketError(
            f"{stored.key} is missing. Run `harvester verify --bucket`", key=stored.key
        ) from exc
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != stored.sha256:
        raise CorruptBucketError(
            f"{stored.key} is not what was created there. Run `harvester verify --bucket --repair` where the "
            "archive is",
            key=stored.key,
        )


def get_checked(store: Store, stored: StoredObject, limit_bytes: int) -> bytes:
    """The bytes of an object, held against what was recorded when it was created.

    Raises:
        CorruptBucketError: it is missing, or has other bytes.
        BucketError: it cannot be got.
    """
    try:
        content, _ = store.get(stored.key, limit_bytes=limit_bytes)
    except MissingObjectError as exc:
        raise CorruptBucketError(
            f"{stored.key} is missing. Run `harvester verify --bucket`", key=stored.key
        ) from exc
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise CorruptBucketError(
            f"{stored.key} is not what was created there. Run `harvester verify --bucket --repair` where the "
            "archive is",
            key=stored.key,
        )
    return content
