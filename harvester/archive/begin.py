"""Begins a partial Snapshot, or resumes the one of an interrupted run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harvester.archive.commit import PARTIAL_FILE
from harvester.archive.content import SnapshotContext
from harvester.archive.disk import Disk
from harvester.archive.links import LinkMode
from harvester.archive.lists import Base, find_base
from harvester.archive.names import foreign_note, scan_names
from harvester.archive.partial import LISTING, PartialSnapshot, PartialState
from harvester.archive.snapshot import Snapshot
from harvester.archive.store import Store
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.format import JOURNAL, PART, PAYLOAD, RUN, TAGMANIFEST, load_record, next_name
from harvester.model import FORMAT


def begin_partial(
    store: Store, recovered: tuple[str, ...], *, date: str, state: PartialState
) -> PartialSnapshot:
    """The partial Snapshot of this run: a new one, or the one that an interrupted run has left.

    Args:
        store: Of an Archive in which `recover` has completed what was interrupted.
        recovered: What `recover` returned, for the user.
        date: As in `next_name`.
        state: What a new one records about itself.

    Raises:
        ArchiveError: a newer harvester started it.
        DiskError: it cannot be written.
    """
    # The name comes first: what is resumed may have been started yesterday, and gets today's name.
    name, foreign = _free_name(store, date)
    path = store.partial_dir(name)
    found, notes = _find_resumable(store, state)
    if found is None:
        _make(store.disk, path, state)
    else:
        earlier, state = found
        _sweep(store.disk, earlier)
        if earlier != path:  # it was started on another date
            store.disk.rename(earlier, path)
            store.disk.sync_dir(store.root)
    # Not what an interrupted run was built on, but what is newest and undamaged now.
    base = find_base(store.root, store.ledger)
    mode = _probe(store.disk, path, base.snapshot)
    notes = (*recovered, *foreign, *notes, *_passed_over(base))
    return PartialSnapshot(name, path, state, SnapshotContext(store, base, mode, notes))


def _passed_over(base: Base) -> Iterator[str]:
    """Notes for the user about Snapshots that cannot be built on."""
    instead = f"is built on {base.snapshot.name}" if base.snapshot else "is built on no earlier one"
    for name, why in base.passed_over.items():
        yield (
            f"{why}. Nothing is taken from {name}: this Snapshot {instead}, and what only {name} holds is "
            f"requested again where it is still listed. Run `harvester verify {name} --repair`, or restore "
            "the file from a backup; until then keep that date, since it may hold the only copy of a report"
        )


def _free_name(store: Store, date: str) -> tuple[str, tuple[str, ...]]:
    """A name that nothing in the Archive has, and a note for each file or link that has one of them."""
    notes: list[str] = []
    taken = store.ledger.names
    name = next_name(date, taken)
    while os.path.lexists(path := store.root / name):
        if not path.is_dir() or path.is_symlink():  # a directory was named by `recover`
            notes.append(foreign_note(path))
        name = next_name(date, [*taken, name])
    return name, tuple(notes)


def _find_resumable(
    store: Store, state: PartialState
) -> tuple[tuple[Path, PartialState] | None, tuple[str, ...]]:
    """The newest partial that this run can resume, with its own state, and notes for the user.

    Of the others, those that hold reports are set aside, and those that hold none are removed.
    """
    found = None
    notes = []
    for name in reversed(scan_names(store.root, store.ledger).partials):
        path = store.partial_dir(name)
        theirs = None if found else _usable(path, state)
        if theirs is not None:
            found = (path, theirs)
        elif not _holds_reports(path):
            store.disk.remove_tree(path)
        else:
            notes.append(_set_aside(store, name))
    return found, tuple(notes)


def _usable(path: Path, state: PartialState) -> PartialState | None:
    """What a partial records about itself; None unless it is of this Archive and format."""
    if (path / RUN).is_symlink():
        return None
    try:
        theirs = load_record(path / RUN / PARTIAL_FILE, PartialState)
    except CorruptArchiveError:
        return None
    if theirs.format > FORMAT:
        raise ArchiveError(
            f"{path} was started by a newer harvester (format {theirs.format}, this one knows {FORMAT}). "
            "Run that one, or move the directory out of the Archive"
        )
    return theirs if (theirs.format, theirs.account) == (FORMAT, state.account) else None


def _holds_reports(path: Path) -> bool:
    payload = path / PAYLOAD
    return payload.is_symlink() or (payload.is_dir() and any(payload.iterdir()))


def _set_aside(store: Store, name: str) -> str:
    aside = store.disk.set_aside(store.partial_dir(name), name)
    return (
        f"{store.partial_dir(name)} is of another version or account, or damaged, and "
        f"was moved to {aside}. No Snapshot needs anything in it; delete it when you are sure"
    )


def _make(disk: Disk, path: Path, state: PartialState) -> None:
    disk.make_dir(path)
    disk.make_dir(path / PAYLOAD)
    disk.make_dir(path / RUN)
    disk.make_dir(path / RUN / LISTING)
    # Flushed before anything else can be written: a partial without this file may be taken for a sealed one.
    disk.write(path / RUN / PARTIAL_FILE, msgspec.json.encode(state))
    disk.sync_dir(path / RUN)
    disk.sync_dir(path)
    disk.sync_dir(path.parent)


def _sweep(disk: Disk, path: Path) -> None:
    """Leave in a partial only its reports, its journal and its state: nothing half written, no link."""
    for entry in list(os.scandir(path)):
        plain = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
        if entry.name not in {PAYLOAD, RUN, JOURNAL} or not plain:
            disk.remove_tree(Path(entry.path))
        elif entry.name == JOURNAL:
            disk.unseal(Path(entry.path))  # an interrupted commit has sealed it; this run appends to it
    disk.make_dir(path / PAYLOAD)
    disk.remove_tree(path / RUN / LISTING)
    disk.make_dir(path / RUN / LISTING)
    # A directory of the payload is a report that was renamed into place whole, or it is removed here.
    for project in list(os.scandir(path / PAYLOAD)):
        if not project.is_dir(follow_symlinks=False):
            disk.remove_tree(Path(project.path))
            continue
        for report in list(os.scandir(project)):
            part = report.name.startswith(".") or report.name.endswith(PART)
            if part or not report.is_dir(follow_symlinks=False):
                disk.remove_tree(Path(report.path))


def _probe(disk: Disk, path: Path, previous: Snapshot | None) -> LinkMode:
    """How files of the previous Snapshot get into this one; decided once for the run."""
    if previous is None:
        return LinkMode.HARDLINK
    # Between the very directories that are used later: no hard link crosses a mount.
    target = path / RUN / "probe"
    disk.remove(target)
    return disk.probe_links(previous.path / TAGMANIFEST, target)
