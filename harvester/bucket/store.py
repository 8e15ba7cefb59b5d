"""Objects in a store: the only module that imports obstore.

It is called from threads only. The library's asynchronous functions can abort the process when Python ends,
after all work was done, and are never used. Its own retries are switched off: each attempt is made here, so
that it is counted, signed again, and a lost answer is seen as one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

import filelock
import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store
from tenacity import Retrying, retry_if_exception_type, wait_random_exponential

from harvester.bucket.address import Address
from harvester.bucket.credentials import S3Keys
from harvester.bucket.faults import ChangedError, MissingObjectError, TryAgainError, explain
from harvester.errors import ConfigError, CorruptBucketError

T = TypeVar("T")

_CHUNK_BYTES: Final = 2**20
_PAGE: Final = 1000
"""Objects of one page of a listing, and of one bulk deletion."""
_REPLACE_LOCK: Final = ".replace.lock"


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says about an object without giving its bytes."""

    key: str
    bytes: int
    e_tag: str
    modified: datetime
    version: str = ""
    """Empty in a listing, and in a bucket without versions."""


@dataclass(frozen=True)
class Created:
    """What a store says about an object that it has just taken."""

    e_tag: str
    version: str = ""


@dataclass(frozen=True)
class StoreOptions:
    """How a store is reached."""

    address: Address
    region: str = ""
    endpoint: str = ""
    keys: S3Keys | None = None
    lock_headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every object that is meant to stay: the mode and the end of its retention."""
    patience_s: float = 120.0
    """Seconds of waiting after which a store that does not answer, or says slow down, is not asked again."""
    request_timeout_s: float = 300.0


@dataclass
class Requests:
    """How many requests were sent, by kind; retries count."""

    put: int = 0
    get: int = 0
    list: int = 0
    delete: int = 0


class Store:
    """The objects below one prefix. Every method may be called from several threads at once."""

    def __init__(self, options: StoreOptions, *, wait: Callable[[float], None] = time.sleep) -> None:
        """`wait` waits between attempts, for so many seconds.

        Raises:
            ConfigError: the options do not make a store.
        """
        self.address = options.address
        self.options = options
        self.requests = Requests()
        self._wait = wait
        self._counting = Lock()
        self._plain = _make_store(options, {})
        self._locked = _make_store(options, options.lock_headers) if options.lock_headers else self._plain

    @property
    def has_content_tags(self) -> bool:
        """Whether an ETag tells one content from another; that of a local file tells when it was written."""
        return self.address.scheme != "file"

    def create(self, key: str, content: bytes, *, lock: bool = True) -> Created:
        """Put an object where there is none.

        Args:
            key: Below the prefix.
            content: Held in memory by the caller.
            lock: Whether the retention applies to it.

        Raises:
            AlreadyThereError: there is one, maybe our own: the answer to an earlier attempt can be lost.
            BucketError: it cannot be put.
        """
        return self._put(self._locked if lock else self._plain, key, content, "create")

    def overwrite(self, key: str, content: bytes, *, lock: bool = True) -> Created:
        """Put an object, whatever is there: only for one that failed its check, by the wish of the user.

        Raises:
            BucketError: it cannot be put.
        """
        return self._put(self._locked if lock else self._plain, key, content, "overwrite")

    def replace(self, key: str, content: bytes, e_tag: str) -> Created:
        """Put an object in the place of the one with this ETag.

        Raises:
            ChangedError: another one is there, maybe our own.
            BucketError: it cannot be put.
        """
        if self.address.scheme != "file":
            return self._put(self._plain, key, content, {"e_tag": e_tag})
        # The library has no conditional replace for files; a lock next to them makes one.
        with filelock.FileLock(Path(self.address.prefix, _REPLACE_LOCK)):
            if self.head(key).e_tag != e_tag:
                raise ChangedError(f"{key} in {self.address.url} was changed by another process", key=key)
            return self._put(self._plain, key, content, "overwrite")

    def get(self, key: str, *, limit_bytes: int, version: str = "") -> tuple[bytes, ObjectInfo]:
        """The bytes of an object.

        Raises:
            MissingObjectError: there is none.
            CorruptBucketError: it is larger than `limit_bytes`, which nothing of its kind is.
            BucketError: it cannot be got.
        """

        def attempt() -> tuple[bytes, ObjectInfo]:
            result = obstore.get(self._plain, key, options={"version": version} if version else None)
            info = _info(result.meta)
            _check_size(info, limit_bytes)
            return bytes(result.bytes()), info

        return self._call("get", key, attempt)

    def download(self, key: str, target: Path, *, limit_bytes: int) -> ObjectInfo:
        """Write the bytes of an object to a file, piece by piece.

        Raises:
            MissingObjectError: there is none.
            CorruptBucketError: it is larger than `limit_bytes`.
            BucketError: it cannot be got.
            OSError: the file cannot be written.
        """

        def attempt() -> ObjectInfo:
            result = obstore.get(self._plain, key)
            info = _info(result.meta)
            _check_size(info, limit_bytes)
            with target.open("wb") as file:
                for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                    file.write(chunk)
            return info

        return self._call("get", key, attempt)

    def head(self, key: str, *, version: str = "") -> ObjectInfo:
        """What the store says about an object.

        Raises:
            MissingObjectError: there is none.
            BucketError: it does not say.
        """
        if not version:
            return _info(self._call("get", key, partial(obstore.head, self._plain, key)))
        found = self._call(
            "get", key, lambda: obstore.get(self._plain, key, options={"version": version, "head": True}).meta
        )
        return _info(found)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """All objects below a prefix whose keys come after `after`; by key, but for a local directory.

        Raises:
            BucketError: the listing cannot be had to its end; what was given so far is no listing.
        """
        last = after
        pages: Iterator[Sequence[Any]] | None = None

        def next_page() -> Sequence[Any] | None:
            nonlocal pages
            if pages is None:  # the first page, or the one after which an attempt has failed
                pages = self._pages(prefix, last)
            try:
                return next(pages, None)
            except Exception:
                pages = None
                raise

        while (page := self._call("", prefix, next_page)) is not None:
            for meta in page:
                if meta["path"] > after and meta["path"] != _REPLACE_LOCK:
                    yield _info(meta)
                last = meta["path"] if self.address.scheme != "file" else last

    def _pages(self, prefix: str, after: str) -> Iterator[Sequence[Any]]:
        offset = after if after and self.address.scheme != "file" else None
        self._count("list")
        found = obstore.list(self._plain, prefix or None, offset=offset, chunk_size=_PAGE)
        for number, page in enumerate(found):
            if number:
                self._count("list")
            yield page

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; one that is missing is fine.

        Raises:
            BucketError: one cannot be removed.
        """
        for at in range(0, len(keys), _PAGE):
            batch = list(keys[at : at + _PAGE])
            try:
                self._call("delete", batch[0], partial(obstore.delete, self._plain, batch))
            except MissingObjectError:  # some stores say so, and leave the rest of the batch
                for key in batch:
                    with suppress(MissingObjectError):
                        self._call("delete", key, partial(obstore.delete, self._plain, key))

    def _put(self, store: Any, key: str, content: bytes, mode: Any) -> Created:
        put = partial(obstore.put, store, key, content, mode=mode, use_multipart=False)
        result = self._call("put", key, put)
        return Created(result["e_tag"] or "", result.get("version") or "")

    def _call(self, kind: str, key: str, attempt: Callable[[], T]) -> T:
        """Do one request, again while that is worth it; raises harvester's errors only."""

        def once() -> T:
            if kind:
                self._count(kind)
            try:
                return attempt()
            except (exceptions.BaseError, FileNotFoundError, NotImplementedError) as exc:
                raise explain(exc, key, self.address) from exc

        retrying = Retrying(
            retry=retry_if_exception_type(TryAgainError),
            wait=wait_random_exponential(multiplier=0.2, max=30),
            stop=lambda state: state.idle_for >= self.options.patience_s,
            sleep=self._wait,
            reraise=True,
        )
        try:
            return retrying(once)
        except TryAgainError as exc:
            raise exc.error from exc

    def _count(self, kind: str) -> None:
        with self._counting:
            setattr(self.requests, kind, getattr(self.requests, kind) + 1)


def _check_size(info: ObjectInfo, limit_bytes: int) -> None:
    if info.bytes > limit_bytes:
        raise CorruptBucketError(
            f"{info.key} has {info.bytes:,} bytes, which nothing of its kind has. See who put it there",
            key=info.key,
        )


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(
        meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"], meta["version"] or ""
    )


def _make_store(options: StoreOptions, headers: Mapping[str, str]) -> Any:
    """The library's store for an address.

    Raises:
        ConfigError: it cannot be made of these options.
    """
    address = options.address
    if options.lock_headers and address.scheme != "s3":
        raise ConfigError(
            "bucket.retention is set per object on S3 only. On Google and Azure set a retention policy on "
            "the bucket or container, and leave bucket.retention out"
        )
    client: dict[str, Any] = {"timeout": timedelta(seconds=options.request_timeout_s)}
    if options.endpoint.startswith("http://"):
        client["allow_http"] = True
    if headers:
        client["default_headers"] = dict(headers)
    common: dict[str, Any] = {
        "prefix": address.prefix or None,
        "client_options": client,
        "retry_config": {"max_retries": 0},
    }
    try:
        if address.scheme == "file":
            return LocalStore(address.prefix, mkdir=True)
        if address.scheme == "gs":
            return GCSStore(address.bucket, **common)
        if address.scheme == "az":
            return AzureStore(address.bucket, **_endpoint(options), **common)
        return S3Store(address.bucket, **_s3_options(options), **common)
    except (exceptions.BaseError, ValueError, OSError) as exc:
        reason = str(exc).splitlines()[0][:200]
        raise ConfigError(f"bucket.url {address.url} cannot be used: {reason}") from exc


def _endpoint(options: StoreOptions) -> dict[str, Any]:
    return {"endpoint": options.endpoint} if options.endpoint else {}


def _s3_options(options: StoreOptions) -> dict[str, Any]:
    found = {"checksum_algorithm": "SHA256", "region": options.region or "us-east-1", **_endpoint(options)}
    if options.keys is not None:
        found["access_key_id"] = options.keys.key_id
        found["secret_access_key"] = options.keys.secret.reveal()
        if options.keys.token is not None:
            found["session_token"] = options.keys.token.reveal()
    return found
