"""Compares Inventory, record and Ledger of a Snapshot with each other, and with its Manifest and files."""

from __future__ import annotations

from collections import Counter

from harvester.archive import Archive, Snapshot
from harvester.audit.verify.payload import DirectorySummary
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.errors import ArchiveError
from harvester.format import BAG_INFO, INVENTORY, LEDGER, SNAPSHOT_FILE, Ledger, load_bytes, parse_bag_info
from harvester.model import InventoryEntry, Outcome, SnapshotRecord


def check_consistency(
    archive: Archive,
    ledger: Ledger | None,
    snapshot: Snapshot,
    directories: dict[str, DirectorySummary] | None,
) -> list[Problem]:
    """Return where the Snapshot contradicts itself, its Archive or the Ledger.

    Args:
        archive: The Archive that the Snapshot belongs to.
        ledger: Read after the Snapshot was seen to exist; None when it cannot be read, which is reported
            elsewhere.
        snapshot: The Snapshot to check.
        directories: The summaries that `check_payload` returned; None skips the comparison with them.
    """
    found = Findings(snapshot.name)
    sums = _check_inventory(snapshot, directories, found)
    try:
        record = snapshot.record()
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.RECORD, SNAPSHOT_FILE, exc)
        return found.problems
    if record.account != archive.account:
        found.add(
            ProblemKind.RECORD,
            SNAPSHOT_FILE,
            f"is of account {record.account}, but the Archive is of another account",
        )
    if sums is not None:
        _check_sums(record, sums, found)
    _check_oxum(snapshot, record, found)
    if ledger is not None:
        _check_ledger(ledger, record, found)
    return found.problems


def _check_inventory(
    snapshot: Snapshot, directories: dict[str, DirectorySummary] | None, found: Findings
) -> Counter[str] | None:
    """Compare each entry with its directory; return the totals, None when the Inventory cannot be read."""
    sums = Counter[str]()
    missing = dict(directories or {})
    try:
        for entry in snapshot.inventory():
            sums[f"listed as {entry.outcome}"] += entry.listed
            sums["lost"] += entry.outcome is Outcome.LOST
            sums["gone"] += bool(entry.gone_since and not entry.listed)
            sums["files"] += entry.files
            sums["payload_bytes"] += entry.payload_bytes
            if entry.archived and directories is not None:
                _check_entry(entry, missing.pop(entry.path, None), found)
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.INVENTORY, INVENTORY, exc)
        return None
    for path in missing:
        found.add(ProblemKind.INVENTORY, INVENTORY, f"has no entry for {path}")
    return sums


def _check_entry(entry: InventoryEntry, directory: DirectorySummary | None, found: Findings) -> None:
    if directory is None:
        found.add(ProblemKind.INVENTORY, INVENTORY, f"lists {entry.path}, but the Manifest does not")
        return
    recorded = (entry.files, entry.images, entry.report_sha256)
    if recorded != (directory.files, directory.images, directory.report_sha256):
        found.add(ProblemKind.INVENTORY, INVENTORY, f"and Manifest differ in what {entry.path} holds")
    if directory.payload_bytes not in {None, entry.payload_bytes}:
        text = f"records {entry.payload_bytes} bytes for {entry.path}; on disk are {directory.payload_bytes}"
        found.add(ProblemKind.INVENTORY, INVENTORY, text)


def _check_sums(record: SnapshotRecord, sums: Counter[str], found: Findings) -> None:
    recorded = {f"listed as {name}": count for name, count in record.counts.items()}
    recorded |= {
        "gone": record.gone,
        "lost": record.lost,
        "files": record.files,
        "payload_bytes": record.payload_bytes,
    }
    for name in sorted({*recorded, *sums}):
        if recorded.get(name, 0) != sums[name]:
            found.add(
                ProblemKind.RECORD,
                SNAPSHOT_FILE,
                f"has {recorded.get(name, 0)} {name}, the Inventory {sums[name]}",
            )
    if sum(record.counts.values()) != record.listed:
        found.add(ProblemKind.RECORD, SNAPSHOT_FILE, "has counts that do not add up to what was listed")


def _check_oxum(snapshot: Snapshot, record: SnapshotRecord, found: Findings) -> None:
    try:
        info = parse_bag_info(load_bytes(snapshot.path / BAG_INFO))
    except ArchiveError:
        return  # reported with the tag files
    oxum = f"{record.payload_bytes}.{record.files}"
    if info.get("Payload-Oxum") != oxum:
        found.add(ProblemKind.BAG, BAG_INFO, f"has the Payload-Oxum {info.get('Payload-Oxum')}, not {oxum}")


def _check_ledger(ledger: Ledger, record: SnapshotRecord, found: Findings) -> None:
    """Compare the Ledger with the Snapshot, and with the previous Snapshot that it was built on."""
    line, previous = ledger.committed.get(record.name), record.previous
    if line is not None and (line.at, line.listed, line.counts) != (
        record.finished,
        record.listed,
        record.counts,
    ):
        found.add(ProblemKind.RECORD, SNAPSHOT_FILE, f"and {LEDGER}:{line.n} differ in what the run has done")
    if previous is not None and (previous.name, previous.tagmanifest_sha256) not in ledger.seals:
        found.add(
            ProblemKind.RECORD, SNAPSHOT_FILE, f"was built on a {previous.name} that the Ledger does not know"
        )
