from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.disks import NoLinksDisk

from harvester.archive import Disk, LinkMode
from harvester.archive.advice import explain
from harvester.errors import DiskError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EIO, "smartctl"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EBUSY, os.strerror(errno.EBUSY)),
    ],
)
def test_an_error_says_where_and_what_to_do(code: int, words: str) -> None:
    error = explain(OSError(code, os.strerror(code)), "/archive/x")
    assert str(error).startswith("/archive/x: ")
    assert words in str(error)
    assert error.path == "/archive/x"


def test_a_written_file_is_read_only_and_never_replaced(tmp_path: Path) -> None:
    Disk().write(tmp_path / "f", b"one")
    assert (tmp_path / "f").stat().st_mode & 0o222 == 0
    with pytest.raises(DiskError):
        Disk().write(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_bytes() == b"one"


def test_a_write_through_a_planted_link_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "f").symlink_to(outside)
    with pytest.raises(DiskError):
        Disk().write(tmp_path / "f", b"content")
    with pytest.raises(DiskError):
        Disk().append(tmp_path / "f", b"content")
    assert not outside.exists()


@pytest.fixture
def small_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_beyond_the_size_limit_leaves_nothing(tmp_path: Path, small_files: None) -> None:
    with pytest.raises(DiskError, match="ulimit -f"):
        Disk().write(tmp_path / "f", b"x" * 2000)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_is_there_is_used_but_not_through_a_link(tmp_path: Path) -> None:
    Disk().make_dir(tmp_path / "d")
    Disk().make_dir(tmp_path / "d")
    (tmp_path / "link").symlink_to("d")
    with pytest.raises(DiskError):
        Disk().make_dir(tmp_path / "link")


def test_removing_a_tree_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(outside)
    (tmp_path / "direct").symlink_to(outside)
    Disk().remove_tree(tmp_path / "tree")
    Disk().remove_tree(tmp_path / "direct")
    Disk().remove_tree(tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert (outside / "kept").exists()


def test_replace_takes_the_place_of_a_link_not_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "f").symlink_to("outside")
    Disk().replace(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert (tmp_path / "outside").read_bytes() == b"outside"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP])
@pytest.mark.parametrize(
    ("refused", "mode"),
    [
        ((), LinkMode.HARDLINK),
        ((LinkMode.HARDLINK,), LinkMode.REFLINK),
        ((LinkMode.HARDLINK, LinkMode.REFLINK), LinkMode.COPY),
    ],
)
def test_the_cheapest_way_that_works_is_found(
    tmp_path: Path, code: int, refused: tuple[LinkMode, ...], mode: LinkMode
) -> None:
    (tmp_path / "f").write_bytes(b"content")
    disk = NoLinksDisk(code, *refused)
    assert disk.probe_links(tmp_path / "f", tmp_path / "probe") is mode
    assert not (tmp_path / "probe").exists()


def test_a_full_disk_is_not_taken_for_one_without_links(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with pytest.raises(DiskError, match="full"):
        NoLinksDisk(errno.ENOSPC, LinkMode.HARDLINK).probe_links(tmp_path / "f", tmp_path / "probe")


@pytest.mark.parametrize("mode", [LinkMode.HARDLINK, LinkMode.COPY])
def test_linked_files_hold_the_same_bytes(tmp_path: Path, mode: LinkMode) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x" * 3_000_000)
    Disk().link_files(mode, f"{tmp_path}/a", f"{tmp_path}/b", ["f"])
    assert (tmp_path / "b" / "f").read_bytes() == b"x" * 3_000_000
    assert (tmp_path / "a" / "f").samefile(tmp_path / "b" / "f") is (mode is LinkMode.HARDLINK)


def test_a_real_reflink_is_refused_or_holds_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "to").mkdir()
    try:
        Disk().link_files(LinkMode.REFLINK, str(tmp_path), f"{tmp_path}/to", ["f"])
    except DiskError:
        assert not list((tmp_path / "to").iterdir())
    else:
        assert (tmp_path / "to" / "f").read_bytes() == b"content"


def test_a_file_with_all_the_links_it_can_have_is_copied(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "f").write_bytes(b"content")
    NoLinksDisk(errno.EMLINK, LinkMode.HARDLINK).link_files(
        LinkMode.HARDLINK, str(tmp_path), f"{tmp_path}/to", ["f"]
    )
    assert (tmp_path / "to" / "f").read_bytes() == b"content"
    assert (tmp_path / "to" / "f").stat().st_nlink == 1


def test_what_cannot_be_linked_is_named(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    with pytest.raises(DiskError, match="missing-file"):
        Disk().link_files(LinkMode.HARDLINK, str(tmp_path), f"{tmp_path}/to", ["missing-file"])


def test_a_directory_that_became_a_link_is_not_linked_into(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "outside").mkdir()
    (tmp_path / "to").symlink_to("outside")
    with pytest.raises(DiskError):
        Disk().link_files(LinkMode.HARDLINK, str(tmp_path), f"{tmp_path}/to", ["f"])
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to(path.with_name("outside"))])
def test_a_working_file_replaces_what_was_planted_in_its_place(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / "f")
    Disk().write_temp(tmp_path / "f", [b"con", b"tent"])
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "f").read_bytes() == b"content"


@pytest.mark.parametrize("mode", [LinkMode.COPY, LinkMode.REFLINK])
def test_a_pipe_in_the_place_of_a_file_is_not_copied_and_not_waited_for(
    tmp_path: Path, mode: LinkMode
) -> None:
    os.mkfifo(tmp_path / "f")
    (tmp_path / "to").mkdir()
    with pytest.raises(DiskError, match="f is not a regular file"):
        Disk().link_files(mode, str(tmp_path), f"{tmp_path}/to", ["f"])
    assert not list((tmp_path / "to").iterdir())
