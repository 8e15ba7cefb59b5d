"""Values that stay on disk: a large project is gone through line by line, as often as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from harvester.format.reading import opened

AT_ONCE: Final = 4_000
"""Backtests of one project that are in memory at once, as listed, as archived, or as decided."""

T = TypeVar("T")


@dataclass(frozen=True)
class Span:
    """Some lines of a file."""

    path: Path
    start: int
    """The byte at which the first one begins."""
    lines: int


class StoredValues(Collection[T], Generic[T]):
    """The values of some lines of a file, each read when it is its turn."""

    def __init__(self, span: Span, parse: Callable[[bytes, str], T], line_bytes: int) -> None:
        self._span = span
        self._parse = parse
        self._line_bytes = line_bytes

    def __len__(self) -> int:
        return self._span.lines

    def __contains__(self, value: object) -> bool:
        return any(value == own for own in self)

    def __iter__(self) -> Iterator[T]:
        span = self._span
        with opened(span.path) as file:
            file.seek(span.start)
            for number in range(1, span.lines + 1):
                where = f"{span.path}, line {number} after byte {span.start}"
                yield self._parse(file.readline(self._line_bytes), where)
