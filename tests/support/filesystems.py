"""Real file systems in image files, mounted for a test; skipped with the reason where that cannot be done."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class FileSystem:
    """How a file system is made and mounted; the first way that works is used."""

    name: str
    make: Sequence[str]
    """The image's name is added."""
    mounts: Sequence[Sequence[str]]
    """The device's and the directory's name are added."""
    size_mb: int = 64


EXFAT = FileSystem("exfat", ["mkfs.exfat"], [["mount", "-t", "exfat"], ["mount.exfat-fuse"]])
VFAT = FileSystem("vfat", ["mkfs.vfat"], [["mount", "-t", "vfat", "-o", "utf8"]])
FEW_INODES = FileSystem("ext4", ["mkfs.ext4", "-q", "-N", "200"], [["mount", "-t", "ext4"]])


@contextmanager
def mounted(kind: FileSystem, directory: Path) -> Iterator[Path]:
    """The root of a new file system, to which everybody may write."""
    for program in (kind.make[0], "losetup", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    image, root = directory / f"{kind.name}.img", directory / kind.name
    root.mkdir()
    with image.open("xb") as file:
        file.truncate(kind.size_mb * 2**20)
    _call(*kind.make, str(image))
    device = _call("losetup", "--find", "--show", str(image))
    if device is None:
        pytest.skip("there is no loop device to be had")
    try:
        if not any(
            _call(*mount, device, str(root)) is not None for mount in kind.mounts if shutil.which(mount[0])
        ):
            pytest.skip(f"this machine cannot mount {kind.name}")
        try:
            yield root
        finally:
            _call("umount", str(root))
    finally:
        _call("losetup", "--detach", device)


def _call(*words: str) -> str | None:
    """What a program says; None when it has failed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
