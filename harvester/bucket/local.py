"""What a push reads of the Archive on disk; everything is held against the lists that the Ledger proves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from harvester.bucket.keys import TIMESTAMPS, pack_key, parse_timestamp_key
from harvester.bucket.packs import PACK_BYTES, is_member_name, pack_bytes, pack_version
from harvester.errors import CorruptArchiveError
from harvester.format import (
    LEDGER,
    LEDGER_BYTES,
    MANIFEST,
    REPORT_JSON,
    LedgerLine,
    ManifestCursor,
    load_bytes,
    parse_ledger,
)
from harvester.model import InventoryEntry

TOKEN_BYTES: Final = 2**20
"""No timestamp token is larger."""


class LocalSnapshot(Protocol):
    """A Snapshot whose lists were checked against the Ledger."""

    @property
    def name(self) -> str:
        """Its date."""

    @property
    def path(self) -> Path:
        """Its directory."""

    def inventory(self) -> Iterator[InventoryEntry]:
        """Its entries, in order."""


class LocalArchive(Protocol):
    """The Archive on disk."""

    @property
    def root(self) -> Path:
        """Its directory."""

    @property
    def account(self) -> str:
        """Fingerprint of its Account."""

    def checked(self, name: str) -> LocalSnapshot:
        """A Snapshot, its lists proven by the Ledger.

        Raises:
            ArchiveError: there is none, or a list is not what was committed.
        """


@dataclass(frozen=True)
class LocalLedger:
    """The Ledger of the Archive on disk."""

    lines: tuple[LedgerLine, ...]
    raw: tuple[bytes, ...]
    """The same lines as they are on disk, with their line feeds."""

    @property
    def pruned(self) -> set[str]:
        """Snapshots that were removed on purpose."""
        return {line.snapshot for line in self.lines if line.event == "prune"}


@dataclass(frozen=True)
class LocalReport:
    """One report directory of a Snapshot on disk."""

    path: str
    """`data/PROJECT/BACKTEST`."""
    project_id: int
    backtest_id: str
    files: dict[str, str]
    """Name below the directory and sha256, from the Manifest."""
    payload_bytes: int

    @property
    def key(self) -> str:
        """The key of its pack."""
        return pack_key(self.project_id, self.backtest_id, pack_version(self.files))

    @property
    def record_sha256(self) -> str:
        """Digest of its `report.json`."""
        return self.files.get(REPORT_JSON, "")

    @property
    def packed_bytes(self) -> int:
        """The size of its pack."""
        return pack_bytes(self.files, self.payload_bytes)


def load_local_ledger(root: Path) -> LocalLedger:
    """The Ledger of the Archive; a last line that was interrupted while it was written does not count.

    Raises:
        CorruptArchiveError: a line is wrong; names the first.
        DiskError: it cannot be read.
    """
    path = root / LEDGER
    if not os.path.lexists(path):
        return LocalLedger((), ())
    content = load_bytes(path, LEDGER_BYTES)
    ledger = parse_ledger(content)
    if ledger.faults:
        fault = ledger.faults[0]
        raise CorruptArchiveError(
            f"{path}:{fault.number} {fault.text}. "
            "Nothing is pushed from a broken Ledger: see `harvester verify`"
        )
    raw = tuple(line + b"\n" for line in content[: ledger.whole_bytes].split(b"\n")[:-1])
    if len(raw) != len(ledger.lines):
        raise CorruptArchiveError(f"{path} holds lines that name no Snapshot: see `harvester verify`")
    return LocalLedger(ledger.lines, raw)


def list_tokens(root: Path, first: int, last: int) -> dict[str, Path]:
    """The timestamp tokens on disk for the lines `first` to `last` of the Ledger, by file name."""
    try:
        names = sorted(item.name for item in os.scandir(root / TIMESTAMPS))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {name: parse_timestamp_key(f"{TIMESTAMPS}/{name}") for name in names}
    return {
        name: root / TIMESTAMPS / name
        for name, parsed in found.items()
        if parsed and first <= parsed[0] <= last
    }


def iter_reports(snapshot: LocalSnapshot) -> Iterator[LocalReport]:
    """The report directories of a Snapshot, in the order of its Inventory.

    Raises:
        CorruptArchiveError: the Manifest does not go with the Inventory.
    """
    cursor = ManifestCursor(snapshot.path / MANIFEST)
    for entry in snapshot.inventory():
        if not entry.archived:
            continue
        files = cursor.take(entry.path, set()).files()
        if REPORT_JSON not in files:
            raise CorruptArchiveError(
                f"{snapshot.path / MANIFEST} lists no {REPORT_JSON} in {entry.path}. See `harvester verify`"
            )
        yield LocalReport(entry.path, entry.project_id, entry.backtest_id, files, entry.payload_bytes)


def read_report(snapshot: LocalSnapshot, report: LocalReport) -> list[tuple[str, bytes]]:
    """The files of a report, each with the digest that was recorded for it.

    Raises:
        CorruptArchiveError: one is missing or damaged; says what to do.
        DiskError: one cannot be read.
    """
    for name in report.files:
        if not is_member_name(name):
            raise CorruptArchiveError(
                f"{snapshot.path / MANIFEST} lists {name!r} in {report.path}, which no report has. "
                "See `harvester verify`"
            )
    return [
        (name, read_file(snapshot, f"{report.path}/{name}", sha256)) for name, sha256 in report.files.items()
    ]


def read_file(snapshot: LocalSnapshot, name: str, sha256: str) -> bytes:
    """One file of a Snapshot, with the digest that was recorded for it.

    Raises:
        CorruptArchiveError: it is missing or damaged; says what to do.
        DiskError: it cannot be read.
    """
    content = load_bytes(snapshot.path / name, PACK_BYTES)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptArchiveError(
            f"{snapshot.path / name} is not what was committed, and is not pushed. "
            f"Run `harvester verify {snapshot.name} --repair`, then push again"
        )
    return content
