"""What is in an Archive's directory: Snapshots, unfinished ones, leftovers, and what is somebody else's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harvester.errors import ArchiveError
from harvester.format import (
    PART,
    SNAPSHOT_FILE,
    Ledger,
    is_snapshot_name,
    load_ledger,
    parse_partial_name,
    snapshot_order,
)


def snapshot_names(root: Path) -> list[str]:
    """The Snapshots that exist in the Archive, oldest first."""
    return scan_names(root).snapshots


def foreign_names(root: Path) -> list[str]:
    """Directories that have the name of a Snapshot but are not one, oldest first.

    They have no `snapshot.json`, and no run of this Archive has committed one of that name: somebody else has
    made them. Nothing is built on them, and nothing changes them.
    """
    return scan_names(root).foreign


@dataclass(frozen=True)
class ArchiveNames:
    """What is in the Archive's directory, seen in one pass over it."""

    snapshots: list[str]
    """Oldest first, as the two lists below."""
    foreign: list[str]
    """Directories that only have the name of a Snapshot."""
    partials: list[str]
    """The names that unfinished Snapshots will get."""
    parts: list[str]
    """Temporary files and directories of an interrupted write."""


def scan_names(root: Path, ledger: Ledger | None = None) -> ArchiveNames:
    """List the Archive's directory and tell apart what is in it.

    There are four kinds of dated directories:
    1. with a `snapshot.json`: a Snapshot, whatever the Ledger says;
    2. without one, in the Ledger: a Snapshot that was damaged, which `verify` reports;
    3. without one, and not in the Ledger: somebody else's;
    4. without one, and the Ledger cannot be read: counted as a Snapshot, so that nothing is overlooked.

    Args:
        root: The Archive's directory.
        ledger: Its Ledger; directories that it knows are not looked into. None: it is read only if there is
            a directory that it has to decide about.
    """
    # One pass, without a call for each entry: an Archive may have thousands of dates.
    entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(root)]
    dated = [name for name, is_dir in entries if is_dir and is_snapshot_name(name)]
    known = set(ledger.names) if ledger else set[str]()
    bare = {
        name for name in dated if name not in known and not os.path.lexists(f"{root}/{name}/{SNAPSHOT_FILE}")
    }
    foreign = bare - _committed_names(root, bare) if bare and ledger is None else bare
    dated.sort(key=snapshot_order)
    partials = [parse_partial_name(name) for name, is_dir in entries if is_dir]
    return ArchiveNames(
        snapshots=[name for name in dated if name not in foreign],
        foreign=[name for name in dated if name in foreign],
        partials=sorted((name for name in partials if name is not None), key=snapshot_order),
        parts=[name for name, _ in entries if name.startswith(".") and name.endswith(PART)],
    )


def _committed_names(root: Path, names: set[str]) -> set[str]:
    """The names that the Ledger has; all of them when it cannot be read, which other code reports."""
    try:
        return names & set(load_ledger(root).names)
    except ArchiveError:
        return names


def foreign_note(path: Path) -> str:
    """What the user is told about something that only has the name of a Snapshot."""
    return f"{path} has the name of a Snapshot but is not one; it was left alone. See who put it there"
