"""Checks the lists of a Snapshot against the tag manifest, and that against the Ledger.

Runs, prunes and exports take a `CheckedSnapshot`. A plain `Snapshot` gives its lists unchecked, for commands
that show them or look for damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.archive.snapshot import Snapshot
from harvester.errors import CorruptArchiveError
from harvester.format import (
    INVENTORY,
    LEDGER,
    MANIFEST,
    OPTIMIZATIONS,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    Ledger,
    file_sha256,
    load_manifest,
    load_record,
)
from harvester.model import OptimizationsRecord

_LISTS: Final = (MANIFEST, INVENTORY, SNAPSHOT_FILE)


@dataclass(frozen=True)
class CheckedSnapshot(Snapshot):
    """A Snapshot with lists that match what was committed; only `check_lists` makes one."""

    def optimizations(self) -> OptimizationsRecord:
        """Its `optimizations.json`, which Snapshots of older versions do not have.

        Raises:
            CorruptArchiveError: it is missing or is not what was committed.
            DiskError: it cannot be read.
        """
        recorded = dict(load_manifest(self.path / TAGMANIFEST)).get(OPTIMIZATIONS)
        if recorded is None:
            return OptimizationsRecord({})
        _check_list(self.path / OPTIMIZATIONS, recorded)
        return load_record(self.path / OPTIMIZATIONS, OptimizationsRecord)


@dataclass(frozen=True)
class Base:
    """What the next Snapshot is built on."""

    snapshot: CheckedSnapshot | None
    """The newest one with sound lists; None: there is none, and everything is requested again."""
    passed_over: dict[str, str]
    """Newer Snapshots that are not built on, newest first, with what is wrong with their lists."""


def check_lists(snapshot: Snapshot, ledger: Ledger) -> CheckedSnapshot:
    """Check what the Snapshot says of itself against the Ledger; about 0.1 s for 10,000 backtests.

    The payload is not looked at: the Manifest says what it should be.

    Raises:
        CorruptArchiveError: a list is missing or is not what was committed; names the file.
        DiskError: one cannot be read, which proves nothing against it.
    """
    seal = snapshot.path / TAGMANIFEST
    line = ledger.committed.get(snapshot.name)
    if line is None:
        raise CorruptArchiveError(f"{snapshot.path} has no line in {LEDGER}, so nothing proves its lists")
    if file_sha256(seal)[0] != line.tagmanifest_sha256:
        raise CorruptArchiveError(f"{seal} is not the one that was committed")
    # The seal holds, so the digests in it are those of the commit.
    recorded = dict(load_manifest(seal))
    for name in _LISTS:
        _check_list(snapshot.path / name, recorded.get(name))
    return CheckedSnapshot(snapshot.name, snapshot.path)


def _check_list(path: Path, recorded: str | None) -> None:
    if file_sha256(path)[0] != recorded:
        raise CorruptArchiveError(f"{path} is not the one that was committed")


def find_base(root: Path, ledger: Ledger) -> Base:
    """Return the newest Snapshot with sound lists; a run builds on no other.

    Raises:
        DiskError: a list cannot be read.
    """
    passed_over: dict[str, str] = {}
    # By the Ledger and not by what is in the directory: a Snapshot without a line proves nothing.
    for name in reversed(ledger.committed):
        path = root / name
        if path.is_symlink() or not path.is_dir():
            passed_over[name] = f"{path} is missing"
            continue
        try:
            return Base(check_lists(Snapshot(name, path), ledger), passed_over)
        except CorruptArchiveError as exc:
            passed_over[name] = str(exc)
    return Base(None, passed_over)
