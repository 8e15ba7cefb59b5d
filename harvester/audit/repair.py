"""Repairs what `verify` found damaged, as far as the recorded bytes can be found.

A committed Snapshot is changed in two ways only: a damaged or missing file is replaced by one with its
recorded digest, and a sound file that has become writable is made read-only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harvester.archive import READ_ONLY, Archive, Disk, Snapshot
from harvester.audit.catalog import rebuild_catalog
from harvester.audit.damaged import MAX_BYTES, DamagedFiles
from harvester.audit.verify import Problem, ProblemKind
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError, ReportError
from harvester.format import (
    BAGIT,
    CATALOG,
    DECLARATION,
    MANIFEST,
    PART,
    REPORT_HTML,
    TAGMANIFEST,
    file_sha256,
    is_inside,
    is_report_path,
    load_bytes,
    load_manifest,
)
from harvester.model import InventoryEntry
from harvester.report import unpack_report

Refetch = Callable[[InventoryEntry], bytes | None]
"""Fetches a report from the API; returns its HTML, None if the API does not return it."""

Fetch = Callable[[str, set[str]], Iterator[bytes]]
"""Fetches files from a copy of the Archive: takes a Snapshot's name and paths, yields the bytes it finds."""

_MAX_REPORT_BYTES = 2**28
_LOST = (
    "no Snapshot has these bytes and they could not be made from a report: restore the file from a backup; "
    "`harvester run --refresh` archives what the API has now"
)


@dataclass(frozen=True)
class RepairResult:
    """The result of a repair."""

    fixed: list[Problem]
    remaining: list[Problem]
    """Problems that remain, with advice on each."""
    kept: int = 0
    """Number of replaced files that were kept in `.damaged/`."""
    not_kept: int = 0
    """Number of replaced files that were not kept, because `.damaged/` is full."""


def repair_archive(
    archive: Archive,
    problems: Sequence[Problem],
    *,
    fetch: Fetch | None = None,
    refetch: Refetch | None = None,
    on_fixed: Callable[[Problem], None] = lambda _: None,
    max_kept_bytes: int = MAX_BYTES,
) -> RepairResult:
    """Replace damaged and missing files and restore read-only modes, under the Archive's lock.

    The sources of a file, in this order; only bytes with the recorded digest are used:

    1. a file of any Snapshot, or another damaged file, as where two files were swapped
    2. the `report.html` that it was extracted from
    3. a copy of the Archive, by `fetch`
    4. the report as the API returns it now, by `refetch`

    What is replaced is kept in `.damaged/`.

    Args:
        archive: Its files are repaired.
        problems: As `verify` returned them under the same lock.
        fetch: None if there is no copy of the Archive.
        refetch: None to send no requests.
        on_fixed: Called after each repair: the only record of it if the repair is interrupted.
        max_kept_bytes: Size limit of `.damaged/`. Bytes that another file needs are kept in any case.

    Raises:
        DiskError: a file cannot be written.
    """
    restorer = _Restorer(archive, on_fixed, DamagedFiles(archive, max_bytes=max_kept_bytes))
    wanted = _find_repairable(problems)
    for problem in wanted:
        if problem.path == BAGIT:
            restorer.add_candidates(DECLARATION)
    restorer.search_snapshots({problem.sha256 for problem in wanted})
    restorer.search_misplaced(wanted, {problem.sha256 for problem in problems if problem.sha256})
    left = [problem for problem in wanted if not restorer.restore(problem)]
    left = _restore_from_reports(restorer, left, _load_report)
    if fetch is not None:
        left = _restore_from_copy(restorer, left, fetch)
    if refetch is not None:
        left = _restore_by_request(restorer, left, refetch)
    lost = {problem: msgspec.structs.replace(problem, advice=_LOST) for problem in left}
    restored = [problem for problem in wanted if problem not in lost]
    known = set(wanted)
    others = [problem for problem in problems if problem not in known]
    sealed = _seal(restorer, others, unsound={problem.place for problem in left})
    rebuilt = _rebuild_catalog(restorer, others)
    done = {*sealed, *rebuilt}
    others = [problem for problem in others if problem not in done]
    left = sorted([*others, *lost.values()])
    return RepairResult(
        [*restored, *sealed, *rebuilt], left, restorer.damaged.kept, restorer.damaged.not_kept
    )


def _rebuild_catalog(restorer: _Restorer, problems: Sequence[Problem]) -> list[Problem]:
    """Rebuild the catalog if it is among the Problems; returns the Problems that this solves."""
    found = [problem for problem in problems if problem.kind is ProblemKind.CATALOG]
    if not found:
        return []
    restorer.damaged.keep("", CATALOG)
    try:
        rebuild_catalog(restorer.archive)
    except CorruptArchiveError:
        return []  # an Inventory is damaged, a Problem of its own
    for problem in found:
        restorer.notify(problem)
    return found


def _seal(restorer: _Restorer, problems: Sequence[Problem], *, unsound: set[str]) -> list[Problem]:
    """Make writable files read-only; returns their Problems. Files with other Problems are left alone."""
    unsound = unsound | {problem.place for problem in problems if problem.kind is not ProblemKind.WRITABLE}
    sealed = [
        problem
        for problem in problems
        if problem.kind is ProblemKind.WRITABLE and problem.place not in unsound and restorer.seal(problem)
    ]
    if sealed:
        restorer.archive.disk.sync_all(restorer.archive.root)
    return sealed


def _find_repairable(problems: Iterable[Problem]) -> list[Problem]:
    """Return missing and altered files of Snapshots with sound lists, which hold the committed digests."""
    listed = list(problems)
    doubtful = {
        item.snapshot
        for item in listed
        if item.path.split(":")[0] in {MANIFEST, TAGMANIFEST} and item.kind is not ProblemKind.WRITABLE
    }
    return [
        item
        for item in listed
        if item.kind in {ProblemKind.MISSING, ProblemKind.ALTERED}
        and item.sha256
        and item.snapshot not in doubtful
    ]


class _Restorer:
    """Finds bytes by their digest, and puts them into Snapshots: nothing else in this module writes there."""

    def __init__(self, archive: Archive, on_fixed: Callable[[Problem], None], damaged: DamagedFiles) -> None:
        self.archive = archive
        self.damaged = damaged
        self.notify = on_fixed
        self._part = archive.root / f".repair{PART}"
        self._files: dict[str, Path] = {}
        self._contents: dict[str, bytes] = {}

    def add_candidates(self, *contents: bytes) -> None:
        """Add contents that may be what a damaged file should hold."""
        for content in contents:
            self._contents[_sha256(content)] = content

    def drop_candidates(self) -> None:
        """Drop the added contents, so that memory holds one report at a time."""
        self._contents.clear()

    def search_snapshots(self, wanted: set[str]) -> None:
        """Find a sound file for each digest, newest Snapshots first."""
        for snapshot in reversed(self.archive.snapshots()):
            for manifest in (MANIFEST, TAGMANIFEST):
                self._search_one(snapshot.path, manifest, wanted)

    def search_misplaced(self, problems: Sequence[Problem], wanted: set[str]) -> None:
        """Find wanted bytes in the damaged files that are about to be replaced, as where two were swapped.

        They may be the only copy, so they are saved first. That includes bytes wanted by a Snapshot whose
        lists are damaged and which is therefore not repaired now.
        """
        wanted = wanted - self._files.keys()
        for problem in problems:
            if not wanted:
                return
            if problem.kind is not ProblemKind.ALTERED:
                continue
            try:
                sha256, _ = file_sha256(self.archive.root / problem.snapshot / problem.path)
            except (CorruptArchiveError, DiskError):
                continue
            if sha256 in wanted:
                self._files[sha256] = self.damaged.save(problem.snapshot, problem.path, sha256)
                wanted.discard(sha256)

    def _search_one(self, root: Path, manifest: str, wanted: set[str]) -> None:
        try:
            for path, sha256 in load_manifest(root / manifest):
                if sha256 in wanted and sha256 not in self._files and is_inside(path):
                    self._try(root / path, sha256)
        except ArchiveError:
            return  # a damaged Manifest is a Problem of its own; others may have the file

    def _try(self, path: Path, sha256: str) -> None:
        try:
            if file_sha256(path)[0] == sha256:
                self._files[sha256] = path
        except (CorruptArchiveError, DiskError):
            return

    def restore(self, problem: Problem) -> bool:
        """Put the recorded bytes in their place; returns False if they were not found."""
        target = self.archive.root / problem.snapshot / problem.path
        source, content = self._files.get(problem.sha256), self._contents.get(problem.sha256)
        if (source is None and content is None) or not self._make_parents(target):
            return False
        disk = self.archive.disk
        if problem.kind is ProblemKind.ALTERED:
            self.damaged.keep(problem.snapshot, problem.path)
        if source is not None:
            disk.adopt(source, target, self._part)
            _make_read_only(disk, target)
        elif content is not None:
            disk.remove(self._part)
            disk.write(self._part, content)
            disk.rename(self._part, target)
            disk.sync_dir(target.parent)
            self._files[problem.sha256] = target
        self.notify(problem)
        return True

    def seal(self, problem: Problem) -> bool:
        """Make a sound file read-only; returns False if a directory above it is a symbolic link."""
        target = self.archive.root / problem.snapshot / problem.path
        if not self._make_parents(target):
            return False
        _make_read_only(self.archive.disk, target)
        self.notify(problem)
        return True

    def _make_parents(self, target: Path) -> bool:
        """Make missing directories; returns False if one above the target is a symbolic link."""
        for path in reversed(target.relative_to(self.archive.root).parents):
            place = self.archive.root / path
            if place.is_symlink():
                return False
            if not place.exists():
                self.archive.disk.make_dir(place)
        return True


def _make_read_only(disk: Disk, path: Path) -> None:
    """Remove write permission; a hard link of the file may have lost it already."""
    if path.lstat().st_mode & ~READ_ONLY & 0o777:
        disk.seal(path, sync=False)


def _restore_from_reports(
    restorer: _Restorer, problems: list[Problem], load: Callable[[Snapshot, InventoryEntry], bytes | None]
) -> list[Problem]:
    """Make files from the reports that they were extracted from; returns the Problems that remain."""
    left = [problem for problem in problems if not is_report_path(_directory(problem))]
    for name, reports in _by_snapshot(problems).items():
        snapshot = restorer.archive.snapshot(name)
        entries = _find_entries(snapshot, set(reports))
        for path, group in reports.items():
            lost = [problem for problem in group if not restorer.restore(problem)]
            entry = entries.get(path)
            html = load(snapshot, entry) if lost and entry else None
            if html is not None and entry is not None and _sha256(html) == entry.report_sha256:
                restorer.add_candidates(html, *_extract_parts(html))
            left += [problem for problem in lost if not restorer.restore(problem)]
            restorer.drop_candidates()
    return left


def _restore_from_copy(restorer: _Restorer, problems: list[Problem], fetch: Fetch) -> list[Problem]:
    """Restore files from a copy of the Archive; returns the Problems that remain."""
    left = {problem.place: problem for problem in problems}
    for name in dict.fromkeys(problem.snapshot for problem in problems):
        group = [problem for problem in problems if problem.snapshot == name]
        for content in fetch(name, {problem.path for problem in group}):
            restorer.add_candidates(content)
            for problem in group:
                if problem.place in left and problem.sha256 == _sha256(content) and restorer.restore(problem):
                    del left[problem.place]
            restorer.drop_candidates()
    return list(left.values())


def _restore_by_request(restorer: _Restorer, problems: list[Problem], refetch: Refetch) -> list[Problem]:
    """Make files from reports as the API returns them now; returns the Problems that remain.

    Only a lost `report.html` justifies a request: without it, nothing else is worth one.
    """
    asked = {(item.snapshot, _directory(item)) for item in problems if item.path.endswith(f"/{REPORT_HTML}")}
    worth = [item for item in problems if (item.snapshot, _directory(item)) in asked]
    rest = [item for item in problems if (item.snapshot, _directory(item)) not in asked]
    return rest + _restore_from_reports(restorer, worth, lambda _, entry: refetch(entry))


def _by_snapshot(problems: Iterable[Problem]) -> dict[str, dict[str, list[Problem]]]:
    """Group the Problems of reports by Snapshot, then by the report's directory."""
    groups: dict[str, dict[str, list[Problem]]] = {}
    for problem in problems:
        if is_report_path(_directory(problem)):
            groups.setdefault(problem.snapshot, {}).setdefault(_directory(problem), []).append(problem)
    return groups


def _directory(problem: Problem) -> str:
    return "/".join(problem.path.split("/")[:3])


def _find_entries(snapshot: Snapshot, paths: set[str]) -> dict[str, InventoryEntry]:
    try:
        return {entry.path: entry for entry in snapshot.inventory() if entry.path in paths}
    except ArchiveError:
        return {}  # the Inventory is a Problem of its own


def _load_report(snapshot: Snapshot, entry: InventoryEntry) -> bytes | None:
    try:
        return load_bytes(snapshot.file(entry, REPORT_HTML), _MAX_REPORT_BYTES)
    except (CorruptArchiveError, DiskError):
        return None


def _extract_parts(html: bytes) -> list[bytes]:
    """Return the offline page and the images that are made from a report."""
    # The HTML parser is loaded by a repair only, not by every command that reads an Archive.
    try:
        unpacked = unpack_report(html.decode())
    except (ReportError, UnicodeDecodeError):
        return []
    return [unpacked.offline_html.encode(), *(image.content for image in unpacked.images)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
