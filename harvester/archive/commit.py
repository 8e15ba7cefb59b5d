"""The last steps of a run: what turns a partial Snapshot into a committed one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk
from harvester.archive.latest import point_latest
from harvester.archive.store import Store
from harvester.format import (
    BAG_INFO,
    BAGIT,
    DECLARATION,
    RUN,
    TAGMANIFEST,
    bag_info_fields,
    file_sha256,
    manifest_line,
    render_bag_info,
    tag_files,
)
from harvester.model import SnapshotRecord

PARTIAL_FILE: Final = "partial.json"
"""Below `.run/`: the state of a partial. While it exists the Snapshot is not complete."""


def write_tags(disk: Disk, bag: Path, record: SnapshotRecord, known: dict[str, str]) -> None:
    """Write the bag's declarations and, last, its tag manifest; `known` are digests of files just written."""
    disk.write(bag / BAGIT, DECLARATION)
    disk.write(bag / BAG_INFO, render_bag_info(bag_info_fields(record)))
    lines = []
    for path in tag_files(bag):
        name = path.relative_to(bag).as_posix()
        # Manifest and Inventory, the largest, were hashed while they were written.
        if name not in known:
            disk.seal(path)
        lines.append(manifest_line(name, known.get(name) or file_sha256(path)[0]))
    disk.write(bag / TAGMANIFEST, b"".join(lines))


def seal(store: Store, name: str) -> None:
    """Flush everything and remove `partial.json`: from here on the next run would complete the commit."""
    partial = store.partial_dir(name)
    # One `syncfs` for all linked files; linking has flushed none of them.
    store.disk.sync_all(partial)
    store.disk.remove(partial / RUN / PARTIAL_FILE)


def publish(store: Store, record: SnapshotRecord) -> list[str]:
    """Give a sealed Snapshot its name, its Ledger line, and `latest`; returns notes for the user."""
    partial = store.partial_dir(record.name)
    store.disk.remove_tree(partial / RUN)
    store.disk.sync_dir(partial)
    store.disk.rename(partial, store.root / record.name)
    # The name must be durable before the Ledger line that speaks of it.
    store.disk.sync_dir(store.root)
    return register(store, record)


def register(store: Store, record: SnapshotRecord) -> list[str]:
    """Add the Ledger line of a Snapshot that has its name, and point `latest` to it."""
    store.add_commit(record, file_sha256(store.root / record.name / TAGMANIFEST)[0])
    return point_latest(store, record.name)
