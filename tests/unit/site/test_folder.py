from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.disks import NoLinksDisk

from harvester.archive import Disk, LinkMode
from harvester.errors import DiskError
from harvester.site.folder import Folder


@pytest.fixture
def before(tmp_path: Path) -> Path:
    path = tmp_path / "before"
    path.mkdir()
    return path


@pytest.fixture
def now(tmp_path: Path) -> Path:
    path = tmp_path / "now"
    path.mkdir()
    return path


def test_the_same_page_is_linked(before: Path, now: Path) -> None:
    (before / "a.html").write_bytes(b"page")
    Folder(Disk(), now, before).put("a.html", b"page")
    assert (now / "a.html").samefile(before / "a.html")


def test_a_page_that_differs_is_written_and_the_earlier_one_stays(before: Path, now: Path) -> None:
    (before / "a.html").write_bytes(b"page")
    Folder(Disk(), now, before).put("a.html", b"Page")
    assert (before / "a.html").read_bytes() == b"page"
    assert (now / "a.html").read_bytes() == b"Page"


def test_what_an_earlier_attempt_has_left_is_replaced_and_not_written_through(
    before: Path, now: Path
) -> None:
    (before / "a.html").write_bytes(b"old")
    os.link(before / "a.html", now / "a.html")
    Folder(Disk(), now, before).put("a.html", b"new")
    assert (before / "a.html").read_bytes() == b"old"


def test_a_symbolic_link_is_never_linked(before: Path, now: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"page")
    (before / "a.html").symlink_to(tmp_path / "elsewhere")
    Folder(Disk(), now, before).put("a.html", b"page")
    assert not (now / "a.html").is_symlink()
    assert not (now / "a.html").samefile(tmp_path / "elsewhere")


@pytest.mark.parametrize("code", [errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_without_links_pages_are_written(before: Path, now: Path, code: int) -> None:
    (before / "a.html").write_bytes(b"page")
    Folder(NoLinksDisk(code, LinkMode.HARDLINK), now, before).put("a.html", b"page")
    assert (now / "a.html").read_bytes() == b"page"
    assert not (now / "a.html").samefile(before / "a.html")


def test_a_disk_that_is_full_is_told_at_the_link(before: Path, now: Path) -> None:
    (before / "a.html").write_bytes(b"page")
    with pytest.raises(DiskError, match="the disk is full"):
        Folder(NoLinksDisk(errno.ENOSPC, LinkMode.HARDLINK), now, before).put("a.html", b"page")


def test_a_page_behind_a_linked_directory_is_written(before: Path, now: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.html").write_bytes(b"page")
    (before / "site").symlink_to(tmp_path / "elsewhere")
    (now / "site").mkdir()
    Folder(Disk(), now, before).put("site/a.html", b"page")
    assert (now / "site" / "a.html").stat().st_nlink == 1
