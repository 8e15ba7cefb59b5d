"""Checks the Archive as a whole: its Ledger, which Snapshots should exist, and what `latest` points to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from harvester.archive import Archive, check_adoptable, find_holder, read_latest
from harvester.audit.verify.problem import Findings, Problem, ProblemKind
from harvester.errors import ArchiveError
from harvester.format import (
    ARCHIVE_FILE,
    LATEST,
    LEDGER,
    TAGMANIFEST,
    Ledger,
    file_sha256,
    is_snapshot_name,
    load_ledger,
)

_PAUSES_S: Final = (0.0, 0.5, 1.0)
"""Pauses before each further check; a commit takes some milliseconds from the rename to `latest`."""


def check_ledger(archive: Archive, *, wait: Callable[[float], None] = time.sleep) -> list[Problem]:
    """Return what is wrong with the Archive itself; the content of its Snapshots is checked elsewhere.

    A run that is committing has renamed a Snapshot and not yet added its line to the Ledger. So findings are
    checked again, a few times at most and only while somebody holds the Archive's lock: a Problem is what
    was found each time.

    Args:
        archive: The Archive to check.
        wait: Waits for a number of seconds.
    """
    found = _find_problems(archive)
    for pause_s in _PAUSES_S:
        if not found:
            break
        wait(pause_s)
        held = _is_held(archive)
        again = _find_problems(archive)
        found = [problem for problem in found if problem in again]
        if not held:
            break
    return found


def _is_held(archive: Archive) -> bool:
    try:
        return bool(find_holder(archive.root))
    except ArchiveError:
        return False  # what is there is not a lock, so nobody can hold it


def _find_problems(archive: Archive) -> list[Problem]:
    """Return what is wrong at this moment."""
    found = Findings()
    problems: list[Problem] = []
    try:
        _check_latest(archive, found)
        _check_links(archive, found)
        ledger = load_ledger(archive.root)
        _check_lines(ledger, found)
        _check_archive_file(archive, ledger, found)
        problems += [*_check_presence(archive, ledger), *_check_seals(archive, ledger)]
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.LEDGER, LEDGER, exc)
    except OSError as exc:
        found.add(ProblemKind.UNREADABLE, ".", f"cannot be listed: {exc.strerror}")
    return [*found.problems, *problems]


def _check_lines(ledger: Ledger, found: Findings) -> None:
    for fault in (*ledger.faults, *ledger.edits):
        found.add(ProblemKind.LEDGER, f"{LEDGER}:{fault.number}", fault.text)
    if ledger.torn:
        place = f"{LEDGER}:{len(ledger.lines) + 1}"
        found.add(ProblemKind.LEDGER, place, "was not written to its end", advice="the next run repairs it")


def _check_archive_file(archive: Archive, ledger: Ledger, found: Findings) -> None:
    if not ledger.archive_sha256:
        return  # no run has recorded it yet
    try:
        sha256 = file_sha256(archive.root / ARCHIVE_FILE)[0]
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.RECORD, ARCHIVE_FILE, exc)
        return
    if sha256 != ledger.archive_sha256:
        found.add(ProblemKind.RECORD, ARCHIVE_FILE, f"does not match the digest in {LEDGER}")


def _check_presence(archive: Archive, ledger: Ledger) -> list[Problem]:
    """Return the Snapshots that should exist and do not, and those that exist and should not."""
    problems = []
    existing = {snapshot.name for snapshot in archive.snapshots()}
    for name in set(ledger.committed) - existing:
        found = Findings(name)
        advice = f"restore it from a backup, or accept the loss: harvester prune --forget {name} --yes"
        found.add(ProblemKind.MISSING, "", "is missing: it was committed and never pruned", advice=advice)
        problems += found.problems
    for name in existing - set(ledger.committed):
        found = Findings(name)
        if name in ledger.pruned:
            advice = "the next run or prune removes it"
            found.add(ProblemKind.LEDGER, "", "was pruned and is still there", advice=advice)
        else:
            _add_unrecorded(archive, ledger, name, found)
        problems += found.problems
    return problems


def _add_unrecorded(archive: Archive, ledger: Ledger, name: str, found: Findings) -> None:
    """Add the Problem of a Snapshot without a line in the Ledger: its run was killed, or it is foreign."""
    try:
        check_adoptable(name, archive.root / name, ledger)
    except (ArchiveError, OSError):
        text = "has no line in the Ledger: no run of this Archive is known to have written it"
        advice = "restore ledger.jsonl from a backup, or move the directory out of the Archive"
    else:
        text = "has no line in the Ledger yet: its run was stopped in the last steps of the commit"
        advice = "the next run or prune adds the line; nothing is lost"
    found.add(ProblemKind.LEDGER, "", text, advice=advice)


def _check_seals(archive: Archive, ledger: Ledger) -> list[Problem]:
    """Compare each tag manifest with the Ledger.

    This finds an edit that was followed through in Manifest and tag manifest.
    """
    problems = []
    for name, line in ledger.committed.items():
        found = Findings(name)
        try:
            sha256 = file_sha256(archive.root / name / TAGMANIFEST)[0]
        except ArchiveError:
            continue  # reported by the check of the Snapshot
        if sha256 != line.tagmanifest_sha256:
            found.add(ProblemKind.ALTERED, TAGMANIFEST, f"does not match the digest in {LEDGER}:{line.n}")
        problems += found.problems
    return problems


def _check_links(archive: Archive, found: Findings) -> None:
    for item in os.scandir(archive.root):
        if is_snapshot_name(item.name) and not item.is_dir(follow_symlinks=False):
            found.add(ProblemKind.ODD, item.name, "has a Snapshot's name but is not a directory")
    for path in archive.foreign():
        found.add(
            ProblemKind.EXTRA, path.name, "has the name of a Snapshot but is not one: no run has committed it"
        )


def _check_latest(archive: Archive, found: Findings) -> None:
    newest = archive.newest()
    if newest is not None and read_latest(archive.root) != newest.name:
        found.add(ProblemKind.LATEST, LATEST, f"does not point to {newest.name}")
