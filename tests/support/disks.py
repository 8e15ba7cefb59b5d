"""Disks that fail or die at the n-th step, and the proof that an Archive has survived it."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from threading import Lock
from typing import Any

import bagit

from harvester.archive import Disk
from harvester.archive.advice import explain
from harvester.archive.links import LinkMode
from harvester.format.utf8 import Content

STEPS = (
    "make_dir",
    "new_dir",
    "write",
    "write_temp",
    "create",
    "write_chunk",
    "finish",
    "append",
    "open_append",
    "truncate",
    "seal",
    "unseal",
    "rename",
    "symlink_atomic",
    "sync_dir",
    "sync_all",
    "remove",
    "remove_tree",
    "link_files",
    "hardlink",
)
"""Every method of Disk that changes something; `replace` is made of these."""


class Killed(BaseException):
    """The process ends here, as far as a test within one process can say so."""


class SteppingDisk(Disk):
    """Counts steps; `before` is called with the number of each before it is taken."""

    def __init__(self) -> None:
        self.steps = 0
        self._lock = Lock()

    def before(self, number: int, step: str) -> None:
        """What a test makes happen at a step."""


def _counted(step: str) -> Any:
    def method(self: SteppingDisk, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.steps += 1
            number = self.steps
        self.before(number, step)
        return getattr(Disk, step)(self, *args, **kwargs)

    return method


for _step in STEPS:
    setattr(SteppingDisk, _step, _counted(_step))


class DyingDisk(SteppingDisk):
    """From the n-th step on nothing is written any more, as after a power cut or SIGKILL."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at = dies_at

    def before(self, number: int, step: str) -> None:
        if number >= self.dies_at:
            raise Killed(step)


class HalfWritingDisk(SteppingDisk):
    """Dies in the middle of the n-th step: half of a file's bytes, half of a line."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at = dies_at
        self.dead = False

    def before(self, number: int, step: str) -> None:
        if number >= self.dies_at and step not in {"write", "append", "write_chunk"}:
            raise Killed(step)

    def write(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        super().write(path, self._half(content), sync=sync)
        self._die()

    def append(self, path: Path, content: bytes) -> None:
        super().append(path, self._half(content))
        self._die()

    def write_chunk(self, fd: int, content: Content, path: Path | str) -> None:
        whole = content if isinstance(content, bytes) else b"".join(content)
        super().write_chunk(fd, self._half(whole), path)
        self._die()

    def _half(self, content: bytes) -> bytes:
        if self.dead:
            raise Killed("write")
        return content[: len(content) // 2] if self.steps + 1 >= self.dies_at else content

    def _die(self) -> None:
        if self.steps >= self.dies_at:
            self.dead = True
            raise Killed("write")


class FailingDisk(SteppingDisk):
    """The n-th step fails with an error of the operating system; `lasting` ones fail from then on."""

    def __init__(self, fails_at: int, code: int, *, lasting: bool = False) -> None:
        super().__init__()
        self.fails_at = fails_at
        self.code = code
        self.lasting = lasting

    def before(self, number: int, step: str) -> None:
        if number == self.fails_at or (self.lasting and number > self.fails_at):
            raise self._error(step)

    def _error(self, step: str) -> Exception:
        error = OSError(self.code, os.strerror(self.code))
        return error if step in {"hardlink", "reflink", "copy"} else explain(error, step)


class NoLinksDisk(Disk):
    """A file system on which some ways to share a file fail."""

    def __init__(self, code: int, *ways: LinkMode) -> None:
        self._code = code
        self._ways = ways

    def hardlink(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        self._refuse(LinkMode.HARDLINK)
        super().hardlink(source, target, source_dir, target_dir)

    def reflink(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        self._refuse(LinkMode.REFLINK)
        super().copy(source, target, source_dir, target_dir)  # ext4 has none; what counts is who is asked

    def _refuse(self, way: LinkMode) -> None:
        if way in self._ways:
            raise OSError(self._code, os.strerror(self._code))


class NoSymlinksDisk(Disk):
    """A file system without symbolic links, such as vfat or exFAT."""

    def __init__(self, code: int) -> None:
        self._code = code

    def symlink(self, target: str, link: Path) -> None:
        raise OSError(self._code, os.strerror(self._code))


class BareDisk(NoSymlinksDisk):
    """A file system that has neither links nor permissions of its own, as the kernel's vfat answers."""

    def __init__(self) -> None:
        super().__init__(errno.EPERM)

    def hardlink(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def chmod(self, fd: int, mode: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


class ShortNamesDisk(Disk):
    """A file system whose names end at 143 bytes, as those of eCryptfs do."""

    def make_dir(self, path: Path) -> None:
        self._check(path)
        super().make_dir(path)

    def new_dir(self, path: str) -> bool:
        self._check(path)
        return super().new_dir(path)

    def create(self, path: Path | str) -> int:
        self._check(path)
        return super().create(path)

    def write(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        self._check(path)
        super().write(path, content, sync=sync)

    def rename(self, source: Path, target: Path) -> None:
        self._check(target)
        super().rename(source, target)

    def _check(self, path: Path | str) -> None:
        if len(Path(path).name.encode()) > 143:
            raise explain(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)), path)


def check_bag(path: Path) -> None:
    """Let tools that are not ours say that this is a valid bag; no file in it is writable."""
    bagit.Bag(str(path)).validate()
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        if (path / manifest).stat().st_size:
            subprocess.run(["sha256sum", "-c", "--quiet", "--strict", manifest], cwd=path, check=True)
    for file in path.rglob("*"):
        assert file.is_dir() or not file.stat().st_mode & 0o222, f"{file} is writable"


def check_archive(root: Path) -> None:
    """Every Snapshot is valid and in the Ledger, `latest` names the newest, nothing is left over."""
    from harvester.archive import Archive
    from harvester.archive.latest import read_latest
    from harvester.format.ledger import load_ledger

    ledger = load_ledger(root)
    assert not ledger.faults
    assert not ledger.torn
    snapshots = Archive.open(root).snapshots()
    assert [snapshot.name for snapshot in snapshots] == list(ledger.committed)
    for snapshot in snapshots:
        check_bag(snapshot.path)
        record = snapshot.record()
        entries = list(snapshot.inventory())
        assert record.files == sum(entry.files for entry in entries)
        assert record.payload_bytes == sum(entry.payload_bytes for entry in entries)
        assert not list(snapshot.path.rglob(".*"))
    if snapshots:
        assert read_latest(root) == snapshots[-1].name
    assert not list(root.glob(".*.part"))
    assert not list(root.glob(".*.partial"))
