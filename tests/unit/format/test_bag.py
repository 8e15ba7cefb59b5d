from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import sha256

from harvester.errors import CorruptArchiveError
from harvester.format.bag import check_tags, file_sha256, parse_bag_info, render_bag_info
from harvester.format.manifest import manifest_line

DIGEST = "0" * 63 + "a"


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
