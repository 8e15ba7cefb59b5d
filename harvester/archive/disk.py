"""The only code that changes an Archive's file system.

Every method is one step that can fail or be interrupted; a test subclasses `Disk` to make the n-th one do so.
An `OSError` ends here: what comes out is a `DiskError` that says what to do. Two things are written past it:
the tables within `catalog.sqlite`, by SQLite, and the lock file, by filelock.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from harvester.archive.advice import NOT_OFFERED, explain, explained
from harvester.archive.calls import (
    APPEND,
    DIRECTORY,
    NEW_FILE,
    READ_ONLY,
    WRITE_BITS,
    inherited_mode,
    kernel,
    opened_dir,
    syncfs,
    write_all,
)
from harvester.archive.links import FileLinks
from harvester.format import PART, Content


class Disk(FileLinks):
    """Every change to the Archive's file system."""

    shared_sync_from = 2 if kernel() >= (5, 8) else sys.maxsize
    """Threads that write at once before they share a flush; before Linux 5.8 `syncfs` hid failures: never."""

    def make_dir(self, path: Path) -> None:
        """Make the directory, unless it exists; a link in its place is an error.

        Its permissions are those of the directory above it, without what the umask takes away and without
        the right for everybody to write.
        """
        with explained(path):
            try:
                path.mkdir(inherited_mode(path.parent))
            except FileExistsError:
                # `exist_ok` would accept a link to a directory elsewhere.
                if not stat.S_ISDIR(path.lstat().st_mode):
                    raise

    def new_dir(self, path: str) -> bool:
        """Make the directory; returns False if something has that name."""
        try:
            os.mkdir(path, inherited_mode(os.path.dirname(path)))  # noqa: PTH102, PTH120 -- a Path for each of 40,000 directories takes longer than the call
        except FileExistsError:
            return False
        except OSError as exc:
            raise explain(exc, path) from exc
        return True

    def restrict(self, path: Path, mode: int, *, exactly: bool) -> None:
        """Set the permissions of a directory to `mode`, or reduce them to at most that."""
        with explained(path), opened_dir(path) as fd:
            before = stat.S_IMODE(os.fstat(fd).st_mode)
            self._set_mode(fd, mode | before & ~0o777 if exactly else before & (mode | ~0o777))

    def write(self, path: Path, content: bytes, *, sync: bool = True) -> None:
        """Make a read-only file and flush it to disk; an existing name is an error.

        Without `sync` it is durable only after `sync_all`.
        """
        with explained(path):
            fd = os.open(path, NEW_FILE, READ_ONLY)
            try:
                write_all(fd, content)
                if sync:
                    os.fsync(fd)
            except OSError:
                path.unlink()
                raise
            finally:
                os.close(fd)

    def write_all(self, directory: Path, files: Iterable[tuple[str, Content]], *, sync: bool = True) -> None:
        """Make several read-only files and flush them to disk, faster than one after the other.

        Without `sync` they are durable only after `sync_all`. With it, the kernel starts to write each out
        when it is there; by the time of the first flush most of the work is done, and the file system's
        journal is committed once and not once a file.
        """
        opened: list[tuple[int, str]] = []
        try:
            for name, content in files:
                path = f"{directory}/{name}"
                fd = self.create(path)
                opened.append((fd, path))
                self.write_chunk(fd, content, path)
                if sync:
                    # Linux starts to write dirty pages out when it is asked to forget them.
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                else:
                    os.close(opened.pop()[0])
            while opened:
                self.finish(*opened.pop())
        finally:
            for fd, _ in opened:
                os.close(fd)

    def replace(self, path: Path, content: bytes) -> None:
        """Write a file under a temporary name, flush it, and rename it; a file or link there is replaced."""
        part = path.with_name(f".{path.name}{PART}")
        with explained(path):
            part.unlink(missing_ok=True)
        self.write(part, content)
        self.rename(part, path)
        self.sync_dir(path.parent)

    def write_temp(self, path: Path, pieces: Iterable[bytes]) -> None:
        """Write a working file that need not outlive a power cut; what had its name is replaced."""
        with explained(path):
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                file.writelines(pieces)

    def create(self, path: Path | str) -> int:
        """Open a new file to be written piece by piece; pass the descriptor to `write_chunk` and `finish`."""
        with explained(path):
            return os.open(path, NEW_FILE, READ_ONLY)

    def write_chunk(self, fd: int, content: Content, path: Path | str) -> None:
        """Write the next piece of a file that `create` has opened."""
        with explained(path):
            write_all(fd, content)

    def finish(self, fd: int, path: Path | str) -> None:
        """Flush a file that `create` has opened, and close it."""
        with explained(path):
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def append(self, path: Path, content: bytes) -> None:
        """Add to the end of a file in one write, and flush it; the file is made when it is missing."""
        with explained(path):
            fd = os.open(path, APPEND, 0o644)
            try:
                write_all(fd, content)
                os.fsync(fd)
            finally:
                os.close(fd)
        self.sync_dir(path.parent)

    def open_append(self, path: Path) -> int:
        """Open a file to add to its end, made when it is missing; `write_chunk` and `finish` take this."""
        with explained(path):
            return os.open(path, APPEND, 0o644)

    def truncate(self, path: Path, size_bytes: int) -> None:
        """Cut the file down to its first bytes, and flush it."""
        with explained(path):
            fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.ftruncate(fd, size_bytes)
                os.fsync(fd)
            finally:
                os.close(fd)

    def seal(self, path: Path, *, sync: bool = True) -> None:
        """Make a file read-only that other code has written, and flush it.

        Without `sync` that is durable only after `sync_all`.
        """
        with explained(path):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self._set_mode(fd, os.fstat(fd).st_mode & ~WRITE_BITS)
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)

    def unseal(self, path: Path) -> None:
        """Let the owner of a sealed file write it again."""
        with explained(path):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self._set_mode(fd, os.fstat(fd).st_mode | stat.S_IWUSR)
            finally:
                os.close(fd)

    def _set_mode(self, fd: int, mode: int) -> None:
        """Change the mode of a file of ours; on a file system without permissions that is no failure.

        Of a file only bits for writing are changed: the kernel's vfat and exFAT refuse everything else.
        """
        try:
            self.chmod(fd, mode)
        except OSError as exc:
            if exc.errno not in NOT_OFFERED:
                raise

    def chmod(self, fd: int, mode: int) -> None:
        """Change the mode of an open file; raises the plain `OSError`."""
        os.fchmod(fd, mode)

    def rename(self, source: Path, target: Path) -> None:
        """Move to another name on the same file system; a file there is replaced."""
        with explained(target):
            source.rename(target)

    def symlink_atomic(self, link: Path, target: str) -> bool:
        """Make `link` a symbolic link to `target`, in one step for whoever looks at it.

        False: the file system has no symbolic links; then it is a text file that holds `target`.
        """
        part = link.with_name(f".{link.name}{PART}")
        with explained(link):
            part.unlink(missing_ok=True)
            try:
                self.symlink(target, part)
            except OSError as exc:
                if exc.errno not in NOT_OFFERED:
                    raise
                self.replace(link, f"{target}\n".encode())
                return False
            part.rename(link)
        return True

    def symlink(self, target: str, link: Path) -> None:
        """Make a symbolic link under a free name; raises the plain `OSError`."""
        link.symlink_to(target)

    def set_aside(self, path: Path, name: str) -> Path:
        """Rename something to a free hidden name in the same directory; returns that path."""
        number = 1
        while os.path.lexists(aside := path.with_name(f".{name}.set-aside{number}")):
            number += 1
        self.rename(path, aside)
        return aside

    def sync_dir(self, path: Path) -> None:
        """Flush a directory, so that the names in it are durable."""
        with explained(path):
            fd = os.open(path, DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def sync_all(self, path: Path) -> None:
        """Flush everything on the file system of `path`: one call in place of one for each linked file."""
        with explained(path):
            fd = os.open(path, DIRECTORY)
            try:
                syncfs(fd)
            finally:
                os.close(fd)

    def remove(self, path: Path) -> None:
        """Remove a file or symbolic link, if it exists."""
        with explained(path):
            path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a directory and everything in it, or whatever else has that name; follows no links."""
        with explained(path):
            try:
                is_dir = stat.S_ISDIR(path.lstat().st_mode)
            except FileNotFoundError:
                return
            if is_dir:
                # rmtree follows no links, not even those that appear while it runs.
                shutil.rmtree(path)
            else:
                path.unlink()

    def keeps_permissions(self, directory: Path) -> bool:
        """Whether files can be made read-only; on vfat, exFAT and some shares all have one mode."""
        probe = directory / f".permissions-{os.getpid()}{PART}"
        self.remove(probe)
        try:
            self.write(probe, b"", sync=False)
            return not probe.lstat().st_mode & WRITE_BITS
        finally:
            self.remove(probe)

    def probe_symlinks(self, directory: Path) -> bool:
        """Whether the file system has symbolic links."""
        link = directory / f".symlink-{os.getpid()}{PART}"
        try:
            return self.symlink_atomic(link, "nowhere")
        finally:
            self.remove(link)

    def adopt(self, source: Path, target: Path, part: Path) -> None:
        """Replace `target` by the file `source`, linked or copied, in one step; `part` is a name for it."""
        self.remove(part)
        with explained(target), opened_dir(source.parent) as source_dir, opened_dir(part.parent) as part_dir:
            try:
                self.hardlink(source.name, part.name, source_dir, part_dir)
            except OSError:
                self.copy(source.name, part.name, source_dir, part_dir)
        self.rename(part, target)
        self.sync_dir(target.parent)
