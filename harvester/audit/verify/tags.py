"""Checks the files of a Snapshot outside its payload: BagIt's declarations and all tag files."""

from __future__ import annotations

import hashlib
import os
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Final

from harvester.archive import Snapshot
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError
from harvester.format import (
    BAG_INFO,
    BAGIT,
    DECLARATION,
    INVENTORY,
    MANIFEST,
    PAYLOAD,
    SNAPSHOT_FILE,
    TAGMANIFEST,
    file_sha256,
    is_inside,
    load_manifest,
)

_DECLARED: Final = hashlib.sha256(DECLARATION).hexdigest()
_REQUIRED: Final = (BAGIT, BAG_INFO, MANIFEST, INVENTORY, SNAPSHOT_FILE)


def check_tag_files(snapshot: Snapshot) -> list[Problem]:
    """Return what is wrong with the tag files of a Snapshot; nothing is changed."""
    found = Findings(snapshot.name)
    try:
        recorded = dict(load_manifest(snapshot.path / TAGMANIFEST))
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.BAG, TAGMANIFEST, exc)
        return found.problems
    _check_mode(snapshot, TAGMANIFEST, found)
    for name in _REQUIRED:
        if name not in recorded:
            found.add(ProblemKind.BAG, TAGMANIFEST, f"does not list {name}")
    for name, sha256 in recorded.items():
        if not is_inside(name):
            found.add(ProblemKind.BAG, TAGMANIFEST, f"lists {name!r}, which is outside the Snapshot")
        else:
            _check_tag(snapshot, name, sha256, found)
    _check_extra(snapshot, set(recorded), found)
    return found.problems


def _check_tag(snapshot: Snapshot, name: str, sha256: str, found: Findings) -> None:
    path = snapshot.path / name
    try:
        actual = file_sha256(path)[0]
    except CorruptArchiveError as exc:
        missing = not os.path.lexists(path)
        text = "is missing" if missing else _strip_path(path, exc)
        found.add(ProblemKind.MISSING if missing else ProblemKind.ODD, name, text, sha256=sha256)
        return
    except DiskError as exc:
        found.add(ProblemKind.UNREADABLE, name, _strip_path(path, exc))
        return
    if actual != sha256:
        found.add(ProblemKind.ALTERED, name, "has other bytes than were recorded", sha256=sha256)
    elif name == BAGIT and actual != _DECLARED:
        found.add(ProblemKind.BAG, name, "does not declare BagIt 1.0 in UTF-8")
    _check_mode(snapshot, name, found)


def _check_extra(snapshot: Snapshot, recorded: set[str], found: Findings) -> None:
    """Add a Problem for everything outside the payload that no list names; a directory counts as one.

    Only directories that contain a listed file are entered: an unknown tree may be of any size.
    """
    parents = {str(parent) for name in recorded for parent in PurePosixPath(name).parents}
    waiting = [""]
    while waiting:
        below = waiting.pop()
        for name, item in _list_directory(snapshot, below, found):
            is_dir = item.is_dir(follow_symlinks=False)
            if name in {PAYLOAD, TAGMANIFEST} or (name in recorded and not is_dir):
                continue  # checked elsewhere
            if is_dir and name in parents:
                waiting.append(name)
            elif is_dir or item.is_file(follow_symlinks=False):
                found.add(ProblemKind.EXTRA, name, "is in no tag manifest")
            else:
                found.add(ProblemKind.ODD, name, "is neither a file nor a directory, and in no tag manifest")


def _list_directory(snapshot: Snapshot, below: str, found: Findings) -> list[tuple[str, os.DirEntry[str]]]:
    """Return the entries of a directory, each with its path below the Snapshot, sorted."""
    try:
        with os.scandir(snapshot.path / below) as items:
            return sorted(((f"{below}/{item.name}".lstrip("/"), item) for item in items), key=itemgetter(0))
    except OSError as exc:
        found.add(ProblemKind.UNREADABLE, below or ".", f"cannot be listed: {exc.strerror}")
        return []


def _check_mode(snapshot: Snapshot, name: str, found: Findings) -> None:
    try:
        mode = (snapshot.path / name).lstat().st_mode
    except OSError as exc:  # for example: a prune is removing it at this moment
        found.add(ProblemKind.UNREADABLE, name, f"cannot be examined: {exc.strerror}")
        return
    if mode & 0o222:
        found.add(ProblemKind.WRITABLE, name, "is writable")


def _strip_path(path: Path, exc: Exception) -> str:
    """Return an error's text without the path at its start: a Problem names the path already."""
    return str(exc).removeprefix(str(path)).lstrip(": ")
