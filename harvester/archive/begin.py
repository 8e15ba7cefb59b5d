"""Beginning a partial Snapshot, or taking up the one that was cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harvester.archive.commit import PARTIAL_FILE
from harvester.archive.disk import Disk, LinkMode
from harvester.archive.filling import Footing
from harvester.archive.lists import Base, find_base
from harvester.archive.open_ledger import OpenLedger
from harvester.archive.partial import LISTING, PartialSnapshot, PartialState
from harvester.archive.recovery import foreign_note, partial_names
from harvester.archive.snapshot import Snapshot
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.format import JOURNAL, PART, PAYLOAD, RUN, TAGMANIFEST, load_record, next_name, partial_name
from harvester.model import FORMAT


def begin_partial(
    ledger: OpenLedger, recovered: tuple[str, ...], *, date: str, state: PartialState
) -> PartialSnapshot:
    """The partial Snapshot of this run: a new one, or the one that the run before has left.

    Args:
        ledger: Of an Archive in which nothing is left unfinished.
        recovered: What `recover` has found, for the user.
        date: As in `next_name`.
        state: Of a new one.

    Raises:
        ArchiveError: a newer harvester has begun it.
        DiskError: it cannot be written.
    """
    root, disk = ledger.root, ledger.disk
    name, passed = _free_name(root, date, ledger.ledger.names)
    path = root / partial_name(name)
    found, notes = _take_up(root, disk, state)
    if found is None:
        _make(disk, path, state)
    else:
        earlier, state = found
        _sweep(disk, earlier)
        if earlier != path:
            disk.rename(earlier, path)
            disk.sync_dir(root)
    base = find_base(root, ledger.ledger)
    mode = _probe(disk, path, base.snapshot)
    notes += tuple(_passed_over(base))
    footing = Footing(ledger, base, mode, recovered + passed + notes)
    return PartialSnapshot(name, path, state, footing)


def _passed_over(base: Base) -> Iterator[str]:
    """What the user is told of each Snapshot that cannot be built on."""
    instead = f"is built on {base.snapshot.name}" if base.snapshot else "is built on no earlier one"
    for name, why in base.passed_over.items():
        yield (
            f"{why}. Nothing is taken from {name}: this Snapshot {instead}, and what only {name} holds is "
            f"requested again where it is still listed. Run `harvester verify {name} --repair`, or restore "
            "the file from a backup; until then keep that date, since it may hold the only copy of a report"
        )


def _free_name(root: Path, date: str, taken: list[str]) -> tuple[str, tuple[str, ...]]:
    """A name that nothing in the Archive has, and a note for each file or link that has one of them."""
    notes: list[str] = []
    name = next_name(date, taken)
    while os.path.lexists(root / name):
        if not (root / name).is_dir() or (root / name).is_symlink():  # else `recover` has named it
            notes.append(foreign_note(root / name))
        name = next_name(date, [*taken, name])
    return name, tuple(notes)


def _take_up(
    root: Path, disk: Disk, state: PartialState
) -> tuple[tuple[Path, PartialState] | None, tuple[str, ...]]:
    """The newest partial that this run can go on with; the others are set aside, which the notes tell."""
    found = None
    notes = []
    for name in reversed(partial_names(root)):
        path = root / partial_name(name)
        theirs = None if found else _usable(path, state)
        if theirs is not None:
            found = (path, theirs)
        elif not _holds_reports(path):
            disk.remove_tree(path)
        else:
            notes.append(_set_aside(root, disk, name))
    return found, tuple(notes)


def _usable(path: Path, state: PartialState) -> PartialState | None:
    """Whose partial it is, if it is one of this Archive and format."""
    if (path / RUN).is_symlink():
        return None
    try:
        theirs = load_record(path / RUN / PARTIAL_FILE, PartialState)
    except CorruptArchiveError:
        return None
    if theirs.format > FORMAT:
        raise ArchiveError(
            f"{path} was begun by a newer harvester (format {theirs.format}, this one knows {FORMAT}). "
            "Run that one, or move the directory out of the Archive"
        )
    return theirs if (theirs.format, theirs.account) == (FORMAT, state.account) else None


def _holds_reports(path: Path) -> bool:
    payload = path / PAYLOAD
    return payload.is_symlink() or (payload.is_dir() and any(payload.iterdir()))


def _set_aside(root: Path, disk: Disk, name: str) -> str:
    aside = disk.set_aside(root / partial_name(name), name)
    return (
        f"{root / partial_name(name)} is of another version or account, or damaged, and "
        f"was moved to {aside}. No Snapshot needs anything in it; delete it when you are sure"
    )


def _make(disk: Disk, path: Path, state: PartialState) -> None:
    disk.make_dir(path)
    disk.make_dir(path / PAYLOAD)
    disk.make_dir(path / RUN)
    disk.make_dir(path / RUN / LISTING)
    disk.write(path / RUN / PARTIAL_FILE, msgspec.json.encode(state))
    disk.sync_dir(path / RUN)
    disk.sync_dir(path)
    disk.sync_dir(path.parent)


def _sweep(disk: Disk, path: Path) -> None:
    """Leave in a partial only its reports, its journal and whose it is: nothing half written, no link."""
    for entry in list(os.scandir(path)):
        plain = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
        if entry.name not in {PAYLOAD, RUN, JOURNAL} or not plain:
            disk.remove_tree(Path(entry.path))
        elif entry.name == JOURNAL:
            disk.unseal(Path(entry.path))  # a commit that was cut off has sealed it; this run goes on in it
    disk.make_dir(path / PAYLOAD)
    disk.remove_tree(path / RUN / LISTING)
    disk.make_dir(path / RUN / LISTING)
    for project in list(os.scandir(path / PAYLOAD)):
        if not project.is_dir(follow_symlinks=False):
            disk.remove_tree(Path(project.path))
            continue
        for report in list(os.scandir(project)):
            part = report.name.startswith(".") or report.name.endswith(PART)
            if part or not report.is_dir(follow_symlinks=False):
                disk.remove_tree(Path(report.path))


def _probe(disk: Disk, path: Path, previous: Snapshot | None) -> LinkMode:
    """How files of the previous Snapshot come into this one; decided once for the run."""
    if previous is None:
        return LinkMode.HARDLINK
    target = path / RUN / "probe"
    disk.remove(target)
    return disk.probe_links(previous.path / TAGMANIFEST, target)
