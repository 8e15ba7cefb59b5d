"""The type and size of an image, from its bytes; nothing is ever decoded to pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG_WITHIN: Final = 4000
"""Bytes within which an SVG begins; a declaration and comments may come before it."""
_MAX_CHUNKS: Final = 100_000


class Kind(NamedTuple):
    """The type of an image, and its size in pixels if the header has it."""

    media_type: str
    extension: str
    width: int | None = None
    height: int | None = None


def sniff(content: bytes) -> Kind:
    """The type of an image.

    PNG is what LEAN writes; the other types occur in templates of users.

    Raises:
        ValueError: the bytes are no known image, or they are truncated.
    """
    for magic, read in _READERS:
        if content.startswith(magic):
            return read(content)
    if content[4:12] in {b"ftypavif", b"ftypavis"}:
        return Kind("image/avif", "avif")
    opening = content[:_SVG_WITHIN].lower().lstrip(b"\xef\xbb\xbf \t\r\n")
    if opening.startswith((b"<svg", b"<?xml", b"<!")) and b"<svg" in opening:
        return Kind("image/svg+xml", "svg")
    raise ValueError("bytes that are no known image")


def _png(content: bytes) -> Kind:
    chunks = list(_png_chunks(content))
    if chunks[0] != (b"IHDR", 13) or chunks[-1][0] != b"IEND":
        raise ValueError("a truncated PNG")
    width, height = struct.unpack(">II", content[16:24])
    return Kind("image/png", "png", width, height)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, up to the end mark; checks every checksum."""
    view, at = memoryview(content), len(_PNG)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            raise ValueError("a truncated PNG")
        length = int.from_bytes(view[at : at + 4], "big")
        end = at + 12 + length
        if end > len(content):
            raise ValueError("a truncated PNG")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ValueError("a PNG with a wrong checksum")
        name = bytes(view[at + 4 : at + 8])
        yield name, length
        if name == b"IEND":
            return
        at = end
    raise ValueError("a PNG with too many chunks")


def _gif(content: bytes) -> Kind:
    if len(content) < 14 or b"\x3b" not in content[-4:]:
        raise ValueError("a truncated GIF")
    width, height = struct.unpack("<HH", content[6:10])
    return Kind("image/gif", "gif", width, height)


def _jpeg(content: bytes) -> Kind:
    at = 2
    while at + 9 < len(content):
        if content[at] != 0xFF:
            break
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return Kind("image/jpeg", "jpg", width, height)
        at += 2 + max(length, 2)
    raise ValueError("a truncated JPEG")


def _riff(content: bytes) -> Kind:
    if content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise ValueError("a truncated WebP, or another RIFF file")
    return Kind("image/webp", "webp")


_READERS: Final[tuple[tuple[bytes, Callable[[bytes], Kind]], ...]] = (
    (_PNG, _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _riff),
)
