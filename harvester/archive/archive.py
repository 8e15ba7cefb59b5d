"""The Archive of one Account: the Snapshots in it, and what changes it under its lock."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from harvester.archive.begin import begin_partial
from harvester.archive.disk import Disk
from harvester.archive.lists import Base, CheckedSnapshot, check_lists, find_base
from harvester.archive.lock import hold_lock
from harvester.archive.names import foreign_names, snapshot_names
from harvester.archive.partial import PartialSnapshot, PartialState
from harvester.archive.prune import prune_snapshots
from harvester.archive.recovery import recover
from harvester.archive.snapshot import Snapshot
from harvester.archive.store import Store
from harvester.errors import ArchiveError, CorruptArchiveError
from harvester.format import (
    ARCHIVE_FILE,
    LATEST,
    ArchiveRecord,
    Ledger,
    is_snapshot_name,
    load_record,
    load_sound_ledger,
    render_record,
)
from harvester.model import FORMAT
from harvester.text import render_moment

PRIVATE: Final = 0o700
"""The mode of a new Archive's directory: its owner's alone."""


class Archive:
    """The whole tree on disk for one Account."""

    def __init__(self, root: Path, record: ArchiveRecord, disk: Disk) -> None:
        self.root = root
        self.account = record.account
        """Fingerprint of the Account."""
        self.disk = disk
        self._record = record
        self._store: Store | None = None
        """While the Archive is locked; None: it is not."""
        self._partial: PartialSnapshot | None = None

    @classmethod
    def create_or_open(
        cls, root: Path, *, account: int | str, disk: Disk | None = None, mode: int = PRIVATE
    ) -> Archive:
        """Open the Archive at `root`, or create it when the directory is missing or empty.

        Args:
            root: Its directory; missing directories above it are created too.
            account: The user id, or the account's fingerprint where the id is not known.
            disk: What writes to it; tests pass one that fails.
            mode: Permissions of a new Archive's directory, as `chmod` takes them.

        Raises:
            ArchiveError: it belongs to another account, was written by a newer harvester, or `root` holds
                something else.
            DiskError: it cannot be created.
        """
        disk = disk or Disk()
        root = _place_of(root)
        if not (root / ARCHIVE_FILE).exists():
            _make(root, account, disk, mode)
        record = _load(root)
        if record.account != (yours := record.fingerprint(account)):
            raise ArchiveError(
                f"{root} is the Archive of another account ({record.account}; yours is {yours}). "
                "Use an archive directory for each account, or the credentials that belong to this one"
            )
        return cls(root, record, disk)

    @classmethod
    def open(cls, root: Path, *, disk: Disk | None = None) -> Archive:
        """Open an existing Archive; nothing is written.

        Raises:
            ArchiveError: there is none at `root`, or it was written by a newer harvester.
        """
        root = _place_of(root)
        if not (root / ARCHIVE_FILE).exists():
            raise ArchiveError(
                f"{root} is no Archive: it has no {ARCHIVE_FILE}. Check --archive or archive.dir"
            )
        return cls(root, _load(root), disk or Disk())

    def belongs_to(self, user_id: int) -> bool:
        """Whether it is the Archive of this user's Account."""
        return self._record.fingerprint(user_id) == self.account

    @contextmanager
    def lock(self, *, command: str, wait_s: float) -> Iterator[None]:
        """Hold the Archive; blocks for up to `wait_s` while somebody else does.

        Raises:
            ArchiveLockedError: somebody else held it all that time; the message names them.
        """
        store = Store(self.root, self.disk)
        with hold_lock(store, command=command, wait_s=wait_s):
            self._store = store
            try:
                yield
            finally:
                self._store = None
                if self._partial is not None:
                    self._partial.close()
                    self._partial = None

    def ledger(self) -> Ledger:
        """The Ledger; under the lock it is read once.

        Raises:
            CorruptArchiveError: a line is wrong; names the first.
        """
        return self._store.ledger if self._store else load_sound_ledger(self.root)

    def snapshots(self) -> list[Snapshot]:
        """The Snapshots that exist, oldest first."""
        return [Snapshot(name, self.root / name) for name in snapshot_names(self.root)]

    def foreign(self) -> list[Path]:
        """Directories that have the name of a Snapshot but are not one; nothing reads or changes them."""
        return [self.root / name for name in foreign_names(self.root)]

    def newest(self) -> Snapshot | None:
        """The newest Snapshot; None before the first commit."""
        snapshots = self.snapshots()
        return snapshots[-1] if snapshots else None

    def snapshot(self, name: str) -> Snapshot:
        """The Snapshot of that name; `latest` is the newest one.

        Raises:
            ArchiveError: there is none; the message lists what there is.
        """
        snapshots = self.snapshots()
        if name == LATEST and snapshots:
            return snapshots[-1]
        for snapshot in snapshots:
            if snapshot.name == name:
                return snapshot
        raise ArchiveError(f"there is no Snapshot {name!r} in {self.root}; {_listed(snapshots)}")

    def checked(self, name: str) -> CheckedSnapshot:
        """The Snapshot of that name, its lists proven by the Ledger; `latest` is the newest one.

        Raises:
            ArchiveError: there is none; the message lists what there is.
            CorruptArchiveError: a list is not what was committed; names the file.
        """
        return check_lists(self.snapshot(name), self.ledger())

    def base(self) -> Base:
        """What the next Snapshot would be built on.

        Raises:
            CorruptArchiveError: the Ledger is broken.
            DiskError: a list cannot be read.
        """
        return find_base(self.root, self.ledger())

    def begin(self, *, date: str, run_id: str, started: str) -> PartialSnapshot:
        """Begin a Snapshot, or resume the one of an interrupted run; under the lock.

        Args:
            date: `2026-11-22`, by the calendar that names Snapshots. When the newest Snapshot has a later
                date (the clock went back), that one is used with the next number.
            run_id: of this run; a partial that is resumed keeps its own.
            started: UTC.

        Raises:
            CorruptArchiveError: the Archive contradicts itself; says what to do.
            DiskError: it cannot be written.
        """
        if not is_snapshot_name(date) or "." in date:
            raise ValueError(f"{date!r} is not a date")
        store = self._locked_store()
        state = PartialState(FORMAT, self.account, run_id, started)
        self._partial = begin_partial(store, recover(store), date=date, state=state)
        return self._partial

    def recover(self) -> tuple[str, ...]:
        """Finish what an earlier run or prune was interrupted in, under the lock; `begin` does it too.

        Returns:
            What was found and set aside, for the user.

        Raises:
            CorruptArchiveError: the Archive contradicts itself; says what to do.
            DiskError: it cannot be written.
        """
        return recover(self._locked_store())

    def prune(self, *names: str, at: str) -> None:
        """Remove Snapshots for good, under the lock; for a missing one only the Ledger line is added.

        Args:
            names: Their names.
            at: UTC, for the Ledger.

        Raises:
            ArchiveError: the Ledger has no such Snapshot.
            DiskError: one cannot be removed.
        """
        prune_snapshots(self._locked_store(), names, at=at)

    def _locked_store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the Archive is changed only while its lock is held")
        return self._store


def _place_of(root: Path) -> Path:
    """Where the Archive is: whoever names it may do so by a link; below it no link is followed."""
    return Path(os.path.realpath(root))


def _make(root: Path, account: int | str, disk: Disk, mode: int) -> None:
    missing = [path for path in (root, *root.parents) if not path.exists()]
    for path in reversed(missing):
        disk.make_dir(path)
    check_vacant(root)
    # A directory that we made gets exactly the mode; of one that was there only rights are taken away.
    disk.restrict(root, mode, exactly=bool(missing))
    # A fingerprint cannot be salted again: it is taken as it is.
    salt = "" if isinstance(account, str) else secrets.token_hex(16)
    record = ArchiveRecord(FORMAT, account="", created=render_moment(datetime.now(UTC)), account_salt=salt)
    record = msgspec.structs.replace(record, account=record.fingerprint(account))
    disk.replace(root / ARCHIVE_FILE, render_record(record))


def check_vacant(root: Path) -> None:
    """Raise unless a directory may become an Archive: it is empty, or a file system that was just made.

    Raises:
        ArchiveError: it holds something else.
        CorruptArchiveError: it was an Archive, and the file that says so is lost.
    """
    strangers = sorted(
        path.name for path in root.iterdir() if not path.name.startswith(".") and path.name != "lost+found"
    )
    if any(is_snapshot_name(name) for name in strangers):
        raise CorruptArchiveError(
            f"{root} holds Snapshots but no {ARCHIVE_FILE}. Restore that file from a backup"
        )
    if strangers:
        raise ArchiveError(
            f"{root} is not empty and no Archive (it holds {', '.join(strangers[:3])}). "
            "Choose an empty or new directory"
        )


def _load(root: Path) -> ArchiveRecord:
    record = load_record(root / ARCHIVE_FILE, ArchiveRecord)
    if record.format > FORMAT:
        raise ArchiveError(
            f"{root} was written by a newer harvester (format {record.format}, this one knows {FORMAT}). "
            "Update harvester, or use another archive directory"
        )
    return record


def _listed(snapshots: list[Snapshot]) -> str:
    if not snapshots:
        return "it has none yet"
    names = [snapshot.name for snapshot in snapshots]
    shown = names if len(names) <= 10 else [*names[:3], "...", *names[-6:]]
    return f"it has {', '.join(shown)}"
