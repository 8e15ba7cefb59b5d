"""What an earlier run has left behind, and how the next one goes on from there.

A commit is, in this order: everything to disk, `partial.json` removed, the Snapshot's name, its Ledger line,
`latest`. A prune is: its Ledger line, then the directory removed. Wherever a run was cut off, `recover` does
the rest. What does not fit into this order was done by somebody else, and is an error that says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester.archive.commit import PARTIAL_FILE, publish, register
from harvester.archive.disk import Disk
from harvester.archive.latest import point_latest, read_latest
from harvester.archive.open_ledger import OpenLedger
from harvester.archive.snapshot import Snapshot
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.format import (
    LEDGER,
    PART,
    RUN,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    Ledger,
    check_tags,
    is_snapshot_name,
    load_ledger,
    parse_partial_name,
    partial_name,
    snapshot_order,
)
from harvester.model import Previous, SnapshotRecord


def snapshot_names(root: Path) -> list[str]:
    """The Snapshots that exist in the Archive, oldest first."""
    return _look(root).snapshots


def foreign_names(root: Path) -> list[str]:
    """Directories with the name of a Snapshot that are none, oldest first.

    They have no `snapshot.json`, and no run of this Archive has committed one of that name: somebody else has
    made them. Nobody builds on them, and nobody touches them.
    """
    return _look(root).foreign


@dataclass(frozen=True)
class _Names:
    """What is in the Archive's directory, seen in one pass over it."""

    snapshots: list[str]
    foreign: list[str]
    partials: list[str]
    """By the names that they were to have."""
    parts: list[str]
    """What was written beside its place."""


def _look(root: Path, ledger: Ledger | None = None) -> _Names:
    """The names in the Archive's directory; a Snapshot that the Ledger knows is not looked into.

    Args:
        root: The directory.
        ledger: None: it is read only if there is a directory that it has to decide about.
    """
    entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(root)]
    dated = [name for name, is_dir in entries if is_dir and is_snapshot_name(name)]
    known = set(ledger.names) if ledger else set[str]()
    bare = {
        name for name in dated if name not in known and not os.path.lexists(f"{root}/{name}/{SNAPSHOT_FILE}")
    }
    foreign = bare - _committed_names(root, bare) if bare and ledger is None else bare
    dated.sort(key=snapshot_order)
    partials = [parse_partial_name(name) for name, is_dir in entries if is_dir]
    return _Names(
        snapshots=[name for name in dated if name not in foreign],
        foreign=[name for name in dated if name in foreign],
        partials=sorted((name for name in partials if name is not None), key=snapshot_order),
        parts=[name for name, _ in entries if name.startswith(".") and name.endswith(PART)],
    )


def _committed_names(root: Path, names: set[str]) -> set[str]:
    """Those that the Ledger has ever given; all of them when it cannot be read, which is told elsewhere."""
    try:
        return names & set(load_ledger(root).names)
    except ArchiveError:
        return names


def partial_names(root: Path) -> list[str]:
    """The Snapshots that somebody has begun, oldest first, by the names they were to have."""
    found = (
        parse_partial_name(entry.name) for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)
    )
    return sorted((name for name in found if name is not None), key=snapshot_order)


def recover(ledger: OpenLedger) -> tuple[str, ...]:
    """Finish what was interrupted, so that every Snapshot that exists has its line in the Ledger.

    Returns:
        What was found and set aside, for the user.

    Raises:
        CorruptArchiveError: something is there, or is missing, that no interrupted run explains.
        DiskError: something cannot be written.
    """
    root, disk = ledger.root, ledger.disk
    found = _look(root, ledger.repair_end())
    _remove_snapshots(root, disk, [name for name in found.snapshots if name in ledger.ledger.pruned])
    notes = _finish_commits(ledger, found)
    _check_newest(root, ledger.ledger)
    for name in found.parts:
        disk.remove_tree(root / name)
    committed = ledger.ledger.committed
    if committed and read_latest(root) != next(reversed(committed)):
        notes += point_latest(root, disk, next(reversed(committed)))
    return (*notes, *(foreign_note(root / name) for name in found.foreign))


def foreign_note(path: Path) -> str:
    """What the user is told of something that only has the name of a Snapshot."""
    return f"{path} has the name of a Snapshot but is not one; it was left alone. See who put it there"


def prune_snapshots(ledger: OpenLedger, names: Sequence[str], *, at: str) -> None:
    """Remove Snapshots for good: their Ledger lines, then their directories; a missing one gets its line.

    Interrupted anywhere after the lines, `recover` does the rest.

    Raises:
        ArchiveError: the Ledger has no such Snapshot.
        CorruptArchiveError: the Ledger is broken.
        DiskError: one cannot be removed.
    """
    if not names:
        return
    ledger.add_prunes(names, at=at)
    root = ledger.root
    there = [name for name in names if (root / name).is_dir() and not (root / name).is_symlink()]
    _remove_snapshots(root, ledger.disk, there)


def _remove_snapshots(root: Path, disk: Disk, names: Sequence[str]) -> None:
    """Remove Snapshots that the Ledger calls pruned: first their names, then what is in them."""
    parts = [(root / name, root / f".{name}{PART}") for name in names]
    for snapshot, part in parts:
        disk.remove_tree(part)
        disk.rename(snapshot, part)
    if parts:
        disk.sync_dir(root)
    for _, part in parts:
        disk.remove_tree(part)


def _finish_commits(ledger: OpenLedger, found: _Names) -> list[str]:
    """Give a Snapshot without a Ledger line its line, and a sealed partial its name and line."""
    root = ledger.root
    notes: list[str] = []
    known = set(ledger.ledger.names)
    unknown = [name for name in found.snapshots if name not in known]
    if len(unknown) > 1:
        raise CorruptArchiveError(_foreign(root / unknown[0], "it has no line in the Ledger"))
    for name in unknown:
        notes += register(ledger, check_adoptable(root, name, root / name, ledger.ledger))
    for name in found.partials:
        path = root / partial_name(name)
        if (path / TAGMANIFEST).exists() and not (path / RUN / PARTIAL_FILE).exists():
            notes += publish(ledger, check_adoptable(root, name, path, ledger.ledger))
    return notes


def check_adoptable(root: Path, name: str, path: Path, ledger: Ledger) -> SnapshotRecord:
    """The record of a Snapshot that lacks only its Ledger line.

    It was built on the last Snapshot committed, or on the last before those that it says it passed over
    because their lists were damaged.

    Raises:
        CorruptArchiveError: it lacks more, or no run of this Archive has made it; says what to do.
        DiskError: it cannot be read.
    """
    record = Snapshot(name, path).record()
    if ledger.names and snapshot_order(name) <= snapshot_order(ledger.names[-1]):
        raise CorruptArchiveError(
            _foreign(path, f"it is not newer than {ledger.names[-1]}, the last one committed")
        )
    lines = [line for line in ledger.committed.values() if line.snapshot not in record.passed_over]
    last = lines[-1] if lines else None
    expected = Previous(last.snapshot, last.tagmanifest_sha256) if last else None
    if record.previous != expected:
        raise CorruptArchiveError(_foreign(path, "it was not built on the last Snapshot committed"))
    check_tags(path)
    return record


def _foreign(path: Path, why: str) -> str:
    return (
        f"{path} was not committed by a run of this Archive: {why}. "
        "Move it out of the Archive (or restore ledger.jsonl if that was changed), then run again"
    )


def _check_newest(root: Path, ledger: Ledger) -> None:
    """The newest Snapshot must be there; whether the next is built on it is for `find_base` to say."""
    if not ledger.committed:
        return
    line = next(reversed(ledger.committed.values()))
    path = root / line.snapshot
    if not path.is_dir() or path.is_symlink():
        raise CorruptArchiveError(
            f"Snapshot {line.snapshot} is missing, although {LEDGER} has it committed and never pruned. "
            "Restore the directory from a backup; or accept the loss with "
            f"`harvester prune --forget {line.snapshot} --yes`: then the next run builds on the one before"
        )
