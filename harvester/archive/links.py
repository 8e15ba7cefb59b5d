"""Gets files of one Snapshot into another without writing their bytes again, where the file system can."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from harvester.archive.advice import explain, explained
from harvester.archive.calls import has_bytes, opened_dir, opened_pair

_FICLONE: Final = 0x40049409
"""Linux: make one file share the extents of another (reflink)."""


_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors after which writing the file does not work either."""


class LinkMode(StrEnum):
    """How a file of an earlier Snapshot gets into a new one."""

    HARDLINK = "hardlink"
    REFLINK = "reflink"
    COPY = "copy"


class FileLinks:
    """The part of `Disk` that links and copies files; `link_files` does most of the work of a night."""

    def probe_links(self, source: Path, target: Path) -> LinkMode:
        """The cheapest way to give `target`, a free name, the content of `source`; nothing is left behind."""
        with (
            explained(target),
            opened_dir(source.parent) as source_dir,
            opened_dir(target.parent) as target_dir,
        ):
            for mode in (LinkMode.HARDLINK, LinkMode.REFLINK):
                try:
                    self._link_one(mode, source.name, target.name, source_dir, target_dir)
                except OSError as exc:
                    if exc.errno in _HOPELESS:
                        raise
                    target.unlink(missing_ok=True)
                else:
                    target.unlink()
                    return mode
        return LinkMode.COPY

    def copy_file(self, source: Path, target: Path) -> None:
        """Make a read-only copy under a free name; it is durable only after `sync_all`."""
        with (
            explained(target),
            opened_dir(source.parent) as source_dir,
            opened_dir(target.parent) as target_dir,
        ):
            self.copy(source.name, target.name, source_dir, target_dir)

    def link_file(self, source: Path, target: Path) -> bool:
        """Give a file a second name, in a free place.

        False: the file system has no links, or no more of them for this file, or a link leads to the source;
        nothing was changed.
        """
        with explained(target):
            try:
                with opened_dir(source.parent) as source_dir, opened_dir(target.parent) as target_dir:
                    self.hardlink(source.name, target.name, source_dir, target_dir)
            except OSError as exc:
                if exc.errno in _HOPELESS:
                    raise
                return False
        return True

    def link_files(self, mode: LinkMode, source: str, target: str, names: Sequence[str]) -> list[str]:
        """Link or copy files into another directory; returns those that are empty or not regular files."""
        name = ""
        try:
            with opened_dir(source) as source_dir, opened_dir(target) as target_dir:
                for name in names:
                    self._link_one(mode, name, name, source_dir, target_dir)
                # A link to a pipe or an empty file is made without an error: look at what has arrived.
                odd = [name for name in names if not has_bytes(name, target_dir)]
        except OSError as exc:
            raise explain(exc, f"{target}/{name}") from exc
        return odd

    def _link_one(self, mode: LinkMode, source: str, target: str, source_dir: int, target_dir: int) -> None:
        if mode is LinkMode.HARDLINK:
            try:
                self.hardlink(source, target, source_dir, target_dir)
            except OSError as exc:
                if exc.errno != errno.EMLINK:
                    raise
                # This one file has all the links that the file system allows; it starts over as a copy.
                self.copy(source, target, source_dir, target_dir)
        elif mode is LinkMode.REFLINK:
            self.reflink(source, target, source_dir, target_dir)
        else:
            self.copy(source, target, source_dir, target_dir)

    def hardlink(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        """Give a file a second name; raises the plain `OSError`."""
        os.link(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir, follow_symlinks=False)

    def reflink(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        """Make a file that shares the blocks of another one; raises the plain `OSError`."""
        with opened_pair(source, target, source_dir, target_dir) as (old, new):
            fcntl.ioctl(new, _FICLONE, old)

    def copy(self, source: str, target: str, source_dir: int, target_dir: int) -> None:
        """Copy a file; raises the plain `OSError`."""
        with opened_pair(source, target, source_dir, target_dir) as (old, new):
            # The kernel copies; None continues at the file's own position.
            while os.sendfile(new, old, None, 2**30):
                pass
