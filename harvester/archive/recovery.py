"""Completes what an earlier run or prune was interrupted in.

A commit is, in this order: everything to disk, `partial.json` removed, the Snapshot's name, its Ledger line,
`latest`. A prune is: its Ledger line, then the directory removed. Wherever that was
interrupted, `recover` does the rest. What does not fit into this order was done by somebody else, and is an
error that says so.
"""

from __future__ import annotations

from pathlib import Path

from harvester.archive.commit import PARTIAL_FILE, publish, register
from harvester.archive.latest import point_latest, read_latest
from harvester.archive.names import ArchiveNames, foreign_note, scan_names
from harvester.archive.prune import remove_snapshots
from harvester.archive.snapshot import Snapshot
from harvester.archive.store import Store
from harvester.errors import CorruptArchiveError
from harvester.format import LEDGER, RUN, TAGMANIFEST, Ledger, check_tags, snapshot_order
from harvester.model import Previous, SnapshotRecord


def recover(store: Store) -> tuple[str, ...]:
    """Finish what was interrupted, so that every Snapshot that exists has its line in the Ledger.

    Returns:
        What was found and set aside, for the user.

    Raises:
        CorruptArchiveError: something is there, or is missing, that no interrupted run explains.
        DiskError: something cannot be written.
    """
    # The order matters. An interrupted ledger line is removed first, since all else asks the Ledger; pruned
    # Snapshots go before commits are completed, so that only unfinished commits are left without a line.
    found = scan_names(store.root, store.repair_ledger())
    remove_snapshots(store, [name for name in found.snapshots if name in store.ledger.pruned])
    notes = _finish_commits(store, found)
    _check_newest(store)
    for name in found.parts:
        store.disk.remove_tree(store.root / name)
    committed = store.ledger.committed
    if committed and read_latest(store.root) != next(reversed(committed)):
        notes += point_latest(store, next(reversed(committed)))
    return (*notes, *(foreign_note(store.root / name) for name in found.foreign))


def _finish_commits(store: Store, found: ArchiveNames) -> list[str]:
    """Complete interrupted commits; returns notes for the user.

    1. a Snapshot without a Ledger line: it gets its line. There can be one; more were not made by a run;
    2. a sealed partial, which has its tag manifest and no `partial.json`: it gets its name and its line;
    3. any other partial is left to `begin_partial`, which resumes it.
    """
    notes: list[str] = []
    known = set(store.ledger.names)
    unknown = [name for name in found.snapshots if name not in known]
    if len(unknown) > 1:
        raise CorruptArchiveError(_foreign(store.root / unknown[0], "it has no line in the Ledger"))
    for name in unknown:
        notes += register(store, check_adoptable(name, store.root / name, store.ledger))
    for name in found.partials:
        path = store.partial_dir(name)
        if (path / TAGMANIFEST).exists() and not (path / RUN / PARTIAL_FILE).exists():
            notes += publish(store, check_adoptable(name, path, store.ledger))
    return notes


def check_adoptable(name: str, path: Path, ledger: Ledger) -> SnapshotRecord:
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
    # Who moves a directory in here by hand is caught by this: its run saw another last Snapshot.
    if record.previous != expected:
        raise CorruptArchiveError(_foreign(path, "it was not built on the last Snapshot committed"))
    check_tags(path)
    return record


def _foreign(path: Path, why: str) -> str:
    return (
        f"{path} was not committed by a run of this Archive: {why}. "
        "Move it out of the Archive (or restore ledger.jsonl if that was changed), then run again"
    )


def _check_newest(store: Store) -> None:
    """The newest Snapshot must be there; whether the next is built on it is for `find_base` to say."""
    if not store.ledger.committed:
        return
    line = next(reversed(store.ledger.committed.values()))
    path = store.root / line.snapshot
    if not path.is_dir() or path.is_symlink():
        raise CorruptArchiveError(
            f"Snapshot {line.snapshot} is missing, although {LEDGER} has it committed and never pruned. "
            "Restore the directory from a backup; or accept the loss with "
            f"`harvester prune --forget {line.snapshot} --yes`: then the next run builds on the one before"
        )
