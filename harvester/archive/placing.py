"""How one directory of reports comes into a partial Snapshot: written anew, or linked from the one before."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

from harvester.archive.bag import PATH_AT, file_sha256, manifest_line
from harvester.archive.disk import Disk, LinkMode
from harvester.archive.layout import IMAGES, OFFLINE_HTML, PART, REPORT_HTML, REPORT_JSON, is_file_name
from harvester.errors import CorruptArchiveError
from harvester.model import InventoryEntry, ReportRecord


class Source(Enum):
    """Where the files of an Inventory entry come from."""

    FRESH = "fresh"
    """Their directory is in the partial already: `save_report` or `keep_report` has put it there."""
    CARRIED = "carried"
    """All linked from the previous Snapshot."""
    NONE = "none"
    """Nothing is archived."""


@dataclass(frozen=True)
class Placement:
    """One Inventory entry and where its files come from."""

    entry: InventoryEntry
    """Complete but for what `fill` sees on disk: path, files, payload_bytes, images, report_sha256."""
    source: Source
    earlier: InventoryEntry | None = None
    """CARRIED: the entry of the previous Snapshot."""
    record: ReportRecord | None = None
    """CARRIED under a new name: the `report.json` that goes with it."""


@dataclass(frozen=True)
class ReportFiles:
    """One report as it goes to disk."""

    record: ReportRecord
    html: bytes
    offline: bytes
    images: Sequence[tuple[str, bytes]]
    """File names below `images/` and the bytes."""


@dataclass(frozen=True)
class Carry:
    """One directory to be linked."""

    source: str
    target: str
    lines: Sequence[bytes]
    """The Manifest's lines of the target."""
    prefix: int
    """Where the file's name starts in a line."""
    record: bytes | None = None
    """A `report.json` in place of the linked one."""

    def names(self) -> tuple[list[str], list[str]]:
        """The files to link: beside `images/`, and in it."""
        images_at = self.prefix + len(IMAGES) + 1
        plain: list[str] = []
        images: list[str] = []
        for line in self.lines:
            if line.startswith(b"images/", self.prefix):
                images.append(line[images_at:-1].decode())
            else:
                plain.append(line[self.prefix : -1].decode())
        if self.record is not None:
            plain.remove(REPORT_JSON)
        for name in plain + images:
            if "/" in name or name in {"", ".", ".."}:
                raise CorruptArchiveError(f"{self.source} is said to hold {name!r}, which no report has")
        return plain, images


def write_report(disk: Disk, target: Path, files: ReportFiles) -> None:
    """Put one report's directory in place, whole or not at all, and durable when this returns."""
    for name, _ in files.images:
        if not is_file_name(name):
            raise ValueError(f"{name!r} cannot be an image's file name")
    part = _new_part(disk, target)
    disk.write(part / REPORT_HTML, files.html)
    disk.write(part / OFFLINE_HTML, files.offline)
    disk.write(part / REPORT_JSON, msgspec.json.format(msgspec.json.encode(files.record), indent=1))
    if files.images:
        disk.make_dir(part / IMAGES)
        for name, content in files.images:
            disk.write(part / IMAGES / name, content)
        disk.sync_dir(part / IMAGES)
    _put(disk, part, target)


def keep_report(disk: Disk, mode: LinkMode, source: Path, target: Path, record: ReportRecord) -> None:
    """The same for a report whose bytes the previous Snapshot has: all linked but `report.json`."""
    part = _new_part(disk, target)
    disk.link_files(mode, str(source), str(part), [OFFLINE_HTML, REPORT_HTML])
    disk.write(part / REPORT_JSON, msgspec.json.format(msgspec.json.encode(record), indent=1))
    if record.images:
        disk.make_dir(part / IMAGES)
        disk.link_files(
            mode, str(source / IMAGES), str(part / IMAGES), [image.name for image in record.images]
        )
        disk.sync_dir(part / IMAGES)
    _put(disk, part, target)


def _new_part(disk: Disk, target: Path) -> Path:
    part = target.with_name(f".{target.name}{PART}")
    disk.remove_tree(part)
    disk.make_dir(part)
    return part


def _put(disk: Disk, part: Path, target: Path) -> None:
    disk.sync_dir(part)
    disk.remove_tree(target)
    disk.rename(part, target)
    disk.sync_dir(target.parent)


def fresh_lines(directory: Path, path: str, record: ReportRecord, content: bytes) -> list[tuple[bytes, int]]:
    """Manifest line and size of each file of a report in the partial; `content` is its report.json."""
    files = [
        (REPORT_HTML, record.report_sha256, record.report_bytes),
        (OFFLINE_HTML, record.offline_sha256, (directory / OFFLINE_HTML).lstat().st_size),
        (REPORT_JSON, hashlib.sha256(content).hexdigest(), len(content)),
        *((f"{IMAGES}/{image.name}", image.sha256, image.size_bytes) for image in record.images),
    ]
    return [(manifest_line(f"{path}/{name}", sha256), size) for name, sha256, size in sorted(files)]


def moved_lines(lines: Sequence[bytes], earlier: str, path: str, record: bytes) -> list[bytes]:
    """Manifest lines of a directory under its new path, with the new `report.json`."""
    start = PATH_AT + len(earlier.encode()) + 1
    own = f"{path}/{REPORT_JSON}"
    moved = [line[:PATH_AT] + f"{path}/".encode() + line[start:] for line in lines]
    return [
        manifest_line(own, hashlib.sha256(record).hexdigest()) if line[PATH_AT:-1] == own.encode() else line
        for line in moved
    ]


def carry(disk: Disk, mode: LinkMode, job: Carry) -> None:
    """Link one directory; what an earlier attempt has left under its name is checked or made anew."""
    plain, images = job.names()
    if not disk.new_dir(job.target):
        if _stands(mode, job, [*plain, *(f"{IMAGES}/{name}" for name in images)]):
            return
        disk.remove_tree(Path(job.target))
        disk.make_dir(Path(job.target))
    disk.link_files(mode, job.source, job.target, plain)
    if images:
        disk.new_dir(f"{job.target}/{IMAGES}")
        disk.link_files(mode, f"{job.source}/{IMAGES}", f"{job.target}/{IMAGES}", images)
    if job.record is not None:
        disk.write(Path(job.target, REPORT_JSON), job.record)


def _stands(mode: LinkMode, job: Carry, linked: list[str]) -> bool:
    """Whether the target holds exactly the files it should: by inode for links, else by digest."""
    target = Path(job.target)
    wanted = {line[job.prefix : -1].decode(): line[: PATH_AT - 2].decode() for line in job.lines}
    try:
        if set(file_names(target)) != set(wanted):
            return False
        if mode is LinkMode.HARDLINK and job.record is None:
            return all(
                os.path.samestat((target / name).lstat(), Path(job.source, name).lstat()) for name in linked
            )
        return all(file_sha256(target / name)[0] == sha256 for name, sha256 in wanted.items())
    except (CorruptArchiveError, OSError):
        return False


def file_names(directory: Path) -> list[str]:
    """The regular files in a report's directory and its `images/`; anything else is named too, with a `/`."""
    names = []
    for item in os.scandir(directory):
        if item.name == IMAGES and item.is_dir(follow_symlinks=False):
            names += [f"{IMAGES}/{name}" for name in _plain_names(directory / IMAGES)]
        else:
            names.append(
                item.name if stat.S_ISREG(item.stat(follow_symlinks=False).st_mode) else f"{item.name}/"
            )
    return names


def _plain_names(directory: Path) -> list[str]:
    return [
        item.name if item.is_file(follow_symlinks=False) else f"{item.name}/"
        for item in os.scandir(directory)
    ]
