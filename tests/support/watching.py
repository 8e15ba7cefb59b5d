"""Which files and directories this process opens or lists, as the interpreter itself reports it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVENTS = {"open": "open", "os.scandir": "list", "os.listdir": "list"}
_seen: list[Counter[tuple[str, str]]] = []
"""Of everybody who watches now; a hook cannot be removed, so there is one for all."""
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _seen and event in _EVENTS and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.fsdecode(arguments[0])
        for seen in _seen:
            seen[_EVENTS[event], path] += 1


@contextmanager
def watched_reads(root: Path) -> Iterator[Counter[tuple[str, str]]]:
    """Count what is opened and listed at or below a directory: `open` or `list`, and the path below it."""
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked.append(True)
    seen: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    _seen.append(seen)
    try:
        yield found
    finally:
        _seen.remove(seen)
        for (kind, path), count in seen.items():
            if Path(path).is_relative_to(root):
                found[kind, Path(path).relative_to(root).as_posix()] += count
