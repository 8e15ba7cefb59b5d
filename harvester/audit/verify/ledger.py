"""The Archive as a whole: its Ledger, which Snapshots should stand, and what `latest` points to."""

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
"""Before each further look; the steps between a Snapshot's name and `latest` take some milliseconds."""


def check_ledger(archive: Archive, *, wait: Callable[[float], None] = time.sleep) -> list[Problem]:
    """What is wrong with the Archive itself, its Snapshots' insides left out.

    A run that commits at this moment has given a Snapshot its name and not yet its line in the Ledger. So
    what is found is looked for again, for as long as somebody holds the Archive and a few times at most: only
    what is found each time is a Problem.
    """
    found = _look(archive)
    for pause_s in _PAUSES_S:
        if not found:
            break
        wait(pause_s)
        held = _is_held(archive)
        again = _look(archive)
        found = [problem for problem in found if problem in again]
        if not held:
            break
    return found


def _is_held(archive: Archive) -> bool:
    try:
        return bool(find_holder(archive.root))
    except ArchiveError:
        return False  # something else has the lock's name, so nobody can hold it


def _look(archive: Archive) -> list[Problem]:
    """What is wrong at this moment."""
    found = Findings()
    problems: list[Problem] = []
    try:
        _check_latest(archive, found)
        _check_links(archive, found)
        ledger = load_ledger(archive.root)
        _check_lines(ledger, found)
        _check_archive_file(archive, ledger, found)
        problems += [*_check_standing(archive, ledger), *_check_seals(archive, ledger)]
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
        found.add(
            ProblemKind.LEDGER, place, "was cut off while it was written", advice="the next run mends it"
        )


def _check_archive_file(archive: Archive, ledger: Ledger, found: Findings) -> None:
    if not ledger.archive_sha256:
        return  # no run has written it down yet
    try:
        sha256 = file_sha256(archive.root / ARCHIVE_FILE)[0]
    except ArchiveError as exc:
        found.add_unusable(ProblemKind.RECORD, ARCHIVE_FILE, exc)
        return
    if sha256 != ledger.archive_sha256:
        found.add(ProblemKind.RECORD, ARCHIVE_FILE, f"is not the one that {LEDGER} has the digest of")


def _check_standing(archive: Archive, ledger: Ledger) -> list[Problem]:
    """Snapshots that should be there and are not, and the other way round."""
    problems = []
    standing = {snapshot.name for snapshot in archive.snapshots()}
    for name in set(ledger.committed) - standing:
        found = Findings(name)
        advice = f"restore it from a backup, or accept the loss: harvester prune --forget {name} --yes"
        found.add(ProblemKind.MISSING, "", "is missing: it was committed and never pruned", advice=advice)
        problems += found.problems
    for name in standing - set(ledger.committed):
        found = Findings(name)
        if name in ledger.pruned:
            advice = "the next run or prune removes it"
            found.add(ProblemKind.LEDGER, "", "was pruned and is still there", advice=advice)
        else:
            _name_unknown(archive, ledger, name, found)
        problems += found.problems
    return problems


def _name_unknown(archive: Archive, ledger: Ledger, name: str, found: Findings) -> None:
    """A Snapshot without a line in the Ledger: of a run that was killed in its last steps, or foreign."""
    try:
        check_adoptable(name, archive.root / name, ledger)
    except (ArchiveError, OSError):
        text = "has no line in the Ledger: no run of this Archive is known"
        advice = "restore ledger.jsonl from a backup, or move the directory out of the Archive"
    else:
        text = "has no line in the Ledger yet: its run was stopped in the last steps of the commit"
        advice = "the next run or prune adds the line; nothing is lost"
    found.add(ProblemKind.LEDGER, "", text, advice=advice)


def _check_seals(archive: Archive, ledger: Ledger) -> list[Problem]:
    """Each tag manifest against the Ledger: an edit that kept Manifest and tag manifest in step is found."""
    problems = []
    for name, line in ledger.committed.items():
        found = Findings(name)
        try:
            sha256 = file_sha256(archive.root / name / TAGMANIFEST)[0]
        except ArchiveError:
            continue  # the Snapshot's own check names it
        if sha256 != line.tagmanifest_sha256:
            found.add(ProblemKind.ALTERED, TAGMANIFEST, f"is not the one of {LEDGER}:{line.n}")
        problems += found.problems
    return problems


def _check_links(archive: Archive, found: Findings) -> None:
    for item in os.scandir(archive.root):
        if is_snapshot_name(item.name) and not item.is_dir(follow_symlinks=False):
            found.add(ProblemKind.ODD, item.name, "has a Snapshot's name and is no directory")
    for path in archive.foreign():
        found.add(
            ProblemKind.EXTRA, path.name, "has the name of a Snapshot but is not one: no run has committed it"
        )


def _check_latest(archive: Archive, found: Findings) -> None:
    newest = archive.newest()
    if newest is not None and read_latest(archive.root) != newest.name:
        found.add(ProblemKind.LATEST, LATEST, f"does not point to {newest.name}")
