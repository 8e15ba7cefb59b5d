"""What an earlier run has left behind, and how the next one goes on from there.

A commit is, in this order: everything to disk, `partial.json` removed, the Snapshot's name, its Ledger line,
`latest`. A prune is: its Ledger line, then the directory removed. Wherever a run was cut off, `recover` does
the rest. What does not fit into this order was done by somebody else, and is an error that says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harvester.archive.bag import check_tags
from harvester.archive.commit import PARTIAL_FILE, publish, register
from harvester.archive.disk import Disk
from harvester.archive.latest import point_latest, read_latest
from harvester.archive.layout import (
    LEDGER,
    PART,
    RUN,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    is_snapshot_name,
    parse_partial_name,
    partial_name,
    snapshot_order,
)
from harvester.archive.ledger import Ledger, append_line, load_ledger, load_sound_ledger, mend_ledger
from harvester.archive.snapshot import Snapshot
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.model import Previous, SnapshotRecord


@dataclass(frozen=True)
class Recovered:
    """An Archive in which nothing is left unfinished."""

    ledger: Ledger
    """Every Snapshot that stands has its line."""
    notes: tuple[str, ...]
    """What was found and set aside, for the user."""


def snapshot_names(root: Path) -> list[str]:
    """The Snapshots that exist in the Archive, oldest first."""
    return _sorted_directories(root)[0]


def foreign_names(root: Path) -> list[str]:
    """Directories with the name of a Snapshot that are none, oldest first.

    They have no `snapshot.json`, and no run of this Archive has committed one of that name: somebody else has
    made them. Nobody builds on them, and nobody touches them.
    """
    return _sorted_directories(root)[1]


def _sorted_directories(root: Path) -> tuple[list[str], list[str]]:
    """Snapshots, and directories that only have the name of one."""
    names = [
        entry.name
        for entry in os.scandir(root)
        if is_snapshot_name(entry.name) and entry.is_dir(follow_symlinks=False)
    ]
    bare = {name for name in names if not os.path.lexists(f"{root}/{name}/{SNAPSHOT_FILE}")}
    foreign = bare - _committed_names(root, bare) if bare else bare
    names.sort(key=snapshot_order)
    return [name for name in names if name not in foreign], [name for name in names if name in foreign]


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


def recover(root: Path, disk: Disk) -> Recovered:
    """Finish what was interrupted.

    Raises:
        CorruptArchiveError: something is there, or is missing, that no cut-off run explains.
        DiskError: something cannot be written.
    """
    ledger = mend_ledger(root, disk)
    _finish_prunes(root, disk, ledger)
    ledger, notes = _finish_commit(root, disk, ledger)
    _check_newest(root, ledger)
    _sweep(root, disk)
    committed = ledger.committed
    if committed and read_latest(root) != [*committed][-1]:
        notes += point_latest(root, disk, [*committed][-1])
    notes += [foreign_note(root / name) for name in foreign_names(root)]
    return Recovered(ledger, tuple(notes))


def foreign_note(path: Path) -> str:
    """What the user is told of something that only has the name of a Snapshot."""
    return f"{path} has the name of a Snapshot but is not one; it was left alone. See who put it there"


def _finish_prunes(root: Path, disk: Disk, ledger: Ledger) -> None:
    for name in snapshot_names(root):
        if name in ledger.pruned:
            remove_snapshot(root, disk, name)


def prune_snapshot(root: Path, disk: Disk, name: str, *, at: str) -> None:
    """Remove a Snapshot for good: its Ledger line, then its directory; one that is missing gets its line.

    Raises:
        ArchiveError: the Ledger has no such Snapshot.
        CorruptArchiveError: the Ledger is broken.
        DiskError: it cannot be removed.
    """
    ledger = mend_ledger(root, disk)
    if name not in ledger.committed:
        raise ArchiveError(f"{root / LEDGER} has no Snapshot {name!r} that could be pruned")
    line = ledger.next_line("prune", name, ledger.committed[name].tagmanifest_sha256, at=at)
    append_line(root, disk, line)
    if name in snapshot_names(root):
        remove_snapshot(root, disk, name)


def remove_snapshot(root: Path, disk: Disk, name: str) -> None:
    """Remove a Snapshot that the Ledger calls pruned: first its name, then what is in it."""
    pruned = root / f".{name}{PART}"
    disk.remove_tree(pruned)
    disk.rename(root / name, pruned)
    disk.sync_dir(root)
    disk.remove_tree(pruned)


def _finish_commit(root: Path, disk: Disk, ledger: Ledger) -> tuple[Ledger, list[str]]:
    """Give a Snapshot without a Ledger line its line, and a sealed partial its name and line."""
    notes: list[str] = []
    unknown = [name for name in snapshot_names(root) if name not in ledger.committed]
    if len(unknown) > 1:
        raise CorruptArchiveError(_foreign(root / unknown[0], "it has no line in the Ledger"))
    if unknown:
        notes += register(disk, root, check_adoptable(root, unknown[-1], root / unknown[-1], ledger))
        ledger = load_sound_ledger(root)
    for name in partial_names(root):
        path = root / partial_name(name)
        if (path / TAGMANIFEST).exists() and not (path / RUN / PARTIAL_FILE).exists():
            notes += publish(disk, root, check_adoptable(root, name, path, ledger))
            ledger = load_sound_ledger(root)
    return ledger, notes


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
    line = [*ledger.committed.values()][-1]
    path = root / line.snapshot
    if not path.is_dir() or path.is_symlink():
        raise CorruptArchiveError(
            f"Snapshot {line.snapshot} is missing, although {LEDGER} has it committed and never pruned. "
            "Restore the directory from a backup; or accept the loss with "
            f"`harvester prune --forget {line.snapshot} --yes`: then the next run builds on the one before"
        )


def _sweep(root: Path, disk: Disk) -> None:
    """Remove what was written beside its place and never got there."""
    for entry in list(os.scandir(root)):
        if entry.name.startswith(".") and entry.name.endswith(PART):
            disk.remove_tree(Path(entry.path))
