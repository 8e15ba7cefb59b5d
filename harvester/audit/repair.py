"""Putting back what `verify` has found damaged, where the recorded bytes can still be had.

A committed Snapshot is touched for two purposes only: a damaged or missing file is replaced by one with the
digest that was recorded for it, and a sound file that has become writable is made read-only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harvester.archive import READ_ONLY, Archive, Disk, Snapshot
from harvester.audit.catalog import rebuild_catalog
from harvester.audit.damaged import MOST_BYTES, DamagedFiles
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
    is_report_path,
    load_bytes,
    load_manifest,
)
from harvester.model import InventoryEntry

Reread = Callable[[InventoryEntry], bytes | None]
"""Asks the API for a report again; None when it does not give one."""

Fetch = Callable[[str, set[str]], Iterator[bytes]]
"""Gets files of a Snapshot from a copy elsewhere: its name and paths, and the bytes of those to be had."""

_REPORT_BYTES = 2**28
_LOST = (
    "no Snapshot has these bytes and they could not be made again: restore the file from a backup; "
    "`harvester run --refresh` archives what the API has now"
)


@dataclass(frozen=True)
class Repaired:
    """What came of a repair."""

    mended: list[Problem]
    left: list[Problem]
    """With what to do about each now."""
    kept: int = 0
    """Replaced files that are below `.damaged/` now."""
    passed_over: int = 0
    """Replaced files that there was no room for."""


def repair_archive(
    archive: Archive,
    problems: Sequence[Problem],
    *,
    fetch: Fetch | None = None,
    reread: Reread | None = None,
    on_mended: Callable[[Problem], None] = lambda _: None,
    most_kept_bytes: int = MOST_BYTES,
) -> Repaired:
    """Replace damaged and missing files and restore read-only modes, under the Archive's lock.

    Each file is looked for in other Snapshots, then made from the report it belongs to, then fetched from a
    copy elsewhere, then made from the report as `reread` gives it. What does not have the recorded digest is
    never used. What is replaced is kept below `.damaged/`.

    Args:
        archive: Whose files.
        problems: As `verify` gave them under the same lock.
        fetch: None when there is no copy elsewhere.
        reread: None to ask for nothing.
        on_mended: Told of each file once it is replaced: the only record of it when the repair is cut off.
        most_kept_bytes: What `.damaged/` may hold; bytes that are wanted elsewhere are kept in any case.

    Raises:
        DiskError: the disk does not take a file.
    """
    bench = _Bench(archive, on_mended, DamagedFiles(archive, most_bytes=most_kept_bytes))
    wanted = _repairable(problems)
    for problem in wanted:
        if problem.path == BAGIT:
            bench.offer(DECLARATION)
    bench.search({problem.sha256 for problem in wanted})
    bench.search_misplaced(wanted, {problem.sha256 for problem in problems if problem.sha256})
    left = [problem for problem in wanted if not bench.mend(problem)]
    left = _mend_from_reports(bench, left, _load_report)
    if fetch is not None:
        left = _repair_from_copy(bench, left, fetch)
    if reread is not None:
        left = _mend_by_request(bench, left, reread)
    lost = {problem: msgspec.structs.replace(problem, remedy=_LOST) for problem in left}
    mended = [problem for problem in wanted if problem not in lost]
    known = set(wanted)
    others = [problem for problem in problems if problem not in known]
    sealed = _seal(bench, others, unsound={problem.place for problem in left})
    rebuilt = _rebuild_catalog(bench, others)
    done = {*sealed, *rebuilt}
    others = [problem for problem in others if problem not in done]
    left = sorted([*others, *lost.values()])
    return Repaired([*mended, *sealed, *rebuilt], left, bench.damaged.kept, bench.damaged.passed_over)


def _rebuild_catalog(bench: _Bench, problems: Sequence[Problem]) -> list[Problem]:
    """Make the catalog again if it is among the Problems; gives those that are gone then."""
    found = [problem for problem in problems if problem.kind is ProblemKind.CATALOG]
    if not found:
        return []
    bench.damaged.keep("", CATALOG)
    try:
        rebuild_catalog(bench.archive)
    except CorruptArchiveError:
        return []  # an Inventory is damaged, a Problem of its own
    for problem in found:
        bench.notify(problem)
    return found


def _seal(bench: _Bench, problems: Sequence[Problem], *, unsound: set[str]) -> list[Problem]:
    """Make writable files read-only; gives their Problems. One with other bytes is left to people."""
    unsound = unsound | {problem.place for problem in problems if problem.kind is not ProblemKind.WRITABLE}
    sealed = [
        problem
        for problem in problems
        if problem.kind is ProblemKind.WRITABLE and problem.place not in unsound and bench.seal(problem)
    ]
    if sealed:
        bench.archive.disk.sync_all(bench.archive.root)
    return sealed


def _repairable(problems: Iterable[Problem]) -> list[Problem]:
    """Lost files of Snapshots whose own lists can be trusted: what they recorded is what was committed."""
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


class _Bench:
    """Files and bytes by their digest, and the one way in which they come into a Snapshot."""

    def __init__(self, archive: Archive, on_mended: Callable[[Problem], None], damaged: DamagedFiles) -> None:
        self.archive = archive
        self.damaged = damaged
        self.notify = on_mended
        self._part = archive.root / f".repair{PART}"
        self._files: dict[str, Path] = {}
        self._contents: dict[str, bytes] = {}

    def offer(self, *contents: bytes) -> None:
        """Bytes that may be of use."""
        for content in contents:
            self._contents[_sha256(content)] = content

    def forget_contents(self) -> None:
        """Let go of offered bytes, so that memory holds one report at a time."""
        self._contents.clear()

    def search(self, wanted: set[str]) -> None:
        """Find a sound file for each digest, newest Snapshots first."""
        for snapshot in reversed(self.archive.snapshots()):
            for manifest in (MANIFEST, TAGMANIFEST):
                self._search_one(snapshot.path, manifest, wanted)

    def search_misplaced(self, problems: Sequence[Problem], wanted: set[str]) -> None:
        """Find bytes that are wanted in files that are about to be replaced, as where two files were swapped.

        They may be the only ones left, so they are saved first; also those that nobody puts back yet, because
        the lists of the Snapshot that wants them are doubtful.
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
                if sha256 in wanted and sha256 not in self._files and ".." not in path.split("/"):
                    self._try(root / path, sha256)
        except ArchiveError:
            return  # a damaged Manifest is a Problem of its own; others may have the file

    def _try(self, path: Path, sha256: str) -> None:
        try:
            if file_sha256(path)[0] == sha256:
                self._files[sha256] = path
        except (CorruptArchiveError, DiskError):
            return

    def mend(self, problem: Problem) -> bool:
        """Put the recorded bytes in their place; False when they are not to be had."""
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
        """Make a sound file read-only; False when a link above it leads elsewhere."""
        target = self.archive.root / problem.snapshot / problem.path
        if not self._make_parents(target):
            return False
        _make_read_only(self.archive.disk, target)
        self.notify(problem)
        return True

    def _make_parents(self, target: Path) -> bool:
        """Make missing directories; False when one above the target is a link that leads elsewhere."""
        for path in reversed(target.relative_to(self.archive.root).parents):
            place = self.archive.root / path
            if place.is_symlink():
                return False
            if not place.exists():
                self.archive.disk.make_dir(place)
        return True


def _make_read_only(disk: Disk, path: Path) -> None:
    """Take the right to write away, unless another name of the file has lost it already."""
    if path.lstat().st_mode & ~READ_ONLY & 0o777:
        disk.seal(path, sync=False)


def _mend_from_reports(
    bench: _Bench, problems: list[Problem], load: Callable[[Snapshot, InventoryEntry], bytes | None]
) -> list[Problem]:
    """Make files anew from the reports they belong to; gives what is still lost."""
    left = [problem for problem in problems if not is_report_path(_directory(problem))]
    for name, reports in _by_snapshot(problems).items():
        snapshot = bench.archive.snapshot(name)
        entries = _find_entries(snapshot, set(reports))
        for path, group in reports.items():
            lost = [problem for problem in group if not bench.mend(problem)]
            entry = entries.get(path)
            html = load(snapshot, entry) if lost and entry else None
            if html is not None and entry is not None and _sha256(html) == entry.report_sha256:
                bench.offer(html, *_parts_of(html))
            left += [problem for problem in lost if not bench.mend(problem)]
            bench.forget_contents()
    return left


def _repair_from_copy(bench: _Bench, problems: list[Problem], fetch: Fetch) -> list[Problem]:
    """Take files from a copy of the Archive elsewhere; gives what is still lost."""
    left = {problem.place: problem for problem in problems}
    for name in dict.fromkeys(problem.snapshot for problem in problems):
        group = [problem for problem in problems if problem.snapshot == name]
        for content in fetch(name, {problem.path for problem in group}):
            bench.offer(content)
            for problem in group:
                if problem.place in left and problem.sha256 == _sha256(content) and bench.mend(problem):
                    del left[problem.place]
            bench.forget_contents()
    return list(left.values())


def _mend_by_request(bench: _Bench, problems: list[Problem], reread: Reread) -> list[Problem]:
    """The same from reports read again; only a lost `report.html` is worth a request."""
    asked = {(item.snapshot, _directory(item)) for item in problems if item.path.endswith(f"/{REPORT_HTML}")}
    worth = [item for item in problems if (item.snapshot, _directory(item)) in asked]
    rest = [item for item in problems if (item.snapshot, _directory(item)) not in asked]
    return rest + _mend_from_reports(bench, worth, lambda _, entry: reread(entry))


def _by_snapshot(problems: Iterable[Problem]) -> dict[str, dict[str, list[Problem]]]:
    """The Problems of reports: by Snapshot, then by the report's directory."""
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
        return load_bytes(snapshot.file(entry, REPORT_HTML), _REPORT_BYTES)
    except (CorruptArchiveError, DiskError):
        return None


def _parts_of(html: bytes) -> list[bytes]:
    """The offline page and the images that a report gives."""
    from harvester.report import unpack_report

    try:
        unpacked = unpack_report(html.decode())
    except (ReportError, UnicodeDecodeError):
        return []
    return [unpacked.offline_html.encode(), *(image.content for image in unpacked.images)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
