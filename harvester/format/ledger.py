"""The Ledger: one line for each commit and prune, each with the digest of the line before it.

A line is the moment at which a commit or a prune has happened. Removing, editing or reordering lines breaks
the chain; removing lines at the end leaves Snapshots that no line knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import msgspec

from harvester.errors import CorruptArchiveError
from harvester.format.layout import ARCHIVE_FILE, LEDGER, is_snapshot_name, snapshot_order
from harvester.format.reading import load_bytes
from harvester.model import FORMAT

LEDGER_BYTES: Final = 256 * 2**20
FIRST: Final = "0" * 64
"""The first line has this for the digest of the line before it."""


class LedgerLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One commit or prune."""

    format: int
    n: int
    """1 for the first line."""
    at: str
    """UTC."""
    event: Literal["commit", "prune"]
    snapshot: str
    tagmanifest_sha256: str
    """Seals the Snapshot: its tag manifest covers the Manifest and every other file but the payload."""
    previous_sha256: str
    """Digest of the line before, its line feed included."""
    listed: int | None = None
    counts: dict[str, int] | None = None
    archive_sha256: str = ""
    """Digest of `harvester.json`, as it was when the first line with this field was written."""


@dataclass(frozen=True)
class LedgerFault:
    """One thing that is wrong with a Ledger."""

    number: int
    """Of the line; 1 for the first."""
    text: str


@dataclass(frozen=True)
class Ledger:
    """A Ledger as read."""

    lines: tuple[LedgerLine, ...] = ()
    faults: tuple[LedgerFault, ...] = ()
    edits: tuple[LedgerFault, ...] = ()
    """What no harvester writes, although the chain holds: `verify` reports it, and lines may be added."""
    last_sha256: str = FIRST
    whole_bytes: int = 0
    """Size of the whole lines, in bytes: without a last line that was interrupted while it was written."""
    torn: bool = False
    """Whether there is an interrupted last line."""

    @cached_property
    def names(self) -> list[str]:
        """Every Snapshot name that was ever committed."""
        return [line.snapshot for line in self.lines if line.event == "commit"]

    @cached_property
    def seals(self) -> frozenset[tuple[str, str]]:
        """Name and tag manifest digest of every Snapshot that was ever committed."""
        return frozenset(
            (line.snapshot, line.tagmanifest_sha256) for line in self.lines if line.event == "commit"
        )

    @cached_property
    def committed(self) -> dict[str, LedgerLine]:
        """The Snapshots that should be there, oldest first, with the line that committed each."""
        found: dict[str, LedgerLine] = {}
        for line in self.lines:
            if line.event == "commit":
                found[line.snapshot] = line
            else:
                found.pop(line.snapshot, None)
        return found

    @property
    def archive_sha256(self) -> str:
        """The digest of `harvester.json` that the newest line has; empty when none has one."""
        return next((line.archive_sha256 for line in reversed(self.lines) if line.archive_sha256), "")

    @cached_property
    def pruned(self) -> set[str]:
        """The Snapshots that were removed on purpose."""
        return set(self.names) - set(self.committed)

    def next_line(
        self, event: Literal["commit", "prune"], snapshot: str, tagmanifest_sha256: str, *, at: str
    ) -> LedgerLine:
        """The line that would come next."""
        return LedgerLine(
            format=FORMAT,
            n=len(self.lines) + 1,
            at=at,
            event=event,
            snapshot=snapshot,
            tagmanifest_sha256=tagmanifest_sha256,
            previous_sha256=self.last_sha256,
            archive_sha256=self.archive_sha256,
        )

    def chained(self, line: LedgerLine) -> LedgerLine:
        """The line with the number, digests and place in the chain of the one that would come next."""
        return msgspec.structs.replace(
            line,
            n=len(self.lines) + 1,
            previous_sha256=self.last_sha256,
            archive_sha256=line.archive_sha256 or self.archive_sha256,
        )

    def followed_by(self, line: LedgerLine) -> Ledger:
        """Return the Ledger with a line added at its end."""
        content = render_line(line)
        return replace(
            self,
            lines=(*self.lines, line),
            last_sha256=hashlib.sha256(content).hexdigest(),
            whole_bytes=self.whole_bytes + len(content),
        )


def render_line(line: LedgerLine) -> bytes:
    """One line of `ledger.jsonl`."""
    return msgspec.json.encode(line) + b"\n"


def parse_ledger(content: bytes) -> Ledger:
    """Read a Ledger and check its chain; what is wrong is in `faults` and `edits`, never raised."""
    lines: list[LedgerLine] = []
    faults: list[LedgerFault] = []
    edits: list[LedgerFault] = []
    committed: dict[str, None] = {}
    before = _History()
    last = FIRST
    # What comes after the last line feed is a line that was interrupted while it was written.
    *whole, torn = content.split(b"\n")
    for number, raw in enumerate(whole, start=1):
        try:
            line = msgspec.json.decode(raw, type=LedgerLine)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            faults.append(LedgerFault(number, f"is damaged: {exc}"))
        else:
            texts = [*_chain_faults(line, last, number), *_order_faults(line, committed)]
            faults += [LedgerFault(number, text) for text in texts]
            edits += [LedgerFault(number, text) for text in before.find_edits(line, raw)]
            if is_snapshot_name(line.snapshot):  # nothing else becomes a path
                lines.append(line)
                if line.event == "commit":
                    committed[line.snapshot] = None
        # Of the bytes as they are, also of a damaged line: the next one's digest shows whether it was edited.
        last = hashlib.sha256(raw + b"\n").hexdigest()
    whole_bytes = len(content) - len(torn)
    return Ledger(tuple(lines), tuple(faults), tuple(edits), last, whole_bytes, bool(torn))


class _History:
    """What the lines so far say; finds what contradicts it, or is not as harvester writes it.

    The last line has none after it whose digest would cover it. So each line is held against what else is
    known: of a prune's line, all but its time.
    """

    def __init__(self) -> None:
        self._committed: dict[str, str] = {}
        self._pruned: set[str] = set()
        self._archive_sha256 = ""

    def find_edits(self, line: LedgerLine, raw: bytes) -> Iterator[str]:
        """What is odd about the next line; `raw` is without its line feed."""
        if not 1 <= line.format <= FORMAT:
            yield f"says it is of format {line.format}"
        if msgspec.json.encode(line) != raw:
            yield "is not as this harvester writes it: it was edited, or written by a newer one"
        if line.archive_sha256 != self._archive_sha256 != "":
            yield f"has another digest of {ARCHIVE_FILE} than the line before it"
        self._archive_sha256 = line.archive_sha256 or self._archive_sha256
        if line.event == "commit":
            self._committed[line.snapshot] = line.tagmanifest_sha256
            return
        committed = self._committed.pop(line.snapshot, None)
        if committed is None and line.snapshot in self._pruned:
            yield f"prunes {line.snapshot}, which was pruned already"
        elif committed is not None and committed != line.tagmanifest_sha256:
            yield f"prunes a {line.snapshot} with another digest than the one that was committed"
        self._pruned.add(line.snapshot)


def _chain_faults(line: LedgerLine, last_sha256: str, number: int) -> Iterator[str]:
    if line.previous_sha256 != last_sha256:
        yield "does not follow the line before it: a line was edited, removed, added or moved"
    if line.n != number:
        yield f"says it is line {line.n}"


def _order_faults(line: LedgerLine, committed: dict[str, None]) -> Iterator[str]:
    newest = next(reversed(committed), None)
    if not is_snapshot_name(line.snapshot):
        yield f"names {line.snapshot!r}, which is no Snapshot name"
    elif line.event == "prune" and line.snapshot not in committed:
        yield f"prunes {line.snapshot}, which was never committed"
    elif line.event == "commit" and newest and snapshot_order(line.snapshot) <= snapshot_order(newest):
        yield f"commits {line.snapshot} after {newest}"


def load_ledger(root: Path) -> Ledger:
    """The Archive's Ledger; an Archive without a commit has none.

    Raises:
        CorruptArchiveError: it is not a regular file.
    """
    path = root / LEDGER
    if not path.exists() and not path.is_symlink():
        return Ledger()
    return parse_ledger(load_bytes(path, LEDGER_BYTES))


def load_sound_ledger(root: Path) -> Ledger:
    """The Archive's Ledger, when lines are to be added to it.

    Raises:
        CorruptArchiveError: a line is wrong; names the first.
    """
    ledger = load_ledger(root)
    if ledger.faults:
        fault = ledger.faults[0]
        raise CorruptArchiveError(
            f"{root / LEDGER}:{fault.number} {fault.text}. Nothing is added to a broken Ledger: "
            "see `harvester verify`, and restore the file from a backup"
        )
    return ledger
