"""What `doctor` asks of this machine: configuration, credentials, disk, archive. Each check is a value."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from harvester.archive import (
    PRIVATE,
    Archive,
    Disk,
    LinkMode,
    Room,
    check_vacant,
    explain,
    find_holder,
    room_at,
)
from harvester.cli.console import ExitCode, code_of_ending, code_of_error
from harvester.config import Credentials, Loaded, find_distrust
from harvester.errors import ArchiveError, DiskError
from harvester.format import ARCHIVE_FILE
from harvester.model import SnapshotRecord
from harvester.text import parse_moment, render_duration, render_size

_LITTLE_BYTES: Final = 1_000_000_000
"""Less free space than that is worth a word before the first run, when nothing else is known."""
_FIRST_INODES: Final = 10_000
"""500 reports, each of about 18 files in two directories."""
_DIRECTORIES: Final = 2
"""A report's own and its images'; a night makes both for each backtest, and links the files."""
_OVERDUE: Final = timedelta(hours=36)
"""A nightly job that is older than this has missed a night."""


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Check:
    """One line of `doctor`."""

    name: str
    status: Status
    text: str
    remedy: str = ""
    code: ExitCode = ExitCode.OK
    """What a run would end with because of it."""


def ok(name: str, text: str) -> Check:
    """All is well."""
    return Check(name, Status.OK, text)


def warning(name: str, text: str, remedy: str) -> Check:
    """A run would work, and yet something should be done."""
    return Check(name, Status.WARNING, text, remedy)


def failure(name: str, error: Exception, remedy: str = "") -> Check:
    """What a run would end with; errors of harvester carry their remedy in their text."""
    return Check(name, Status.ERROR, str(error), remedy, code_of_error(error))


def check_configuration(loaded: Loaded) -> Iterator[Check]:
    """The settings in force, and whether others may change their file; wrong ones never come this far."""
    changed = sum(1 for origin in loaded.origins.values() if origin != "default")
    place = str(loaded.path) if loaded.path else "no file"
    yield ok("configuration", f"{place}, {changed} of {len(loaded.origins)} settings changed")
    if loaded.path and loaded.path.is_file() and (distrust := find_distrust(loaded.path)):
        yield warning("configuration", f"{distrust.problem}, and it can run commands", distrust.fix)


def check_credentials(found: Credentials) -> Iterator[Check]:
    """Where they come from, and whether others can read them there."""
    yield ok("credentials", f"from {found.origin}")
    for text in found.warnings:
        problem, _, remedy = text.partition("; ")
        yield warning("credentials", problem, remedy)


def check_archive(
    root: Path, credentials: Credentials | None, *, now: datetime, mode: int = PRIVATE
) -> Iterator[Check]:
    """Everything about the directory of the archive, with nothing left behind in it."""
    try:
        yield from _check_directory(root, mode)
        yield from _check_contents(root, credentials, now=now)
    except ArchiveError as exc:
        yield failure("archive", exc)
    except OSError as exc:
        yield failure("archive", explain(exc, root))


def _check_contents(root: Path, credentials: Credentials | None, *, now: datetime) -> Iterator[Check]:
    if not (root / ARCHIVE_FILE).exists():
        yield _check_newcomer(root)
        yield check_space(root, None)
        yield from check_inodes(room_at(root), None)
        return
    archive = Archive.open(root)
    if credentials is not None:
        Archive.create_or_open(root, account=credentials.user_id)
    yield _check_lock(root)
    for path in archive.foreign():
        yield warning(
            "archive",
            f"{path} has the name of a Snapshot but is not one",
            "see who put it there, and move it out",
        )
    newest = archive.newest()
    record = newest.record() if newest else None
    yield _check_last_run(record, now=now)
    yield check_space(root, record)
    yield from check_inodes(room_at(root), record)


def check_space(root: Path, last: SnapshotRecord | None) -> Check:
    """Free space against what the last run needed."""
    free_bytes = shutil.disk_usage(_existing(root)).free
    need_bytes, why = _need(last)
    text = f"{render_size(free_bytes)} free; {why}"
    if free_bytes < need_bytes:
        return warning("disk", text, "free space, or `harvester prune` what need not be kept")
    return ok("disk", text)


def check_inodes(room: Room, last: SnapshotRecord | None) -> Iterator[Check]:
    """Free inodes against what the next run takes; nothing where the file system does not count them."""
    if room.free_inodes is None:
        return
    if last is None:
        need, why = _FIRST_INODES, f"a first run over 500 reports takes about {_FIRST_INODES:,}"
    else:
        need = _DIRECTORIES * (last.listed + last.gone)
        need += last.files if last.link_mode == LinkMode.COPY else 0
        why = f"a night with nothing new takes about {need:,}"
    text = f"{room.free_inodes:,} inodes free; {why}"
    if room.free_inodes < need:
        yield warning(
            "inodes", text, "`harvester prune` what need not be kept, or make the file system with more"
        )
    else:
        yield ok("inodes", text)


@dataclass(frozen=True)
class FileSystem:
    """What the file system of the archive can do."""

    links: LinkMode
    symlinks: bool = True
    permissions: bool = True


def check_file_system(place: Path, found: FileSystem) -> Iterator[Check]:
    """What is missed on this file system, one warning for each."""
    yield check_links(place, found.links)
    if not found.symlinks:
        yield warning(
            "links",
            f"{place} has no symbolic links, so `latest` is a text file with the newest Snapshot's name",
            "read it, or put the archive on a file system that has them",
        )
    if not found.permissions:
        yield warning(
            "permissions",
            f"{place} keeps no permissions: no file is read-only, and the mount decides who can read",
            "mount it with umask=077, or put the archive on a file system that keeps them",
        )


def check_links(place: Path, mode: LinkMode) -> Check:
    """What a night with nothing new costs on this file system."""
    if mode is not LinkMode.COPY:
        return ok("links", f"what does not change costs nothing ({mode})")
    return warning(
        "links",
        f"{place} keeps neither hard links nor reflinks, so every Snapshot costs its full size",
        "put the archive on a file system that has them (ext4, xfs, btrfs, zfs)",
    )


def _need(last: SnapshotRecord | None) -> tuple[int, str]:
    if last is None:
        return _LITTLE_BYTES, f"a first run over 500 reports writes about {render_size(_LITTLE_BYTES)}"
    if last.link_mode == LinkMode.COPY:
        return last.payload_bytes, f"every Snapshot is a copy of {render_size(last.payload_bytes)}"
    return (
        last.written_bytes,
        f"the last run wrote {render_size(last.written_bytes)} of {render_size(last.payload_bytes)}",
    )


def _check_directory(root: Path, mode: int) -> Iterator[Check]:
    """Whether it can be written to, who else can, and what its file system can do."""
    place = _existing(root)
    try:
        found = _probe(place)
    except DiskError as exc:
        yield failure("permissions", exc)
        return
    others = stat.S_IMODE(place.stat().st_mode) & stat.S_IRWXO if (root / ARCHIVE_FILE).exists() else 0
    if stat.S_IMODE(place.stat().st_mode) & stat.S_IWOTH and root.exists():
        yield warning("permissions", f"anybody may change {root}", f"chmod o-w {root}")
    elif others & ~mode and found.permissions:
        remedy = f'chmod o= {root}, or set archive.mode = "0755" if that is meant'
        yield warning("permissions", f"every user of this machine may read {root}", remedy)
    else:
        yield ok("permissions", f"{place} is writable")
    yield from check_file_system(place, found)


def _probe(place: Path) -> FileSystem:
    """Write and link files in a directory next to the archive's, then leave no trace."""
    disk = Disk()
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".harvester-doctor-") as name:
            directory = Path(name)
            source = directory / "file"
            source.write_bytes(b"doctor")
            return FileSystem(
                disk.probe_links(source, directory / "link"),
                symlinks=disk.probe_symlinks(directory),
                permissions=disk.keeps_permissions(directory),
            )
    except OSError as exc:
        raise explain(exc, place) from exc


def _existing(root: Path) -> Path:
    """The directory itself, or the nearest one above it that is there."""
    return next(path for path in (root, *root.parents) if path.is_dir())


def _check_newcomer(root: Path) -> Check:
    nearest = next(path for path in (root, *root.parents) if path.exists())
    if not nearest.is_dir():
        text = f"{nearest} is not a directory"
        return Check("archive", Status.ERROR, text, "choose an empty or new directory", ExitCode.ERROR)
    if nearest == root:
        try:
            check_vacant(root)
        except ArchiveError as exc:
            return failure("archive", exc)
    return ok("archive", f"{root} will be used by the first run")


def _check_lock(root: Path) -> Check:
    holder = find_holder(root)
    if holder:
        return warning("lock", f"in use by {holder}", "wait for it to end; `--lock-wait` makes a run wait")
    return ok("lock", "free")


def _check_last_run(record: SnapshotRecord | None, *, now: datetime) -> Check:
    if record is None:
        return warning("last run", "none has been committed yet", "harvester run")
    code, age = code_of_ending(record.ending), _age(record.finished, now=now)
    text = f"{record.name}, {_render_age(age)}, ended with {code.value} ({code.label})"
    if code is not ExitCode.OK:
        return warning("last run", text, "run again; what was not read then is read now")
    if age is None or age > _OVERDUE:
        return warning("last run", text, "if it is to run every night, see whether cron or the timer does")
    return ok("last run", text)


def _age(moment: str, *, now: datetime) -> timedelta | None:
    try:
        return now - parse_moment(moment)
    except ValueError:
        return None


def _render_age(age: timedelta | None) -> str:
    if age is None:
        return "at an unreadable time"
    return f"{render_duration(max(0.0, age.total_seconds()), rough=True)} ago"
