"""What is asked of an Archive when all is over, as far as possible by tools that are not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harvester.archive import Archive
from harvester.format.layout import PAYLOAD
from harvester.format.ledger import load_ledger
from harvester.format.manifest import parse_manifest_line

_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system's own is."""


def check_bags(root: Path) -> int:
    """Let `bagit` judge every Snapshot; gives how many there are."""
    paths = [str(snapshot.path) for snapshot in Archive.open(root).snapshots()]
    command = [sys.executable, "-W", "ignore", "-m", "bagit", "--quiet", "--validate", "--processes", "2"]
    subprocess.run([*command, *paths], check=True)
    return len(paths)


def check_ledger(root: Path) -> None:
    """The chain holds, and what it says was committed and not pruned is what stands."""
    ledger = load_ledger(root)
    assert not ledger.faults
    assert not ledger.torn
    assert list(ledger.committed) == [snapshot.name for snapshot in Archive.open(root).snapshots()]


@dataclass(frozen=True)
class DiskUse:
    """What an Archive takes, in bytes."""

    payload: int
    """In blocks, each inode once: what reports cost, in however many Snapshots they stand."""
    lists: int
    """In blocks: all other files."""
    directories: int
    """In blocks: with the lists what a date costs on which nothing is new."""
    unique: int
    """Of the payload, each sha256 once: what no archive can do without."""

    @property
    def ratio(self) -> float:
        """Disk use against what no archive can do without."""
        return (self.payload + self.lists + self.directories) / self.unique


def disk_use(root: Path) -> DiskUse:
    """Measure it."""
    payload: dict[int, int] = {}
    lists: dict[int, int] = {}
    directories = 0
    for path, _, files, fd in os.fwalk(root):
        directories += os.fstat(fd).st_blocks
        seen = payload if PAYLOAD in Path(path).relative_to(root).parts else lists
        for name in files:
            status = os.lstat(name, dir_fd=fd)
            seen[status.st_ino] = status.st_blocks
    return DiskUse(
        payload=sum(payload.values()) * _BLOCK_BYTES,
        lists=sum(lists.values()) * _BLOCK_BYTES,
        directories=directories * _BLOCK_BYTES,
        unique=sum(_unique(root).values()),
    )


def _unique(root: Path) -> dict[str, int]:
    """The size of every file of every payload, by sha256."""
    sizes: dict[str, int] = {}
    for snapshot in Archive.open(root).snapshots():
        with (snapshot.path / "manifest-sha256.txt").open("rb") as manifest:
            for line in manifest:
                path, sha256 = parse_manifest_line(line, where=str(snapshot.path))
                if sha256 not in sizes:
                    sizes[sha256] = (snapshot.path / path).stat().st_size
    return sizes
