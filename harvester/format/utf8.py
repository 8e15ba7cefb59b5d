"""A large text as UTF-8 without a second copy of it in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_PIECE: Final = 2**20
"""Characters that are encoded at once."""


@dataclass(frozen=True)
class Utf8:
    """A text that is encoded piece by piece, as it is written."""

    text: str

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self.text), _PIECE):
            yield self.text[at : at + _PIECE].encode()

    @cached_property
    def digest(self) -> tuple[str, int]:
        """The sha256, and the size in bytes."""
        digest, size_bytes = hashlib.sha256(), 0
        for piece in self:
            digest.update(piece)
            size_bytes += len(piece)
        return digest.hexdigest(), size_bytes


Content = bytes | Utf8
"""Content of a file."""
