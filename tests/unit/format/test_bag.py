from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import sha256

from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.bag import (
    check_tags,
    file_sha256,
    load_manifest,
    manifest_line,
    parse_bag_info,
    parse_manifest_line,
    render_bag_info,
)

DIGEST = "0" * 63 + "a"


def test_a_manifest_line_is_what_sha256sum_writes() -> None:
    assert manifest_line("data/ü/x", DIGEST) == DIGEST.encode() + "  data/ü/x\n".encode()
    assert parse_manifest_line(manifest_line("data/ü/x", DIGEST), where="m:1") == ("data/ü/x", DIGEST)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        DIGEST.encode() + b" data/x\n",
        DIGEST.encode() + b"  data/x",
        DIGEST.upper().encode() + b"  data/x\n",
        b"\\" + DIGEST.encode() + b"  data/x\n",
        DIGEST.encode() + b"  data/\xff\n",
    ],
)
def test_any_other_line_is_named(line: bytes) -> None:
    with pytest.raises(CorruptArchiveError, match="m:7"):
        parse_manifest_line(line, where="m:7")


def test_a_damaged_manifest_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(manifest_line("data/x", DIGEST) + b"nonsense\n")
    with pytest.raises(CorruptArchiveError, match=r"manifest-sha256\.txt:2"):
        list(load_manifest(path))


def test_bag_info_is_read_back() -> None:
    content = render_bag_info([("Label", "a\nvalue: with a colon"), ("Empty", " ")])
    assert content == b"Label: a value: with a colon\n"
    assert parse_bag_info(content + b"Other: first\n  second\n") == {
        "Label": "a value: with a colon",
        "Other": "first second",
    }


def test_a_file_is_hashed_whole_and_measured(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "f").write_bytes(content)
    assert file_sha256(tmp_path / "f") == (sha256(content), len(content))


def make_bag(path: Path) -> None:
    (path / "bagit.txt").write_bytes(b"BagIt-Version: 1.0\n")
    (path / "tagmanifest-sha256.txt").write_bytes(manifest_line("bagit.txt", sha256(b"BagIt-Version: 1.0\n")))


def test_tags_that_hold_give_the_digest_of_the_tag_manifest(tmp_path: Path) -> None:
    make_bag(tmp_path)
    assert check_tags(tmp_path) == sha256((tmp_path / "tagmanifest-sha256.txt").read_bytes())


def test_a_changed_tag_file_is_named(tmp_path: Path) -> None:
    make_bag(tmp_path)
    (tmp_path / "bagit.txt").write_bytes(b"BagIt-Version: 0.97\n")
    with pytest.raises(CorruptArchiveError, match=r"bagit\.txt"):
        check_tags(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_tag_manifest_cannot_reach_outside(tmp_path: Path, name: str) -> None:
    make_bag(tmp_path)
    (tmp_path / "tagmanifest-sha256.txt").write_bytes(manifest_line(name, DIGEST))
    with pytest.raises(CorruptArchiveError, match="outside"):
        check_tags(tmp_path)


def test_a_path_with_a_null_byte_is_no_path() -> None:
    with pytest.raises(CorruptArchiveError, match="a path"):
        parse_manifest_line(b"0" * 64 + b"  data/p/b/x\0y\n", where="m:1")


def test_a_disk_that_fails_while_a_line_is_read_is_named() -> None:
    with pytest.raises(DiskError, match=r"/proc/self/mem cannot be read: Input/output error"):
        list(load_manifest(Path("/proc/self/mem")))
