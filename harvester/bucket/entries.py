"""The ledger of a Bucket: numbered entries that are created once and never changed. Pure.

Creating entry n is the commit: of two that try, the store lets one through. Each entry carries the digest of
the entry before it, and a line of the Archive's own Ledger byte for byte, so that the Ledger can be put
together again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from harvester.bucket.keys import ledger_key, parse_snapshot_key
from harvester.bucket.packs import StoredObject
from harvester.errors import BucketConflictError, CorruptBucketError
from harvester.format import LedgerLine, is_snapshot_name
from harvester.model import FORMAT

ENTRY_BYTES: Final = 4 * 2**20
FIRST: Final = "0" * 64
"""What the first entry gives as the digest of the entry before it."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One entry: a line of the Archive's Ledger, or what was done to the Bucket alone."""

    format: int
    n: int
    """1 for the first."""
    previous_sha256: str
    """Digest of the whole entry before."""
    account: str
    """Fingerprint of the Account."""
    push_id: str
    """Tells our entry from another writer's when the answer to its creation was lost."""
    kind: Literal["line", "removed", "repaired"] = "line"
    line: str = ""
    """LINE: of the Archive's Ledger, without its line feed."""
    snapshot: StoredObject | None = None
    """LINE of a commit, REPAIRED: the Snapshot's zip. None: it was pruned before it was pushed."""
    newest: StoredObject | None = None
    """The zip of the newest Snapshot, when that is not `snapshot`: what the next push builds on."""
    lines: int = 0
    """Lines of the Archive's Ledger so far, this entry's own included."""
    lines_sha256: str = ""
    """Digest of the last of them, its line feed included."""
    timestamps: dict[str, str] = {}
    """Tokens that were created by this push, by file name, with their sha256."""
    removed: tuple[str, ...] = ()
    """REMOVED: the Snapshots that `prune --bucket` has taken away."""
    single_writer: str = ""
    """The only machine that may write, in a store that does not honour create-only."""

    @property
    def base(self) -> StoredObject | None:
        """The zip of the newest Snapshot in the Bucket."""
        return self.newest or self.snapshot


@dataclass(frozen=True)
class Head:
    """The newest entry of a Bucket."""

    entry: Entry | None = None
    sha256: str = FIRST

    @property
    def n(self) -> int:
        """Its number; 0 in a Bucket without entries."""
        return self.entry.n if self.entry else 0


@dataclass(frozen=True)
class EntryFault:
    """One thing that is wrong with an entry."""

    n: int
    text: str


@dataclass
class Chain:
    """All entries of a Bucket, read in order."""

    entries: list[Entry] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    """Of the Archive's Ledger, with their line feeds."""
    faults: list[EntryFault] = field(default_factory=list)
    snapshots: dict[str, StoredObject] = field(default_factory=dict)
    """The zip of every Snapshot that the Bucket holds, oldest first."""
    committed: dict[str, LedgerLine] = field(default_factory=dict)
    """The line that committed each Snapshot, pruned ones included."""
    pruned: set[str] = field(default_factory=set)
    """Snapshots that the Archive's Ledger calls pruned."""
    removed: set[str] = field(default_factory=set)
    """Snapshots that `prune --bucket` has taken away."""
    _committed_by: dict[str, int] = field(default_factory=dict)
    _sha256: str = FIRST
    _line_sha256: str = FIRST

    @property
    def head(self) -> Head:
        """The newest entry."""
        return Head(self.entries[-1], self._sha256) if self.entries else Head()

    def add(self, n: int, content: bytes | None) -> None:
        """Read the next entry; `content` is None when it is missing. What is wrong is in `faults`."""
        if content is None:
            self._fault(n, "is missing")
            self._sha256 = ""
            return
        previous, self._sha256 = self._sha256, hashlib.sha256(content).hexdigest()
        try:
            entry = msgspec.json.decode(content, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            self._fault(n, f"is damaged: {exc}")
            return
        if previous and entry.previous_sha256 != previous:
            # Either may have been altered; where it is this one, the entry after it says so.
            self._fault(max(n - 1, 1), f"is not the entry that entry {n} was created after")
        if entry.format <= FORMAT and render_entry(entry) != content:
            self._fault(n, "is not as harvester writes it")
        if entry.format > FORMAT:
            self._fault(
                n, f"is of format {entry.format}, and this harvester knows {FORMAT}: update harvester"
            )
        if entry.n != n:
            self._fault(n, f"says it is entry {entry.n}")
        if self.entries and entry.account != self.entries[-1].account:
            self._fault(n, f"is of another account ({entry.account})")
        self.entries.append(entry)
        self._apply(n, entry)

    def _apply(self, n: int, entry: Entry) -> None:
        if entry.kind == "removed":
            for name in entry.removed:
                if self.snapshots.pop(name, None) is None:
                    self._fault(n, f"removes {name}, which the Bucket did not hold")
                self.removed.add(name)
        elif entry.kind == "repaired":
            self._put_snapshot(n, entry.snapshot)
        else:
            self._apply_line(n, entry)
        if entry.lines != len(self.lines):
            self._fault(n, f"counts {entry.lines} lines of the ledger instead of {len(self.lines)}")
        elif self.lines and entry.lines_sha256 != self._line_sha256:
            self._fault(n, "has another digest of the newest line of the ledger")

    def _apply_line(self, n: int, entry: Entry) -> None:
        raw = entry.line.encode("utf-8", "surrogatepass") + b"\n"
        try:
            line = msgspec.json.decode(raw, type=LedgerLine)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            self._fault(n, f"carries a ledger line that is damaged: {exc}")
            return
        if self._line_sha256 and line.previous_sha256 != self._line_sha256:
            self._fault(n, "carries a ledger line that does not follow the one before it")
        if line.n != len(self.lines) + 1:
            self._fault(n, f"carries line {line.n} of the ledger instead of line {len(self.lines) + 1}")
        self._line_sha256 = hashlib.sha256(raw).hexdigest()
        self.lines.append(raw)
        if not is_snapshot_name(line.snapshot):
            self._fault(n, f"names {line.snapshot!r}, which is no Snapshot name")
        elif line.event == "prune":
            self.pruned.add(line.snapshot)
        else:
            self.committed[line.snapshot] = line
            self._committed_by[line.snapshot] = n
            key = parse_snapshot_key(entry.snapshot.key) if entry.snapshot else None
            if key is not None and key.snapshot != line.snapshot:
                self._fault(n, f"commits {line.snapshot} with the zip of {key.snapshot}")
            elif entry.snapshot is not None:
                self._put_snapshot(n, entry.snapshot)

    def _put_snapshot(self, n: int, stored: StoredObject | None) -> None:
        key = parse_snapshot_key(stored.key) if stored else None
        if stored is None or key is None:
            self._fault(n, "names no Snapshot zip")
        elif key.snapshot not in self.committed:
            self._fault(n, f"names a zip of {key.snapshot}, which no line has committed")
        else:
            self.snapshots[key.snapshot] = stored

    def _fault(self, n: int, text: str) -> None:
        self.faults.append(EntryFault(n, text))

    def find_gaps(self) -> list[EntryFault]:
        """Commits that have no zip: they were pruned on disk, which an interrupted push has not said yet."""
        gone = self.pruned | self.removed
        return [
            EntryFault(n, f"commits {name} without its zip: it was pruned before it was pushed")
            for name, n in self._committed_by.items()
            if name not in self.snapshots and name not in gone
        ]


def render_entry(entry: Entry) -> bytes:
    """An entry as it is stored."""
    return msgspec.json.encode(entry) + b"\n"


def parse_entry(content: bytes, n: int) -> Entry:
    """The entry with this number.

    Raises:
        BucketConflictError: a newer harvester has written it.
        CorruptBucketError: it is damaged.
    """
    key = ledger_key(n)
    try:
        entry = msgspec.json.decode(content, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptBucketError(
            f"{key} is damaged: {exc}. Run `harvester verify --bucket`", key=key
        ) from exc
    if entry.format > FORMAT:
        raise BucketConflictError(
            f"{key} was written by a newer harvester (format {entry.format}, this one knows {FORMAT}). "
            "Update harvester",
            key=key,
        )
    if entry.n != n:
        raise CorruptBucketError(
            f"{key} says it is entry {entry.n}. Run `harvester verify --bucket`", key=key
        )
    return entry


def missing_lines(lines: Sequence[bytes], newest: Entry | None) -> Sequence[bytes]:
    """The lines of the Archive's Ledger that the Bucket does not have yet.

    The digests in the lines chain them, so equality of one line proves that all before it are equal.

    Args:
        lines: Of the Archive's Ledger, with their line feeds.
        newest: The newest entry.

    Raises:
        BucketConflictError: the Bucket has another history than the Archive.
    """
    number = newest.lines if newest else 0
    if newest is None or number == 0:
        return lines
    if number <= len(lines) and hashlib.sha256(lines[number - 1]).hexdigest() == newest.lines_sha256:
        return lines[number:]
    if number > len(lines):
        what = f"it has {number} lines of the ledger and the archive only {len(lines)}, as an older copy has"
    else:
        what = f"line {number} of the ledger is another one there"
    raise BucketConflictError(
        f"the bucket has another history than this archive: {what}. Push to another prefix, "
        "or continue from the bucket (`harvester restore --all`)",
        key=ledger_key(newest.n),
    )
