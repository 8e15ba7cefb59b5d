"""Removes Snapshots for good.

A prune is, in this order: its Ledger line, the Snapshot renamed to a temporary name, the files removed. If it
is interrupted after the line, the next `recover` removes the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from harvester.archive.store import Store
from harvester.format import PART


def prune_snapshots(store: Store, names: Sequence[str], *, at: str) -> None:
    """Add a Ledger line for each of these Snapshots, then remove them; a missing one only gets its line.

    Raises:
        ArchiveError: the Ledger has no such Snapshot.
        CorruptArchiveError: the Ledger is broken.
        DiskError: one cannot be removed.
    """
    if not names:
        return
    store.add_prunes(names, at=at)
    root = store.root
    there = [name for name in names if (root / name).is_dir() and not (root / name).is_symlink()]
    remove_snapshots(store, there)


def remove_snapshots(store: Store, names: Sequence[str]) -> None:
    """Remove Snapshots that the Ledger has as pruned.

    They are renamed first, so that no interrupted removal looks like a damaged Snapshot.
    """
    parts = [(store.root / name, store.root / f".{name}{PART}") for name in names]
    for snapshot, part in parts:
        store.disk.remove_tree(part)
        store.disk.rename(snapshot, part)
    if parts:
        store.disk.sync_dir(store.root)
    for _, part in parts:
        store.disk.remove_tree(part)
