"""Where a Bucket is: the URL of the settings, taken apart. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from harvester.errors import ConfigError

Scheme = Literal["s3", "gs", "az", "file"]
_SCHEMES: Final[dict[str, Scheme]] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "azure": "az",
    "abfs": "az",
    "abfss": "az",
    "file": "file",
}
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_PART: Final = re.compile(r"[A-Za-z0-9!_.*'()~@=+-]+")
"""What a part of a prefix may be: characters that every store takes as they are."""


@dataclass(frozen=True)
class Address:
    """One place in one object store."""

    scheme: Scheme
    bucket: str
    """The bucket or container; empty for `file`."""
    prefix: str
    """Parts below it without slashes at the ends; for `file` the directory itself."""

    @property
    def url(self) -> str:
        """As people write it."""
        return f"{self.scheme}://{'/'.join(filter(None, (self.bucket, self.prefix)))}"

    def below(self, name: str) -> Address:
        """The place of one account of several."""
        return Address(self.scheme, self.bucket, "/".join(filter(None, (self.prefix, name))))


def is_url(text: str) -> bool:
    """Whether the text is meant as the address of a Bucket rather than a directory."""
    return text.partition("://")[0] in _SCHEMES and "://" in text


def parse_address(text: str) -> Address:
    """The place that a URL names: `s3://BUCKET/PATH`, `gs://...`, `az://CONTAINER/PATH`, `file:///DIR`.

    Raises:
        ConfigError: it names none.
    """
    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise ConfigError(f"bucket.url: {text!r} is not a URL: {exc}") from exc
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise ConfigError(f"bucket.url: {text!r} must begin with s3://, gs://, az:// or file://")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(
            "bucket.url holds a bucket and a path only; credentials come from the environment or from files"
        )
    if scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigError(f"bucket.url: {text!r} needs an absolute path: file:///DIR")
        return Address("file", "", "/" + unquote(parts.path).strip("/"))
    prefix = parts.path.strip("/")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ConfigError(f"bucket.url: {text!r} names no bucket; write {scheme}://BUCKET/PATH")
    if prefix and not all(_PART.fullmatch(part) and part.strip(".") for part in prefix.split("/")):
        raise ConfigError(f"bucket.url: the path {prefix!r} may hold letters, digits and !_.*'()~@=+- only")
    return Address(scheme, parts.netloc, prefix)
