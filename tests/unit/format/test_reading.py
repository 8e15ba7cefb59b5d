from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.reading import load_bytes, load_record


class Thing(msgspec.Struct):
    number: int


def test_a_record_is_validated(tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    path.write_bytes(b'{"number": 7, "new_in_a_later_version": true}')
    assert load_record(path, Thing) == Thing(7)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"number": "7"}', b"[" * 100_000, b'{"number": 7}trailing', b'{"number":"\xff"}']
)
def test_a_damaged_record_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing.json"
    path.write_bytes(content)
    with pytest.raises(CorruptArchiveError, match=r"thing\.json is damaged"):
        load_record(path, Thing)


def test_a_file_beyond_its_bound_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 11)
    with pytest.raises(CorruptArchiveError, match="larger than 10 bytes"):
        load_bytes(tmp_path / "f", 10)
    assert load_bytes(tmp_path / "f", 11) == b"x" * 11


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(CorruptArchiveError, match="symbolic link"):
        load_bytes(tmp_path / "link")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_not_read(tmp_path: Path, make: object) -> None:
    make(tmp_path / "odd")  # type: ignore[operator]
    with pytest.raises(CorruptArchiveError, match="not a regular file"):
        load_bytes(tmp_path / "odd")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptArchiveError, match="nowhere is missing"):
        load_bytes(tmp_path / "nowhere")


def test_a_name_too_long_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskError):
        load_bytes(tmp_path / ("x" * 300))
