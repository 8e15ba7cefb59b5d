"""The last steps of a run: what turns a partial Snapshot into a committed one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harvester.archive.disk import Disk
from harvester.archive.latest import point_latest
from harvester.archive.open_ledger import OpenLedger
from harvester.format import (
    BAG_INFO,
    BAGIT,
    DECLARATION,
    RUN,
    TAGMANIFEST,
    bag_info_fields,
    file_sha256,
    manifest_line,
    partial_name,
    render_bag_info,
    tag_files,
)
from harvester.model import SnapshotRecord

PARTIAL_FILE: Final = "partial.json"
"""Below `.run/`: whose partial it is. While it is there the Snapshot is not complete."""


def write_tags(disk: Disk, bag: Path, record: SnapshotRecord, known: dict[str, str]) -> None:
    """Write the bag's declarations and, last, its tag manifest; `known` are digests of files just written."""
    disk.write(bag / BAGIT, DECLARATION)
    disk.write(bag / BAG_INFO, render_bag_info(bag_info_fields(record)))
    lines = []
    for path in tag_files(bag):
        name = path.relative_to(bag).as_posix()
        if name not in known:
            disk.seal(path)
        lines.append(manifest_line(name, known.get(name) or file_sha256(path)[0]))
    disk.write(bag / TAGMANIFEST, b"".join(lines))


def seal(disk: Disk, root: Path, name: str) -> None:
    """Make everything durable and say so; from here on the next run would complete the commit."""
    partial = root / partial_name(name)
    disk.sync_all(partial)
    disk.remove(partial / RUN / PARTIAL_FILE)


def publish(ledger: OpenLedger, record: SnapshotRecord) -> list[str]:
    """Give a sealed Snapshot its name, then its Ledger line, then `latest`; gives notes for the user."""
    disk, root = ledger.disk, ledger.root
    partial = root / partial_name(record.name)
    disk.remove_tree(partial / RUN)
    disk.sync_dir(partial)
    disk.rename(partial, root / record.name)
    disk.sync_dir(root)
    return register(ledger, record)


def register(ledger: OpenLedger, record: SnapshotRecord) -> list[str]:
    """Add the Ledger line of a Snapshot that has its name, and let `latest` name it."""
    ledger.add_commit(record, file_sha256(ledger.root / record.name / TAGMANIFEST)[0])
    return point_latest(ledger.root, ledger.disk, record.name)
