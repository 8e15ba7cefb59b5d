"""The last steps of a run: what turns a partial Snapshot into a committed one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from harvester.archive.disk import Disk
from harvester.archive.latest import point_latest
from harvester.archive.open_ledger import OpenLedger
from harvester.errors import CorruptArchiveError
from harvester.format import (
    BAG_INFO,
    BAGIT,
    DECLARATION,
    PAYLOAD,
    RUN,
    TAGMANIFEST,
    file_sha256,
    manifest_line,
    partial_name,
    render_bag_info,
)
from harvester.model import SnapshotRecord
from harvester.secrets import mask

PARTIAL_FILE: Final = "partial.json"
"""Below `.run/`: whose partial it is. While it is there the Snapshot is not complete."""


def render_record(record: SnapshotRecord) -> bytes:
    """`snapshot.json`, one field a line; secrets are masked in the errors of projects."""
    unread = tuple(
        msgspec.structs.replace(project, error=mask(project.error)) for project in record.unread_projects
    )
    record = msgspec.structs.replace(record, unread_projects=unread)
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def write_tags(disk: Disk, bag: Path, record: SnapshotRecord, known: dict[str, str]) -> None:
    """Write the bag's declarations and, last, its tag manifest; `known` are digests of files just written."""
    disk.write(bag / BAGIT, DECLARATION)
    disk.write(bag / BAG_INFO, render_bag_info(bag_info(record)))
    lines = []
    for path in tag_files(bag):
        name = path.relative_to(bag).as_posix()
        if name not in known:
            disk.seal(path)
        lines.append(manifest_line(name, known.get(name) or file_sha256(path)[0]))
    disk.write(bag / TAGMANIFEST, b"".join(lines))


def tag_files(bag: Path) -> Iterator[Path]:
    """Every file beside the payload but the tag manifest itself, sorted.

    Raises:
        CorruptArchiveError: something is neither file nor directory.
    """
    for path in sorted(bag.iterdir()):
        if path.name not in {PAYLOAD, RUN, TAGMANIFEST}:
            yield from _files(path)


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        raise CorruptArchiveError(f"{path} is neither a file nor a directory; remove it and run again")
    if path.is_file():
        yield path
        return
    for below in sorted(path.iterdir()):
        yield from _files(below)


def bag_info(record: SnapshotRecord) -> list[tuple[str, str]]:
    """What `bag-info.txt` says of a Snapshot."""
    previous = record.previous
    return [
        ("Source-Organization", "QuantConnect"),
        ("External-Description", "Backtest reports of one QuantConnect account, as served by its API"),
        ("External-Identifier", f"{record.account}/{record.name}"),
        ("Bagging-Date", record.finished[:10]),
        ("Payload-Oxum", f"{record.payload_bytes}.{record.files}"),
        ("Bag-Software-Agent", f"harvester {record.version}"),
        ("Harvester-Snapshot", record.name),
        ("Harvester-Run", record.run_id),
        ("Harvester-Complete", "yes" if record.complete else "no"),
        ("Harvester-Listed", str(record.listed)),
        ("Harvester-Previous", f"{previous.name} sha256:{previous.tagmanifest_sha256}" if previous else ""),
    ]


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
