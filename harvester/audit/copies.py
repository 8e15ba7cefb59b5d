"""Finds reports of which a prune would remove the last sound copy.

A report may go if a Snapshot that remains has a copy that is at least as good. The cases, cheapest first:

1. Each file is the same inode in both Snapshots: the copy is as good as what goes. Nothing is hashed.
2. Another copy is hashed and agrees with its own Manifest: it is sound.
3. Every copy is damaged. The Snapshot that would go is kept if its files could repair one of them: if its
   own file is sound, or if the wanted bytes are in another of its files, as where two were swapped.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Final

from harvester.archive import CheckedSnapshot, file_names
from harvester.audit.verify import Hasher, ProblemKind, RecordedDirectory, check_directories
from harvester.errors import ArchiveError
from harvester.format import MANIFEST, PAYLOAD, file_sha256, load_blocks

_LOST: Final = frozenset({ProblemKind.MISSING, ProblemKind.ALTERED, ProblemKind.ODD, ProblemKind.UNREADABLE})
_Copy = tuple[int, str]
"""Number of a Snapshot that remains, and the report's directory in it."""


class RemainingCopies:
    """The reports in the Snapshots that remain.

    A report is named by a key of the caller's choice, such as ids and the digest of one version.
    """

    def __init__(self) -> None:
        self._snapshots: list[CheckedSnapshot] = []
        self._reports: dict[str, dict[str, array[int]]] = {}
        """Numbers of the Snapshots that have a report, by its key and its directory in them."""
        self._damage: dict[_Copy, frozenset[str] | None] = {}
        """Damaged files of each copy that was hashed; None: its Manifest could not be read."""
        self._hasher = Hasher()

    def add(self, snapshot: CheckedSnapshot, reports: Mapping[str, str]) -> None:
        """Add a Snapshot that remains; `reports` maps the key of each report in it to its directory."""
        number = len(self._snapshots)
        self._snapshots.append(snapshot)
        for key, path in reports.items():
            self._reports.setdefault(key, {}).setdefault(path, array("I")).append(number)

    def __contains__(self, key: str) -> bool:
        return key in self._reports

    def find_last_copies(self, snapshot: CheckedSnapshot, reports: Mapping[str, str]) -> dict[str, str]:
        """Return the reports that have their last sound copy in `snapshot`.

        Args:
            snapshot: The Snapshot that would be removed.
            reports: Keys and directories of its reports that remaining Snapshots have too.

        Returns:
            Their keys, each with a damaged file of a copy that remains.
        """
        doubtful = {key: path for key, path in reports.items() if not self._has_copy(key, snapshot, path)}
        damaged = self._find_without_sound_copy(doubtful)
        if not damaged:
            return {}
        sound = dict(_sound_files(snapshot, {doubtful[key] for key in damaged}, self._hasher))
        contents = _actual_digests(snapshot)
        last = {}
        for key in damaged:
            here = sound.get(doubtful[key], frozenset())
            # Case 3. A file that is damaged both here and in the other copy is not lost by the removal.
            if all(self._could_repair(copy, here, contents) for copy in self._copies(key)):
                last[key] = self._describe_damage(key)
        return last

    def _could_repair(self, copy: _Copy, here: frozenset[str], contents: set[str]) -> bool:
        """Whether a damaged copy could be repaired with files of the Snapshot that would be removed."""
        lost = self._damage[copy]
        if lost is None:
            return bool(here)
        digests = self._recorded_digests(copy)
        return any(name in here or digests[name] in contents for name in lost)

    def _recorded_digests(self, copy: _Copy) -> dict[str, str]:
        number, path = copy
        return {
            name: sha256
            for block in _recorded(self._snapshots[number], {path})
            for name, sha256 in block.files
        }

    def _has_copy(self, key: str, snapshot: CheckedSnapshot, path: str) -> bool:
        copy = next(self._copies(key))
        if self._damage.get(copy) == frozenset():
            return True
        number, directory = copy
        return _is_shared(snapshot.path / path, self._snapshots[number].path / directory)

    def _copies(self, key: str) -> Iterator[_Copy]:
        for path, numbers in self._reports[key].items():
            for number in numbers:
                yield number, path

    def _find_without_sound_copy(self, keys: Iterable[str]) -> list[str]:
        """Hash copies of each report until a sound one is found; returns the reports that have none."""
        waiting = {key: self._copies(key) for key in keys}
        without = []
        while waiting:
            batch: dict[str, _Copy] = {}
            for key, copies in list(waiting.items()):
                copy = next(copies, None)
                if copy is None:
                    without.append(key)
                    del waiting[key]
                else:
                    batch[key] = copy
            self._hash(set(batch.values()))
            for key, copy in batch.items():
                if self._damage[copy] == frozenset():
                    del waiting[key]
        return without

    def _hash(self, copies: set[_Copy]) -> None:
        """Find the damaged files of copies, reading the Manifest of each Snapshot once."""
        unknown = sorted(copies - self._damage.keys())
        for number, group in groupby(unknown, key=lambda copy: copy[0]):
            paths = {path for _, path in group}
            self._damage.update(dict.fromkeys((number, path) for path in paths))
            try:
                for path, lost in _check(_recorded(self._snapshots[number], paths), self._hasher):
                    self._damage[number, path] = lost
            except ArchiveError:
                continue  # without its Manifest nothing is known about the rest

    def _describe_damage(self, key: str) -> str:
        number, path = next(self._copies(key))
        faults = self._damage[number, path]
        place = f"{self._snapshots[number].name}/{path}"
        return f"{place}/{min(faults)}" if faults else place


def _is_shared(here: Path, there: Path) -> bool:
    """Whether every file of the first directory has the same name and inode in the second."""
    try:
        return all(
            os.path.samestat(os.lstat(f"{here}/{name}"), os.lstat(f"{there}/{name}"))
            for name in file_names(here)
        )
    except OSError:
        return False


def _sound_files(
    snapshot: CheckedSnapshot, paths: set[str], hasher: Hasher
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each directory with the names of its files that have the recorded digest."""
    blocks = list(_recorded(snapshot, paths))
    for block, (path, lost) in zip(blocks, _check(blocks, hasher), strict=True):
        yield path, frozenset(name for name, _ in block.files) - lost


def _actual_digests(snapshot: CheckedSnapshot) -> set[str]:
    """Return the actual sha256 of every file in the payload, whatever was recorded."""
    found = set()
    for directory, _, names in os.walk(snapshot.path / PAYLOAD):
        for name in names:
            with suppress(ArchiveError):  # a file that cannot be read
                found.add(file_sha256(Path(directory, name))[0])
    return found


def _check(blocks: Iterable[RecordedDirectory], hasher: Hasher) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each directory with the names of its files that are missing or damaged."""
    for checked in check_directories(blocks, hasher, lambda _: None):
        inside = len(checked.path) + 1
        yield (
            checked.path,
            frozenset(problem.path[inside:] for problem in checked.problems if problem.kind in _LOST),
        )


def _recorded(snapshot: CheckedSnapshot, paths: set[str]) -> Iterator[RecordedDirectory]:
    """Yield the directories as the Manifest records them.

    Raises:
        CorruptArchiveError: the Manifest is damaged.
        DiskError: it cannot be read.
    """
    for block in load_blocks(snapshot.path / MANIFEST):
        if block.directory in paths:
            yield RecordedDirectory(
                snapshot.name, str(snapshot.path), block.directory, tuple(block.files().items())
            )
