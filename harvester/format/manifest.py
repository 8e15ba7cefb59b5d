"""Manifests: BagIt's lists of path and sha256. Nothing else reads or writes their lines.

A line is what `sha256sum -c` reads: 64 hexadecimal digits, two spaces, a path below the Snapshot, and a
line feed. In the Manifest of a payload the files of one report follow each other, and reports have the order
of the Inventory. There are three views of a file, each a stream:

- `load_manifest`: path and sha256 of every line;
- `load_blocks`: the lines of one report after another, as bytes: most go into the next Manifest unchanged;
- `ManifestCursor`: the blocks of the reports that are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.errors import CorruptArchiveError
from harvester.format.layout import IMAGES
from harvester.format.reading import opened

_DIGEST_CHARS: Final = 64
_PATH_AT: Final = _DIGEST_CHARS + 2
"""Where the path starts in a line."""
_LINE_BYTES: Final = 8192
"""No line is longer: a path below a Snapshot has three names of at most 143 bytes."""
_LINE: Final = re.compile(rb"([0-9a-f]{64})  ([^\r\n\\\0]+)\n")
_LINES: Final = re.compile(rb"(?:[0-9a-f]{64}  [^\r\n\\\0]+\n)+")


def manifest_line(path: str, sha256: str) -> bytes:
    """One line of a Manifest; `path` is relative to the Snapshot and holds nothing that needs escaping."""
    return f"{sha256}  {path}\n".encode()


def parse_manifest_line(line: bytes, *, where: str) -> tuple[str, str]:
    """Path and sha256 of one line; `where` is what an error names.

    Raises:
        CorruptArchiveError: it is not a line that `manifest_line` writes.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise CorruptArchiveError(f"{where} is not a digest, two spaces and a path")
    try:
        return match[2].decode(), match[1].decode()
    except UnicodeDecodeError as exc:
        raise CorruptArchiveError(f"{where} is not UTF-8") from exc


def load_manifest(
    path: Path, *, on_damage: Callable[[int, str], None] | None = None
) -> Iterator[tuple[str, str]]:
    """Path and sha256 of each line of a Manifest or tag manifest.

    Args:
        path: The file.
        on_damage: Told the number of each damaged line, which is then left out, and what is wrong with it.
            None: the first damaged line is an error.

    Raises:
        CorruptArchiveError: the file is missing or a line is damaged; names file and line.
        DiskError: it cannot be read.
    """
    with opened(path) as file:
        number = 0
        # A longer line comes in pieces, of which none matches: memory stays bounded.
        while line := file.readline(_LINE_BYTES):
            number += 1
            try:
                found = parse_manifest_line(line, where=f"{path}:{number}")
            except CorruptArchiveError as exc:
                if on_damage is None:
                    raise
                on_damage(number, str(exc).removeprefix(f"{path}:{number} "))
            else:
                yield found


@dataclass(frozen=True)
class ManifestBlock:
    """The lines of one report."""

    directory: str
    """Of the report, below its Snapshot: `data/PROJECT/BACKTEST`."""
    lines: list[bytes]

    def files(self) -> dict[str, str]:
        """The sha256 of each file, by its name below the directory: `report.html`, `images/01-x.png`.

        Raises:
            CorruptArchiveError: a name leads elsewhere.
        """
        name_at = _PATH_AT + len(self.directory.encode()) + 1
        found = {line[name_at:-1].decode(): line[:_DIGEST_CHARS].decode() for line in self.lines}
        for name in found:
            last = name.removeprefix(f"{IMAGES}/")
            if "/" in last or last in {"", ".", ".."}:
                raise CorruptArchiveError(
                    f"the Manifest has {name!r} in {self.directory}, which no report has"
                )
        return found

    def moved(self, directory: str, changed: dict[str, str]) -> ManifestBlock:
        """The block of a report that is renamed to `directory`; `changed` has new digests by file name."""
        name_at = _PATH_AT + len(self.directory.encode()) + 1
        prefix = f"{directory}/".encode()
        lines = []
        for line in self.lines:
            sha256 = changed.get(line[name_at:-1].decode())
            digest = line[:_DIGEST_CHARS] if sha256 is None else sha256.encode()
            lines.append(digest + b"  " + prefix + line[name_at:])
        return ManifestBlock(directory, lines)


def load_blocks(path: Path) -> Iterator[ManifestBlock]:
    """The Manifest of a payload, one report after another.

    Raises:
        CorruptArchiveError: the file is missing, a line is damaged or is not of a report.
        DiskError: it cannot be read.
    """
    # No line starts with this, so the first one opens a block.
    prefix = b"\0"
    lines: list[bytes] = []
    with opened(path) as file:
        while line := file.readline(_LINE_BYTES):
            if line.startswith(prefix, _PATH_AT):
                lines.append(line)
                continue
            if lines:
                yield _block(prefix, lines, path)
            prefix = _directory_prefix(line, path)
            lines = [line]
    if lines:
        yield _block(prefix, lines, path)


def _block(prefix: bytes, lines: list[bytes], path: Path) -> ManifestBlock:
    """Check all lines at once, which costs a tenth of checking each."""
    content = b"".join(lines)
    try:
        if _LINES.fullmatch(content) is None:
            raise ValueError
        content.decode()
    except ValueError as exc:
        raise CorruptArchiveError(f"{path} holds lines of {prefix[:200]!r} that are damaged") from exc
    return ManifestBlock(prefix[:-1].decode(), lines)


def _directory_prefix(line: bytes, path: Path) -> bytes:
    """`data/PROJECT/BACKTEST/` of a line."""
    parts = line[_PATH_AT:].split(b"/", 3)
    if not line.endswith(b"\n") or len(parts) != 4 or parts[0] != b"data":
        raise CorruptArchiveError(f"{path} holds the line {line[:200]!r}, which is not of a report")
    return b"/".join(parts[:3]) + b"/"


class ManifestCursor:
    """Takes the blocks of reports out of a Manifest, in one pass when they are asked for in its order.

    Should the order have changed since:

    1. Blocks that are passed and wanted soon are kept in memory until then.
    2. What was passed before it was wanted is looked up in an index of the whole Manifest, and so is
       everything after it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks = load_blocks(path)
        self._kept: dict[str, ManifestBlock] = {}
        self._index: dict[str, tuple[int, int]] | None = None
        """By directory: where its lines begin, and their number."""

    def take(self, directory: str, wanted: Set[str]) -> ManifestBlock:
        """The block of the report in `directory`; `wanted` are directories that will be asked for soon.

        Raises:
            CorruptArchiveError: the Manifest has no such directory, or is damaged.
            DiskError: it cannot be read.
        """
        if directory in self._kept:
            return self._kept.pop(directory)
        for block in self._blocks:
            if block.directory == directory:
                return block
            if block.directory in wanted:
                self._kept[block.directory] = block
        if self._index is None:
            self._index = _index(self._path)
        if directory in self._index:
            return _read_block(self._path, directory, *self._index[directory])
        raise CorruptArchiveError(
            f"{self._path} has no files in {directory}, although its Inventory says so. "
            "Run `harvester verify` and restore what it names"
        )


def _index(path: Path) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    start = 0
    for block in load_blocks(path):
        places.setdefault(block.directory, (start, len(block.lines)))
        start += sum(map(len, block.lines))
    return places


def _read_block(path: Path, directory: str, start: int, lines: int) -> ManifestBlock:
    with opened(path) as file:
        file.seek(start)
        return ManifestBlock(directory, [file.readline(_LINE_BYTES) for _ in range(lines)])
