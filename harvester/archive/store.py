"""The directory of a locked Archive with its Ledger, kept in step with the lines that this process adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harvester.archive.disk import Disk
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.format import (
    ARCHIVE_FILE,
    LEDGER,
    Ledger,
    LedgerLine,
    file_sha256,
    load_sound_ledger,
    partial_name,
    render_line,
)
from harvester.model import SnapshotRecord


class Store:
    """An Archive's directory, what changes it, and its Ledger while this process holds the lock.

    Nobody else adds to the Ledger meanwhile, so it is parsed once, however many lines a command adds.
    """

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        """The Archive's directory."""
        self.disk = disk
        """Every change to the directory goes through it."""
        self._known: Ledger | None = None

    def partial_dir(self, name: str) -> Path:
        """The directory of the Snapshot `name` while it is being made."""
        return self.root / partial_name(name)

    @property
    def ledger(self) -> Ledger:
        """What the Ledger says now.

        Raises:
            CorruptArchiveError: a line is wrong; names the first.
        """
        if self._known is None:
            self._known = load_sound_ledger(self.root)
        return self._known

    def repair_ledger(self) -> Ledger:
        """Remove a last line that was interrupted while it was written, and return the Ledger without it.

        Raises:
            CorruptArchiveError: another line is wrong; names the first.
            DiskError: it cannot be written.
        """
        if self.ledger.torn:
            self.disk.truncate(self.root / LEDGER, self.ledger.whole_bytes)
            self._known = dataclasses.replace(self.ledger, torn=False)
        return self.ledger

    def add_commit(self, record: SnapshotRecord, tagmanifest_sha256: str) -> None:
        """Add the line of a Snapshot that was renamed to its final name.

        Raises:
            CorruptArchiveError: the Ledger is broken, or was changed meanwhile.
            DiskError: it cannot be written.
        """
        line = self.repair_ledger().next_line("commit", record.name, tagmanifest_sha256, at=record.finished)
        self._append([msgspec.structs.replace(line, listed=record.listed, counts=record.counts)])

    def add_prunes(self, names: Sequence[str], *, at: str) -> None:
        """Add a line for each Snapshot that is to be removed, all of them in one write.

        Raises:
            ArchiveError: the Ledger does not have one of them as committed; then no line is added.
            CorruptArchiveError: the Ledger is broken, or was changed meanwhile.
            DiskError: it cannot be written.
        """
        ledger = self.repair_ledger()
        lines = []
        for name in dict.fromkeys(names):
            if name not in ledger.committed:
                raise ArchiveError(f"{self.root / LEDGER} has no Snapshot {name!r} that could be pruned")
            sha256 = ledger.committed[name].tagmanifest_sha256
            lines.append(ledger.next_line("prune", name, sha256, at=at))
        self._append(lines)

    def _append(self, drafts: Sequence[LedgerLine]) -> None:
        """Chain the lines to the last one and to each other, and write them."""
        ledger, content = self.ledger, b""
        self._check_unchanged(ledger)
        for draft in drafts:
            line = ledger.chained(draft)
            if not line.archive_sha256:
                line = msgspec.structs.replace(line, archive_sha256=self._archive_sha256())
            ledger = ledger.followed_by(line)
            content += render_line(line)
        # Until the lines are written nobody knows what the file holds: an error may come after half of them.
        self._known = None
        self.disk.append(self.root / LEDGER, content)
        self._known = ledger

    def _archive_sha256(self) -> str:
        """The digest for the first line that has one; later lines repeat it.

        So a `harvester.json` that was altered in between is found, and not sealed by the next run.
        """
        path = self.root / ARCHIVE_FILE
        return file_sha256(path)[0] if path.is_file() else ""

    def _check_unchanged(self, ledger: Ledger) -> None:
        path = self.root / LEDGER
        size_bytes = path.stat().st_size if path.exists() else 0
        if size_bytes != ledger.whole_bytes:
            raise CorruptArchiveError(
                f"{path} was changed by somebody else while this command held the lock. "
                "See `harvester verify`, then run the command again: it continues where this one ended"
            )
