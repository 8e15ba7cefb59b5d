from __future__ import annotations

from pathlib import Path

import pytest
from support.archives import sha256

from harvester.errors import CorruptArchiveError, DiskError
from harvester.format.manifest import (
    ManifestBlock,
    ManifestCursor,
    load_blocks,
    load_manifest,
    manifest_line,
    parse_manifest_line,
)

DIGEST = "0" * 63 + "a"
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
        assert cursor.take(directory, set()).lines == block(directory)


def test_a_block_that_is_wanted_later_is_kept(cursor: ManifestCursor) -> None:
    wanted = set(DIRECTORIES)
    for directory in reversed(DIRECTORIES):
        assert cursor.take(directory, wanted).lines == block(directory)


def test_a_block_that_was_passed_before_it_was_wanted_is_found_again(cursor: ManifestCursor) -> None:
    for directory in (DIRECTORIES[3], DIRECTORIES[1], DIRECTORIES[5], DIRECTORIES[0]):
        assert cursor.take(directory, set()).lines == block(directory)


def test_a_directory_that_the_manifest_lacks_is_named(cursor: ManifestCursor) -> None:
    with pytest.raises(CorruptArchiveError, match="data/p_1/b_19"):
        cursor.take("data/p_1/b_19", set())


def test_a_directory_is_not_mistaken_for_one_whose_name_begins_the_same(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"".join(block("data/p_1/b_10") + block("data/p_1/b_1")))
    assert ManifestCursor(path).take("data/p_1/b_1", set()).lines == block("data/p_1/b_1")


@pytest.mark.parametrize("line", [b"junk\n", b"x" * 100_000, manifest_line("elsewhere/a/b/c", sha256(b""))])
def test_a_line_that_is_not_of_a_report_is_shown(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(line)
    with pytest.raises(CorruptArchiveError, match="not of a report"):
        ManifestCursor(path).take("data/p/b", set())


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


def test_a_path_with_a_null_byte_is_no_path() -> None:
    with pytest.raises(CorruptArchiveError, match="a path"):
        parse_manifest_line(b"0" * 64 + b"  data/p/b/x\0y\n", where="m:1")


def test_a_disk_that_fails_while_a_manifest_is_read_is_named() -> None:
    with pytest.raises(DiskError, match=r"/proc/self/mem cannot be read: Input/output error"):
        list(load_manifest(Path("/proc/self/mem")))


def test_damaged_lines_are_told_and_left_out_where_somebody_asks_for_it(tmp_path: Path) -> None:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(manifest_line("data/x", DIGEST) + b"nonsense\n" + manifest_line("data/y", DIGEST))
    told: list[tuple[int, str]] = []
    found = load_manifest(path, on_damage=lambda number, text: told.append((number, text)))
    assert list(found) == [("data/x", DIGEST), ("data/y", DIGEST)]
    assert told == [(2, "is not a digest, two spaces and a path")]


def test_blocks_are_the_reports_of_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "manifest-sha256.txt"
    path.write_bytes(b"".join(line for directory in DIRECTORIES for line in block(directory)))
    blocks = list(load_blocks(path))
    assert [found.directory for found in blocks] == DIRECTORIES
    assert blocks[0].files() == {
        "images/1.png": sha256(b"images/1.png"),
        "report.html": sha256(b"report.html"),
    }


@pytest.mark.parametrize("name", ["../outside", "..", "a/b", "images/a/b", "images/"])
def test_a_block_names_no_file_outside_of_its_report(name: str) -> None:
    damaged = ManifestBlock("data/p_1/b_1", [manifest_line(f"data/p_1/b_1/{name}", DIGEST)])
    with pytest.raises(CorruptArchiveError, match="which no report has"):
        damaged.files()


def test_a_block_moves_with_its_report() -> None:
    moved = ManifestBlock("data/p_1/b_1", block("data/p_1/b_1")).moved(
        "data/ü_1/b_2", {"report.html": DIGEST}
    )
    assert moved.directory == "data/ü_1/b_2"
    assert moved.lines == [
        manifest_line("data/ü_1/b_2/images/1.png", sha256(b"images/1.png")),
        manifest_line("data/ü_1/b_2/report.html", DIGEST),
    ]
