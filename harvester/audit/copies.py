"""Whether a Snapshot can go: which of its reports the Snapshots that stay hold, and in sound files.

A file that is one inode in both Snapshots is as good in the one as in the other: a look at it is enough. Any
other copy that would be relied on is hashed once and compared with its own Manifest.
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
"""Number of a Snapshot that stays, and the report's directory in it."""


class RemainingCopies:
    """The Snapshots that stay, and the reports that they hold.

    A report is named by a key of the caller's choice, such as ids and the digest of one version.
    """

    def __init__(self) -> None:
        self._snapshots: list[CheckedSnapshot] = []
        self._held: dict[str, dict[str, array[int]]] = {}
        """By key and directory: the numbers of the Snapshots that have the report there."""
        self._faults: dict[_Copy, frozenset[str] | None] = {}
        """Damaged files of a copy that was hashed; None: its Manifest does not say what it should be."""
        self._hasher = Hasher()

    def add(self, snapshot: CheckedSnapshot, reports: Mapping[str, str]) -> None:
        """Count on a Snapshot that stays; `reports` has key and directory of everything in it."""
        number = len(self._snapshots)
        self._snapshots.append(snapshot)
        for key, path in reports.items():
            self._held.setdefault(key, {}).setdefault(path, array("I")).append(number)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def find_last_copies(self, snapshot: CheckedSnapshot, reports: Mapping[str, str]) -> dict[str, str]:
        """The reports of which no copy that stays is as good as the one in `snapshot`.

        Args:
            snapshot: Would be removed.
            reports: Key and directory of those that are held elsewhere too.

        Returns:
            Key, and a damaged file of a copy that would stay.
        """
        doubtful = {key: path for key, path in reports.items() if not self._is_held_well(key, snapshot, path)}
        damaged = self._search_sound_copies(doubtful)
        if not damaged:
            return {}
        sound = dict(_sound_files(snapshot, {doubtful[key] for key in damaged}, self._hasher))
        contents = _digests_of_all(snapshot)
        last = {}
        for key in damaged:
            here = sound.get(doubtful[key], frozenset())
            # What is damaged in a copy that stays and here as well is not lost by the removal, unless its
            # bytes are in another place, as where two files were swapped.
            if all(self._would_miss(copy, here, contents) for copy in self._copies(key)):
                last[key] = self._name_fault(key)
        return last

    def _would_miss(self, copy: _Copy, here: frozenset[str], contents: set[str]) -> bool:
        """Whether a damaged copy that stays could be restored from files that would be removed."""
        lost = self._faults[copy]
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

    def _is_held_well(self, key: str, snapshot: CheckedSnapshot, path: str) -> bool:
        copy = next(self._copies(key))
        if self._faults.get(copy) == frozenset():
            return True
        number, theirs = copy
        return _is_shared(snapshot.path / path, self._snapshots[number].path / theirs)

    def _copies(self, key: str) -> Iterator[_Copy]:
        for path, numbers in self._held[key].items():
            for number in numbers:
                yield number, path

    def _search_sound_copies(self, keys: Iterable[str]) -> list[str]:
        """Hash one copy of each report after another until a sound one is found; gives those without any."""
        waiting = {key: self._copies(key) for key in keys}
        without = []
        while waiting:
            turn: dict[str, _Copy] = {}
            for key, copies in list(waiting.items()):
                copy = next(copies, None)
                if copy is None:
                    without.append(key)
                    del waiting[key]
                else:
                    turn[key] = copy
            self._hash(set(turn.values()))
            for key, copy in turn.items():
                if self._faults[copy] == frozenset():
                    del waiting[key]
        return without

    def _hash(self, copies: set[_Copy]) -> None:
        """Find the damaged files of copies, one pass over the Manifest for each Snapshot."""
        unknown = sorted(copies - self._faults.keys())
        for number, group in groupby(unknown, key=lambda copy: copy[0]):
            paths = {path for _, path in group}
            self._faults.update(dict.fromkeys((number, path) for path in paths))
            try:
                for path, lost in _check(_recorded(self._snapshots[number], paths), self._hasher):
                    self._faults[number, path] = lost
            except ArchiveError:
                continue  # a Manifest that cannot be read proves nothing of the rest

    def _name_fault(self, key: str) -> str:
        number, path = next(self._copies(key))
        faults = self._faults[number, path]
        place = f"{self._snapshots[number].name}/{path}"
        return f"{place}/{min(faults)}" if faults else place


def _is_shared(here: Path, there: Path) -> bool:
    """Whether every file in one directory has the same name and inode in the other."""
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
    """The files of each directory that are what was recorded of them."""
    blocks = list(_recorded(snapshot, paths))
    for block, (path, lost) in zip(blocks, _check(blocks, hasher), strict=True):
        yield path, frozenset(name for name, _ in block.files) - lost


def _digests_of_all(snapshot: CheckedSnapshot) -> set[str]:
    """Of every file in the payload, wherever it is and whatever was recorded of it."""
    found = set()
    for directory, _, names in os.walk(snapshot.path / PAYLOAD):
        for name in names:
            with suppress(ArchiveError):  # nothing that can be read
                found.add(file_sha256(Path(directory, name))[0])
    return found


def _check(blocks: Iterable[RecordedDirectory], hasher: Hasher) -> Iterator[tuple[str, frozenset[str]]]:
    """Each directory and the names of its files that are missing or damaged."""
    for checked in check_directories(blocks, hasher, lambda _: None):
        inside = len(checked.path) + 1
        yield (
            checked.path,
            frozenset(problem.path[inside:] for problem in checked.problems if problem.kind in _LOST),
        )


def _recorded(snapshot: CheckedSnapshot, paths: set[str]) -> Iterator[RecordedDirectory]:
    """The directories as the Manifest has them.

    Raises:
        CorruptArchiveError: the Manifest is damaged.
        DiskError: it cannot be read.
    """
    for block in load_blocks(snapshot.path / MANIFEST):
        if block.directory in paths:
            yield RecordedDirectory(
                snapshot.name, str(snapshot.path), block.directory, tuple(block.files().items())
            )
