"""One report's directory in a partial Snapshot: whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from harvester.archive.disk import Disk
from harvester.archive.group_commit import GroupCommit
from harvester.archive.links import LinkMode
from harvester.errors import CorruptArchiveError, DamagedReportError, DiskError
from harvester.format import (
    IMAGES,
    OFFLINE_HTML,
    PART,
    REPORT_HTML,
    REPORT_JSON,
    Content,
    file_sha256,
    is_file_name,
    load_record,
    manifest_line,
    render_record,
    report_path,
)
from harvester.model import Outcome, ReportRecord


@dataclass(frozen=True)
class ReportFiles:
    """One report as it goes to disk."""

    record: ReportRecord
    html: Content
    offline: bytes
    images: Sequence[tuple[str, bytes]]
    """File names below `images/` and the bytes."""

    def named(self) -> list[tuple[str, Content]]:
        """Every file of the report, by its name below the directory."""
        return [
            (REPORT_HTML, self.html),
            (OFFLINE_HTML, self.offline),
            (REPORT_JSON, render_record(self.record)),
            *((f"{IMAGES}/{name}", content) for name, content in self.images),
        ]


def path_of(record: ReportRecord) -> str:
    """Where a report goes, below its Snapshot."""
    project, backtest = record.project, record.backtest
    return report_path(project.project_id, project.name, backtest.backtest_id, backtest.name)


def write_report(disk: Disk, flush: GroupCommit, target: Path, files: ReportFiles) -> None:
    """Put one report's directory in place, with everything in it on disk.

    The name itself is durable with the next flush, at the latest with the commit's: a power cut before that
    costs one request more.
    """
    for name, _ in files.images:
        if not is_file_name(name):
            raise ValueError(f"{name!r} cannot be an image's file name")
    with flush.writing() as alone:
        part = _new_part(disk, target)
        if files.images:
            disk.make_dir(part / IMAGES)
        # Everything goes into a temporary directory, which gets its name when all of it is durable.
        disk.write_all(part, files.named(), sync=alone)
        if alone:
            if files.images:
                disk.sync_dir(part / IMAGES)
            _put(disk, part, target)
            return
        flush.wait()
        disk.remove_tree(target)
        disk.rename(part, target)


def keep_report(disk: Disk, mode: LinkMode, source: Path, target: Path, record: ReportRecord) -> None:
    """Link the files of a report from the previous Snapshot, and write its `report.json`.

    Raises:
        DamagedReportError: a file there is missing or is not what `record` says.
        DiskError: something cannot be written.
    """
    part = _new_part(disk, target)
    link(disk, mode, str(source), str(part), [OFFLINE_HTML, REPORT_HTML])
    disk.write(part / REPORT_JSON, render_record(record))
    if record.images:
        disk.make_dir(part / IMAGES)
        names = [image.name for image in record.images]
        if not all(map(is_file_name, names)):
            raise DamagedReportError(f"{source / REPORT_JSON} names an image that no report has")
        link(disk, mode, str(source / IMAGES), str(part / IMAGES), names)
        disk.sync_dir(part / IMAGES)
    # The API just confirmed the bytes, so damage in the previous Snapshot must not be carried with them.
    for name, sha256 in digests(record).items():
        if file_sha256(part / name)[0] != sha256:
            raise DamagedReportError(f"{source / name} is not what {REPORT_JSON} says")
    _put(disk, part, target)


def link(disk: Disk, mode: LinkMode, source: str, target: str, names: Sequence[str]) -> None:
    """Bring files of a committed Snapshot into another directory.

    Raises:
        DamagedReportError: one is missing, empty, no regular file, or cannot be read.
        DiskError: one cannot be made.
    """
    try:
        odd = disk.link_files(mode, source, target, names)
    except DiskError as exc:
        why = _find_unusable(source, names)
        if not why:
            raise
        raise DamagedReportError(why) from exc
    if odd:
        raise DamagedReportError(f"{source}/{odd[0]} is empty or not a regular file")


def _find_unusable(source: str, names: Sequence[str]) -> str:
    """Why files could not be linked or copied, if it is their own fault; else it is the disk's."""
    if os.path.islink(source):  # noqa: PTH114 -- the path is a text, as everything in linking is
        return f"{source} is a symbolic link; nothing in a Snapshot may be one"
    for name in names:
        try:
            file_sha256(Path(source, name))
        except (CorruptArchiveError, DiskError) as exc:
            return str(exc)
    return ""


def check_directories(root: Path, path: str) -> None:
    """Refuse what is reached through a link or file in the place of a directory, `path` itself included.

    Raises:
        DamagedReportError: names the place.
    """
    for below in reversed([PurePosixPath(path), *PurePosixPath(path).parents][:-1]):
        place = root / below
        if place.is_symlink() or not place.is_dir():
            raise DamagedReportError(f"{place} is no directory, although one was committed")


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


def check_report(path: Path, run_id: str) -> ReportRecord | None:
    """The record of a report that this run has written whole; None when the directory is another run's.

    Raises:
        CorruptArchiveError: a file is missing, too many, or not what the record says.
        DiskError: a file cannot be read.
    """
    record = load_record(path / REPORT_JSON, ReportRecord)
    if record.run_id != run_id:
        return None
    wanted = digests(record)
    if {*wanted, REPORT_JSON} != set(file_names(path)):
        raise CorruptArchiveError(f"{path} has not the files that its {REPORT_JSON} lists")
    for name, sha256 in wanted.items():
        if file_sha256(path / name)[0] != sha256:
            raise CorruptArchiveError(f"{path / name} is not what {REPORT_JSON} says")
    return record


def compare(record: ReportRecord, earlier_sha256: str | None) -> ReportRecord:
    """The record with the Outcome that fits a previous Snapshot; None: that one has no report of it."""
    if earlier_sha256 is None:
        return msgspec.structs.replace(record, outcome=Outcome.SAVED, comparison=None)
    if earlier_sha256 == record.report_sha256:
        if record.outcome in (Outcome.UNCHANGED, Outcome.CARRIED):
            return record  # its comparison is that of the run that has read these bytes first
        return msgspec.structs.replace(record, outcome=Outcome.UNCHANGED, comparison=None)
    fits = record.comparison is not None and record.comparison.report_sha256 == earlier_sha256
    comparison = record.comparison if fits else None
    return msgspec.structs.replace(record, outcome=Outcome.UPDATED, comparison=comparison)


def digests(record: ReportRecord) -> dict[str, str]:
    """The sha256 of each file of a report, `report.json` left out."""
    return {
        REPORT_HTML: record.report_sha256,
        OFFLINE_HTML: record.offline_sha256,
        **{f"{IMAGES}/{image.name}": image.sha256 for image in record.images},
    }


def manifest_lines(
    directory: Path, path: str, record: ReportRecord, content: bytes
) -> tuple[list[bytes], int]:
    """The Manifest's lines of a report in the partial, and its bytes; `content` is its `report.json`."""
    try:
        offline_bytes = (directory / OFFLINE_HTML).lstat().st_size
    except OSError as exc:
        raise DiskError(
            f"{directory / OFFLINE_HTML} cannot be read: {exc.strerror}", path=str(directory)
        ) from exc
    files = {**digests(record), REPORT_JSON: hashlib.sha256(content).hexdigest()}
    lines = [manifest_line(f"{path}/{name}", files[name]) for name in sorted(files)]
    images_bytes = sum(image.size_bytes for image in record.images)
    return lines, record.report_bytes + offline_bytes + len(content) + images_bytes


def file_names(directory: Path) -> list[str]:
    """The files of a report's directory and its `images/`; anything else is named with a `/` after it."""
    names = []
    for item in os.scandir(directory):
        if item.name == IMAGES and item.is_dir(follow_symlinks=False):
            names += [f"{IMAGES}/{_shown(below)}" for below in os.scandir(item)]
        else:
            names.append(_shown(item))
    return names


def _shown(item: os.DirEntry[str]) -> str:
    return item.name if item.is_file(follow_symlinks=False) else f"{item.name}/"
