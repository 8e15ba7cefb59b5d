"""Checks of this machine: configuration, credentials, disk, Archive. Each check is a value."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from harvester.app.doctor.check import Check, Status, failure, ok, warning
from harvester.app.exits import ExitCode, code_of_ending
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
from harvester.config import Credentials, Loaded, find_distrust
from harvester.errors import ArchiveError, DiskError
from harvester.format import ARCHIVE_FILE
from harvester.model import SnapshotRecord
from harvester.text import parse_moment, render_duration, render_size

_LITTLE_BYTES: Final = 1_000_000_000
"""Less free space than this is a warning before the first run, when its size is not known."""
_FIRST_INODES: Final = 10_000
"""500 reports, each of about 18 files in two directories."""
_DIRECTORIES: Final = 2
"""Directories of one report: its own and `images/`. Each run creates both, and links the files in them."""
_OVERDUE: Final = timedelta(hours=36)
"""A nightly job with an older last run has missed a night."""


def check_configuration(loaded: Loaded) -> Iterator[Check]:
    """Check who may change the configuration file; its values were checked when it was loaded."""
    changed = sum(1 for origin in loaded.origins.values() if origin != "default")
    place = str(loaded.path) if loaded.path else "no file"
    yield ok("configuration", f"{place}, {changed} of {len(loaded.origins)} settings changed")
    if loaded.path and loaded.path.is_file() and (distrust := find_distrust(loaded.path)):
        yield warning("configuration", f"{distrust.problem}, and it can run commands", distrust.fix)


def check_credentials(found: Credentials) -> Iterator[Check]:
    """Check whether other users can read the credentials where they were found."""
    yield ok("credentials", f"from {found.origin}")
    for text in found.warnings:
        problem, _, advice = text.partition("; ")
        yield warning("credentials", problem, advice)


def check_archive(
    root: Path, credentials: Credentials | None, *, now: datetime, mode: int = PRIVATE
) -> Iterator[Check]:
    """Check the Archive's directory and file system. Nothing is left behind in it.

    Args:
        root: The directory; it need not exist.
        credentials: For the account that the Archive must belong to; None skips that check.
        now: To tell how old the last run is.
        mode: `archive.mode`: who may read it.
    """
    try:
        yield from _check_directory(root, mode)
        yield from _check_contents(root, credentials, now=now)
    except ArchiveError as exc:
        yield failure("archive", exc)
    except OSError as exc:
        yield failure("archive", explain(exc, root))


def _check_contents(root: Path, credentials: Credentials | None, *, now: datetime) -> Iterator[Check]:
    if not (root / ARCHIVE_FILE).exists():
        yield _check_new_place(root)
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
            "find out who put it there, and move it out of the archive",
        )
    newest = archive.newest()
    record = newest.record() if newest else None
    yield _check_last_run(record, now=now)
    yield check_space(root, record)
    yield from check_inodes(room_at(root), record)


def check_space(root: Path, last: SnapshotRecord | None) -> Check:
    """Compare the free space with what the last run needed."""
    free_bytes = shutil.disk_usage(_existing(root)).free
    need_bytes, why = _need(last)
    text = f"{render_size(free_bytes)} free; {why}"
    if free_bytes < need_bytes:
        return warning("disk", text, "free some space, or remove old Snapshots with `harvester prune`")
    return ok("disk", text)


def check_inodes(room: Room, last: SnapshotRecord | None) -> Iterator[Check]:
    """Compare the free inodes with what the next run takes; no check where the file system counts none."""
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
            "inodes",
            text,
            "remove old Snapshots with `harvester prune`, or create the file system with more inodes",
        )
    else:
        yield ok("inodes", text)


@dataclass(frozen=True)
class FileSystem:
    """What a file system supports."""

    links: LinkMode
    symlinks: bool = True
    permissions: bool = True


def check_file_system(place: Path, found: FileSystem) -> Iterator[Check]:
    """Check what the file system supports, one warning for each thing that is missing."""
    yield check_links(place, found.links)
    if not found.symlinks:
        yield warning(
            "links",
            f"{place} has no symbolic links, so `latest` is a text file that names the newest Snapshot",
            "use a file system that has them if other tools follow `latest`",
        )
    if not found.permissions:
        yield warning(
            "permissions",
            f"{place} keeps no permissions: no file is read-only, and the mount decides who can read",
            "mount it with umask=077, or put the archive on a file system that keeps them",
        )


def check_links(place: Path, mode: LinkMode) -> Check:
    """Check whether unchanged files can be shared between Snapshots."""
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
    """Check whether the directory can be written, who can read it, and what its file system supports."""
    place = _existing(root)
    try:
        found = _probe(place)
    except DiskError as exc:
        yield failure("permissions", exc)
        return
    others = stat.S_IMODE(place.stat().st_mode) & stat.S_IRWXO if (root / ARCHIVE_FILE).exists() else 0
    if stat.S_IMODE(place.stat().st_mode) & stat.S_IWOTH and root.exists():
        yield warning("permissions", f"every user of this machine may write to {root}", f"chmod o-w {root}")
    elif others & ~mode and found.permissions:
        advice = f'chmod o= {root}, or set archive.mode = "0755" to allow it'
        yield warning("permissions", f"every user of this machine may read {root}", advice)
    else:
        yield ok("permissions", f"{place} is writable")
    yield from check_file_system(place, found)


def _probe(place: Path) -> FileSystem:
    """Try to write and link files in a temporary directory in `place`."""
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
    """The directory itself, or its nearest parent that exists."""
    return next(path for path in (root, *root.parents) if path.is_dir())


def _check_new_place(root: Path) -> Check:
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
        return warning("last run", "no Snapshot has been committed yet", "harvester run")
    code, age = code_of_ending(record.ending), _age(record.finished, now=now)
    text = f"{record.name}, {_render_age(age)}, ended with {code.value} ({code.label})"
    if code is not ExitCode.OK:
        return warning("last run", text, "run again: what was not read is read then")
    if age is None or age > _OVERDUE:
        return warning("last run", text, "if it should run every night, check cron or the timer")
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
