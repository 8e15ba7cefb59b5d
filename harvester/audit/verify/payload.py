"""Compares the payload of a Snapshot with its Manifest: every file is there, unchanged, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from harvester.archive import Snapshot
from harvester.audit.verify.fixity import Hasher, RecordedDirectory, check_directories
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.errors import ArchiveError, DiskError
from harvester.format import (
    IMAGES,
    MANIFEST,
    PAYLOAD,
    REPORT_HTML,
    is_inside,
    is_report_path,
    load_manifest,
)


@dataclass
class DirectorySummary:
    """What Manifest and disk say about one report's directory, to be compared with the Inventory."""

    files: int
    images: int
    report_sha256: str
    hashed: bool
    """Whether its files were checked one by one."""
    payload_bytes: int | None = None
    """None when the directory was not hashed or is damaged."""


@dataclass
class _Seen:
    """The directories that the Manifest names, filled while the Manifest is read."""

    directories: dict[str, DirectorySummary] = field(default_factory=dict)
    whole: bool = True
    """Whether the Manifest was read to its end; if not, a directory that it lacks may still be sound."""


def check_payload(
    snapshot: Snapshot, hasher: Hasher, *, selected: Callable[[str], bool], on_bytes: Callable[[int], None]
) -> tuple[list[Problem], dict[str, DirectorySummary] | None]:
    """Check the payload of a Snapshot.

    Args:
        snapshot: The Snapshot to check.
        hasher: Shared by all Snapshots of one verify.
        selected: Whether to hash the files of a directory, given its path.
        on_bytes: Called with the number of bytes hashed since the last call.

    Returns:
        The Problems, and a summary of each report's directory by its path; the second is None when the
        Manifest cannot be read to its end.
    """
    found = Findings(snapshot.name)
    seen = _Seen()
    problems = []
    for checked in check_directories(_recorded(snapshot, selected, seen, found), hasher, on_bytes):
        problems += checked.problems
        if not checked.problems:  # with problems, a wrong size would only repeat them
            seen.directories[checked.path].payload_bytes = checked.payload_bytes
    _check_link(snapshot, found)
    if seen.whole:
        _check_directories(snapshot, seen.directories, found)
    return [*problems, *found.problems], seen.directories if seen.whole else None


def _recorded(
    snapshot: Snapshot, selected: Callable[[str], bool], seen: _Seen, found: Findings
) -> Iterator[RecordedDirectory]:
    """Yield the directories to hash; records in `seen` every directory that the Manifest names."""
    for path, files in _directories(snapshot, seen, found):
        if path in seen.directories:
            found.add(ProblemKind.MANIFEST, MANIFEST, f"has the files of {path} in two places")
            continue
        digests = dict(files)
        images = sum(name.startswith(f"{IMAGES}/") for name in digests)
        hashed = selected(path)
        seen.directories[path] = DirectorySummary(len(files), images, digests.get(REPORT_HTML, ""), hashed)
        if hashed:
            yield RecordedDirectory(snapshot.name, str(snapshot.path), path, tuple(files))


def _directories(
    snapshot: Snapshot, seen: _Seen, found: Findings
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each report's directory with its files, name and sha256, as the Manifest lists them."""
    current, files = "", list[tuple[str, str]]()
    for path, sha256 in _lines(snapshot, seen, found):
        parts = path.split("/", 3)
        directory = "/".join(parts[:3])
        if len(parts) != 4 or not is_report_path(directory) or not is_inside(path):
            found.add(ProblemKind.MANIFEST, MANIFEST, f"names {path!r}, which is not a file of a report")
            continue
        if directory != current:
            if files:
                yield current, files
            current, files = directory, []
        files.append((parts[3], sha256))
    if files:
        yield current, files


def _lines(snapshot: Snapshot, seen: _Seen, found: Findings) -> Iterator[tuple[str, str]]:
    """Yield path and sha256 of each line of the Manifest; a damaged line becomes a Problem and is skipped."""

    def on_damage(number: int, text: str) -> None:
        found.add(ProblemKind.MANIFEST, f"{MANIFEST}:{number}", text)

    try:
        yield from load_manifest(snapshot.path / MANIFEST, on_damage=on_damage)
    except ArchiveError as exc:
        seen.whole = False
        if isinstance(exc, DiskError):  # a damaged Manifest is reported with the tag files already
            found.add_unusable(ProblemKind.MANIFEST, MANIFEST, exc)


def _check_link(snapshot: Snapshot, found: Findings) -> None:
    with suppress(OSError):  # reported already: the directory cannot be listed, nor its Manifest read
        if (snapshot.path / PAYLOAD).is_symlink():
            found.add(ProblemKind.ODD, PAYLOAD, "is a symbolic link")


def _check_directories(snapshot: Snapshot, seen: dict[str, DirectorySummary], found: Findings) -> None:
    """Add Problems for directories that the Manifest lacks, and for missing ones that were not hashed."""
    known: dict[str, set[str]] = {}
    for path in seen:
        _, project, backtest = path.split("/")
        known.setdefault(project, set()).add(backtest)
    _check_names(snapshot, PAYLOAD, set(known), found)
    for project, backtests in known.items():
        below = f"{PAYLOAD}/{project}"
        for name in backtests - _check_names(snapshot, below, backtests, found):
            if not seen[f"{below}/{name}"].hashed:  # if it was hashed, each missing file is reported
                found.add(ProblemKind.MISSING, f"{below}/{name}", "is missing")


def _check_names(snapshot: Snapshot, below: str, known: set[str], found: Findings) -> set[str]:
    """Return the names in a directory, none when it does not exist; adds Problems for unexpected ones."""
    names = set()
    try:
        with os.scandir(snapshot.path / below) as items:
            for item in items:
                names.add(item.name)
                if item.name not in known:
                    found.add(ProblemKind.EXTRA, f"{below}/{item.name}", "is in no Manifest")
                elif not item.is_dir(follow_symlinks=False):
                    found.add(ProblemKind.ODD, f"{below}/{item.name}", "is not a directory")
    except (FileNotFoundError, NotADirectoryError):
        return names
    except OSError as exc:
        found.add(ProblemKind.UNREADABLE, below, f"cannot be listed: {exc.strerror}")
        return known  # unlistable: report nothing as missing
    return names
