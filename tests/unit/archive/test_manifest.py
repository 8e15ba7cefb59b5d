from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import sha256

from harvester.archive import Disk
from harvester.archive.manifest import ManifestCursor, NewFile
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.bag import manifest_line

DIRECTORIES = [f"data/p_{p}/b_{p}{b}" for p in "12" for b in "123"]


def block(directory: str) -> list[bytes]:
    return [
        manifest_line(f"{directory}/{name}", sha256(name.encode()))
        for name in ("images/1.png", "report.html")
    ]


@pytest.fixture
def cursor(tmp_path: Path) -> ManifestCursor:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(b"".join(line for directory in DIRECTORIES for line in block(directory)))
    return ManifestCursor(path)


def test_blocks_are_taken_in_their_order(cursor: ManifestCursor) -> None:
    for directory in DIRECTORIES[::2]:
        assert cursor.take(directory, set()) == block(directory)


def test_a_block_that_is_wanted_later_is_kept(cursor: ManifestCursor) -> None:
    wanted = set(DIRECTORIES)
    for directory in reversed(DIRECTORIES):
        assert cursor.take(directory, wanted) == block(directory)


def test_a_directory_that_the_manifest_lacks_is_named(cursor: ManifestCursor) -> None:
    with pytest.raises(CorruptArchiveError, match="data/p_1/b_19"):
        cursor.take("data/p_1/b_19", set())


def test_a_directory_is_not_mistaken_for_one_whose_name_begins_the_same(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"".join(block("data/p_1/b_10") + block("data/p_1/b_1")))
    assert ManifestCursor(path).take("data/p_1/b_1", set()) == block("data/p_1/b_1")


@pytest.mark.parametrize("line", [b"junk\n", b"x" * 100_000, manifest_line("elsewhere/a/b/c", sha256(b""))])
def test_a_line_that_is_not_of_a_report_is_shown(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(line)
    with pytest.raises(CorruptArchiveError, match="not of a report"):
        ManifestCursor(path).take("data/p/b", set())


def test_a_file_written_in_pieces_knows_its_digest(tmp_path: Path) -> None:
    file = NewFile(Disk(), tmp_path / "f")
    for _ in range(300):
        file.add(b"x" * 10_000)
    assert file.finish() == sha256(b"x" * 3_000_000)
    assert (tmp_path / "f").read_bytes() == b"x" * 3_000_000
    file.close()


@pytest.mark.parametrize("name", [b"\xff", b"\0", b"x" * 9000])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_that_cannot_be_a_path_is_damage(tmp_path: Path, name: bytes, last: bool) -> None:
    path = tmp_path / "manifest-sha256.txt"
    line = b"0" * 64 + b"  data/p_1/b_1/" + name + b"\n"
    path.write_bytes(b"".join([*block("data/p_1/b_1"), line, *([] if last else block("data/p_1/b_2"))]))
    with pytest.raises(CorruptArchiveError, match=r"damaged|not of a report"):
        ManifestCursor(path).take("data/p_1/b_1", set())


def test_a_disk_that_fails_while_a_line_is_read_is_named() -> None:
    with pytest.raises(DiskError, match=r"/proc/self/mem cannot be read: Input/output error"):
        ManifestCursor(Path("/proc/self/mem")).take("data/p_1/b_1", set())
