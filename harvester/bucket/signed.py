"""Requests to S3 that the object store library does not make: stored checksums, locks, versions.

They are signed here (AWS Signature Version 4) with the keys from the environment or the files; where access
comes from a role of the machine instead, these questions cannot be asked, and callers say so.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import unescape

from harvester.bucket.credentials import S3Keys
from harvester.bucket.faults import MissingObjectError
from harvester.bucket.retention import LockPolicy, parse_lock_end
from harvester.bucket.store import StoreOptions
from harvester.errors import BucketAccessError, BucketError, BucketUnreachableError
from harvester.secrets import mask_answer
from harvester.text import render_moment

_ANSWER_BYTES: Final = 16 * 2**20
_TIMEOUT_S: Final = 60
_SAFE: Final = "-_.~"
_VERSION: Final = re.compile(
    r"<(Version|DeleteMarker)>(?:(?!</\1>).)*?<Key>(?P<key>[^<]*)</Key>(?:(?!</\1>).)*?"
    r"<VersionId>(?P<id>[^<]*)</VersionId>",
    re.DOTALL,
)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signature is for one host; a redirect to another one is an answer that says so."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow none."""


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class ObjectProof:
    """What the store itself has computed and enforces."""

    sha256: str
    """Hexadecimal; empty when it keeps no SHA-256 of the object."""
    lock_mode: str
    locked_until: dt.datetime | None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class S3Requests:
    """Signed requests about the objects below one prefix."""

    def __init__(
        self,
        options: StoreOptions,
        keys: S3Keys,
        *,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._address = options.address
        self._keys = keys
        self._region = options.region or "us-east-1"
        self._endpoint = options.endpoint or f"https://s3.{self._region}.amazonaws.com"
        self._now = now

    def proof(self, key: str, version: str = "") -> ObjectProof:
        """The stored checksum and the lock of an object.

        Raises:
            MissingObjectError: there is none.
            BucketError: the store does not say.
        """
        query = {"versionId": version} if version else {}
        found = self._send("HEAD", key, query, headers={"x-amz-checksum-mode": "ENABLED"}).headers
        until = found.get("x-amz-object-lock-retain-until-date", "")
        return ObjectProof(
            _hex(found.get("x-amz-checksum-sha256", "")),
            found.get("x-amz-object-lock-mode", ""),
            parse_lock_end(until),
        )

    def extend(self, key: str, version: str, policy: LockPolicy, until: dt.datetime) -> None:
        """Lock an object until a later moment.

        Raises:
            BucketError: the store refuses.
        """
        body = (
            '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Mode>{policy.mode.upper()}</Mode><RetainUntilDate>{render_moment(until)}</RetainUntilDate>"
            "</Retention>"
        ).encode()
        query = {"retention": "", **({"versionId": version} if version else {})}
        self._send("PUT", key, query, body)

    def has_object_lock(self) -> bool:
        """Whether objects of the bucket can be locked."""
        try:
            body = self._send("GET", None, {"object-lock": ""}).body
        except (MissingObjectError, BucketError):
            return False
        return b"<ObjectLockEnabled>Enabled</ObjectLockEnabled>" in body

    def has_versions(self) -> bool:
        """Whether the bucket keeps what is overwritten or deleted."""
        return b"<Status>Enabled</Status>" in self._send("GET", None, {"versioning": ""}).body

    def versions(self, key: str) -> list[str]:
        """The ids of all versions of one object that hold bytes, newest first."""
        path = self._path(key)
        body = self._send("GET", None, {"versions": "", "prefix": path}).body.decode("utf-8", "replace")
        return [
            unescape(found["id"])
            for found in _VERSION.finditer(body)
            if found[1] == "Version" and unescape(found["key"]) == path
        ]

    def _path(self, key: str) -> str:
        return "/".join(filter(None, (self._address.prefix, key)))

    def _send(
        self,
        method: str,
        key: str | None,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        path = f"/{self._address.bucket}" + (f"/{self._path(key)}" if key is not None else "")
        where = urlsplit(self._endpoint)
        path = quote(where.path.rstrip("/") + path, safe=_SAFE + "/")
        text = "&".join(
            f"{quote(name, safe=_SAFE)}={quote(query[name], safe=_SAFE)}" for name in sorted(query)
        )
        signed = {"host": where.netloc, **(headers or {})}
        if body:
            signed["content-md5"] = base64.b64encode(
                hashlib.md5(body, usedforsecurity=False).digest()
            ).decode()
        signed = sign(self._keys, self._region, self._now(), Request(method, path, text, body, signed))
        url = f"{where.scheme}://{where.netloc}{path}?{text}".rstrip("?")
        request = urllib.request.Request(url, data=body or None, method=method, headers=signed)
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S) as answer:
                found = {name.lower(): value for name, value in answer.headers.items()}
                return _Answer(answer.status, found, answer.read(_ANSWER_BYTES))
        except urllib.error.HTTPError as exc:
            with exc:
                raise self._refused(exc, key or "", exc.read(4096).decode("utf-8", "replace")) from exc
        except OSError as exc:
            raise BucketUnreachableError(
                f"{self._address.url} does not answer: {exc}. Run again later", key=key or ""
            ) from exc

    def _refused(self, exc: urllib.error.HTTPError, key: str, body: str) -> BucketError:
        code = found[1] if (found := re.search(r"<Code>([A-Za-z0-9_.]{1,80})</Code>", body)) else ""
        said = mask_answer(code or f"status {exc.code}")
        if exc.code == 404:
            return MissingObjectError(f"{key or said} is missing in {self._address.url}", key=key)
        if exc.code in {401, 403}:
            return BucketAccessError(
                f"{self._address.url} refused {key or 'a question about the bucket'} ({said}). "
                "`harvester help bucket` has the least policy",
                key=key,
            )
        if exc.code >= 500:
            return BucketUnreachableError(
                f"{self._address.url} does not answer ({said}). Run again later", key=key
            )
        return BucketError(f"{self._address.url} refused {key or 'a request'} ({said})", key=key)


@dataclass(frozen=True)
class Request:
    """A request before it is signed."""

    method: str
    path: str
    """Percent-encoded."""
    query: str
    """Percent-encoded, sorted by name."""
    body: bytes
    headers: Mapping[str, str]
    """With lower-case names, `host` among them."""


def sign(keys: S3Keys, region: str, now: dt.datetime, request: Request) -> dict[str, str]:
    """The headers of the request with its signature (AWS Signature Version 4)."""
    moment = now.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    payload = hashlib.sha256(request.body).hexdigest()
    headers = {**request.headers, "x-amz-date": moment, "x-amz-content-sha256": payload}
    if keys.token is not None:
        headers["x-amz-security-token"] = keys.token.reveal()
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = "\n".join((request.method, request.path, request.query, lines, names, payload))
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys.secret.reveal()}".encode()
    for part in (moment[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    del headers["host"]  # the client sets it
    return headers


def _hex(text: str) -> str:
    """A base64 checksum in hexadecimal; one of a multipart upload is none of the content."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == 32 else ""
