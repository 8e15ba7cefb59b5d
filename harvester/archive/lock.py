"""One run at a time: the lock on an Archive, and who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from harvester.archive.advice import explain
from harvester.archive.disk import Disk
from harvester.archive.store import Store
from harvester.errors import ArchiveLockedError, CorruptArchiveError, DiskError
from harvester.format import LOCK, load_record, open_regular
from harvester.text import render_moment


class LockOwner(msgspec.Struct, frozen=True):
    """The process that holds the lock; written next to the lock file, for people."""

    pid: int
    host: str
    started: str
    command: str


@contextmanager
def hold_lock(store: Store, *, command: str, wait_s: float) -> Iterator[None]:
    """Hold the Archive for one command; the operating system releases it however the process ends.

    The lock file is never deleted: a waiter would be left with the lock on a file that nobody else sees.

    Raises:
        ArchiveLockedError: somebody else held it for all of `wait_s`; the message names them.
        DiskError: the lock file cannot be made.
    """
    owner = store.root / f"{LOCK}.owner"
    lock = filelock.FileLock(store.root / LOCK, thread_local=False, mode=0o644)
    try:
        lock.acquire(timeout=max(wait_s, 0), poll_interval=0.1)
    except filelock.Timeout as exc:
        raise ArchiveLockedError(_describe(owner, wait_s)) from exc
    except OSError as exc:
        raise explain(exc, store.root / LOCK) from exc
    try:
        _leave_note(owner, store.disk, command)
        try:
            yield
        finally:
            with suppress(DiskError):  # a stale note harms nobody: it is read only while the lock is held
                store.disk.remove(owner)
    finally:
        lock.release()


def _leave_note(owner: Path, disk: Disk, command: str) -> None:
    """Write the owner file; it is for people, so a full disk, on which `prune` has to run, is no error."""
    try:
        disk.replace(owner, _render_owner(command))
    except DiskError:
        with suppress(DiskError):
            disk.remove(owner)


def find_holder(root: Path) -> str:
    """Who holds the Archive at this moment, for people; empty when nobody does. Takes no lock that lasts.

    Raises:
        CorruptArchiveError: something else has the lock file's name, such as a link.
        DiskError: the lock file cannot be read.
    """
    path = root / LOCK
    if not os.path.lexists(path):
        return ""
    with open_regular(path) as file:
        # A shared lock, so that two who ask at once do not take each other for a holder.
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(root / f"{LOCK}.owner")
        except OSError as exc:
            raise explain(exc, path) from exc
    return ""


def _render_owner(command: str) -> bytes:
    owner = LockOwner(os.getpid(), socket.gethostname(), render_moment(datetime.now(UTC)), command)
    return msgspec.json.encode(owner) + b"\n"


def _describe(path: Path, wait_s: float) -> str:
    waited = f" after {wait_s:.0f} s of waiting" if wait_s > 0 else ""
    return (
        f"the Archive {path.parent} is in use{waited} by {_holder(path)}. "
        "Wait for it to end (--lock-wait does), or stop it: the lock goes with the process"
    )


def _holder(path: Path) -> str:
    try:
        owner = load_record(path, LockOwner)
    except (CorruptArchiveError, DiskError):
        return "another process"
    return f"process {owner.pid} on {owner.host}, started {owner.started}, command {owner.command!r}"
