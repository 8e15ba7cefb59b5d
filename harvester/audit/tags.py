"""The files of a Snapshot beside its payload: BagIt's declarations and everything the tag manifest covers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from harvester.archive.bag import DECLARATION, file_sha256, load_manifest
from harvester.archive.commit import tag_files
from harvester.archive.layout import BAG_INFO, BAGIT, INVENTORY, MANIFEST, SNAPSHOT_FILE, TAGMANIFEST
from harvester.archive.snapshot import Snapshot
from harvester.audit.problem import Findings, Kind, Problem
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError

_DECLARED: Final = hashlib.sha256(DECLARATION).hexdigest()
_REQUIRED: Final = (BAGIT, BAG_INFO, MANIFEST, INVENTORY, SNAPSHOT_FILE)


def check_tags(snapshot: Snapshot) -> list[Problem]:
    """What is wrong with the tag files of a Snapshot."""
    found = Findings(snapshot.name)
    try:
        recorded = dict(load_manifest(snapshot.path / TAGMANIFEST))
    except ArchiveError as exc:
        found.add_unusable(Kind.BAG, TAGMANIFEST, exc)
        return found.problems
    _check_mode(snapshot, TAGMANIFEST, found)
    for name in _REQUIRED:
        if name not in recorded:
            found.add(Kind.BAG, TAGMANIFEST, f"does not list {name}")
    for name, sha256 in recorded.items():
        if name.startswith("/") or ".." in name.split("/"):
            found.add(Kind.BAG, TAGMANIFEST, f"names {name!r}, which is outside of the Snapshot")
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
        text = "is missing" if missing else _without(path, exc)
        found.add(Kind.MISSING if missing else Kind.ODD, name, text, sha256=sha256)
        return
    except DiskError as exc:
        found.add(Kind.UNREADABLE, name, _without(path, exc))
        return
    if actual != sha256:
        found.add(Kind.ALTERED, name, "has other bytes than were recorded", sha256=sha256)
    elif name == BAGIT and actual != _DECLARED:
        found.add(Kind.BAG, name, "does not declare BagIt 1.0 in UTF-8")
    _check_mode(snapshot, name, found)


def _check_extra(snapshot: Snapshot, recorded: set[str], found: Findings) -> None:
    try:
        for path in tag_files(snapshot.path):
            name = path.relative_to(snapshot.path).as_posix()
            if name not in recorded:
                found.add(Kind.EXTRA, name, "is in no tag manifest")
    except CorruptArchiveError as exc:
        found.add(Kind.ODD, "", f"holds what no Snapshot does: {exc}")
    except OSError as exc:
        place = os.path.relpath(exc.filename or snapshot.path, snapshot.path)
        found.add(Kind.UNREADABLE, place, f"cannot be listed: {exc.strerror}")


def _check_mode(snapshot: Snapshot, name: str, found: Findings) -> None:
    try:
        mode = (snapshot.path / name).lstat().st_mode
    except OSError as exc:  # such as a prune that removes it at this moment
        found.add(Kind.UNREADABLE, name, f"cannot be looked at: {exc.strerror}")
        return
    if mode & 0o222:
        found.add(Kind.WRITABLE, name, "is writable")


def _without(path: Path, exc: Exception) -> str:
    """An error's text without the path that it begins with."""
    return str(exc).removeprefix(str(path)).lstrip(": ")
