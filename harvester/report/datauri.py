"""`data:` URIs as real pages have them: decoded leniently, and never into more bytes than the text has."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

import pybase64

_SCHEME: Final = re.compile(r"\s*data:", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[\s\0]+")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,3}")
_HEADER_MAX: Final = 2000
_ESCAPES_MAX: Final = 1_000_000
"""Decoding one escape takes a hundred bytes of memory."""


def is_data_uri(text: str) -> bool:
    """Whether an attribute's value is a `data:` URI, in any case and after blanks."""
    return _SCHEME.match(text[:100]) is not None


def decode_data_uri(text: str) -> bytes:
    """The bytes of a `data:` URI; missing padding, the URL-safe alphabet, blanks and %-escapes are accepted.

    Raises:
        ValueError: it is empty, or cannot be decoded; says why.
    """
    header, comma, payload = text.partition(",")
    if not comma or len(header) > _HEADER_MAX:
        raise ValueError("a data URI without a comma")
    if _BLANKS.sub("", header.lower()).endswith(";base64"):
        content = _from_base64(payload)
    else:
        content = _unquote(payload)
    if not content:
        raise ValueError("an empty data URI")
    return content


def _from_base64(payload: str) -> bytes:
    try:
        return pybase64.b64decode(payload, validate=True)
    except ValueError:
        pass  # LEAN does not write it like this: the lenient way follows
    if "%" in payload:
        payload = _unquote(payload).decode("ascii", "replace")
    payload = _BLANKS.sub("", payload)
    if not _BASE64.fullmatch(payload):
        raise ValueError("characters that are not base64")
    payload = payload.rstrip("=")
    if len(payload) % 4 == 1:
        raise ValueError("truncated base64")
    if "-" in payload or "_" in payload:
        payload = payload.replace("-", "+").replace("_", "/")
    return pybase64.b64decode(payload + "=" * (-len(payload) % 4))


def _unquote(text: str) -> bytes:
    if text.count("%") > _ESCAPES_MAX:
        raise ValueError(f"more than {_ESCAPES_MAX} %-escapes")
    return unquote_to_bytes(text)
