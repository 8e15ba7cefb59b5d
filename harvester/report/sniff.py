"""What an image is, from its first bytes; nothing is ever decoded to pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG_WITHIN: Final = 4000
"""An SVG begins within its first bytes; before it may stand a declaration and comments."""
_MAX_CHUNKS: Final = 100_000


class Kind(NamedTuple):
    """The sort of an image and its size in pixels, where the header gives it."""

    media_type: str
    extension: str
    width: int | None = None
    height: int | None = None


def sniff(content: bytes) -> Kind:
    """What the bytes are.

    Raises:
        ValueError: they are no image that is known, or were cut off.
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
        raise ValueError("a PNG that was cut off")
    width, height = struct.unpack(">II", content[16:24])
    return Kind("image/png", "png", width, height)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, checksums checked, up to the end mark."""
    view, at = memoryview(content), len(_PNG)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            raise ValueError("a PNG that was cut off")
        length = int.from_bytes(view[at : at + 4], "big")
        end = at + 12 + length
        if end > len(content):
            raise ValueError("a PNG that was cut off")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ValueError("a PNG with a wrong checksum")
        name = bytes(view[at + 4 : at + 8])
        yield name, length
        if name == b"IEND":
            return
        at = end
    raise ValueError("a PNG of too many chunks")


def _gif(content: bytes) -> Kind:
    if len(content) < 14 or b"\x3b" not in content[-4:]:
        raise ValueError("a GIF that was cut off")
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
    raise ValueError("a JPEG that was cut off")


def _riff(content: bytes) -> Kind:
    if content[8:12] != b"WEBP" or int.from_bytes(content[4:8], "little") + 8 > len(content):
        raise ValueError("a WebP that was cut off, or another RIFF file")
    return Kind("image/webp", "webp")


def _bmp(content: bytes) -> Kind:
    if len(content) < 26 or int.from_bytes(content[2:6], "little") > len(content):
        raise ValueError("a BMP that was cut off")
    width, height = struct.unpack("<ii", content[18:26])
    return Kind("image/bmp", "bmp", abs(width), abs(height))


def _ico(content: bytes) -> Kind:
    if len(content) < 22:
        raise ValueError("an icon that was cut off")
    return Kind("image/x-icon", "ico", content[6] or 256, content[7] or 256)


_READERS: Final[tuple[tuple[bytes, Callable[[bytes], Kind]], ...]] = (
    (_PNG, _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _riff),
    (b"BM", _bmp),
    (b"\x00\x00\x01\x00", _ico),
)
