"""Bytes from outside, arbitrary or almost right: reading them ends in a value or a known error."""

from __future__ import annotations

import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.archives import Night, make_reports, open_archive
from support.oracles import CHECKS

from harvester.archive import Archive
from harvester.audit import rebuild_catalog, verify_archive
from harvester.errors import ArchiveError, HarvesterError

SEEDS = Path(__file__).parents[1] / "fuzz" / "seeds"
PIECES = [
    b"", b"\0", b"\xff", b"\n", b"\r\n", b'"', b"'", b"\\", b"/", b"../", b"~", b"%00", b"%", b"=", b"-1",
    b"0x", b"1e400", b"9" * 30, b"9" * 5000, b"null", b"true", b"{", b"}", b"[" * 1200, b"]", b"{}", b":",
    b",", b"<", b">", b"<!--", b"-->", b"<svg>", b"</style>", b"<table><tr><th>", b"<img src=", b"data:",
    b"url(", b"\\75 ", b"@import ", b";base64,", b"\xe2\x80\xae", b"\xcc\x81", b"IEND", b"2026-11-22.2",
]  # fmt: skip


@st.composite
def edited(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    """One of the contents with a few pieces of it cut out, put in or replaced, some by pieces of another."""
    data = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        other = draw(st.sampled_from(contents))
        at = draw(st.integers(0, len(other)))
        piece = draw(
            st.sampled_from(PIECES)
            | st.binary(max_size=8)
            | st.just(other[at : at + draw(st.integers(0, 200))])
        )
        data[start : start + draw(st.integers(0, 40))] = piece
    return bytes(data)


@pytest.mark.parametrize("target", CHECKS)
@given(data=st.data())
def test_foreign_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, target: str, data: st.DataObject
) -> None:
    contents = [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]
    content = data.draw(edited(contents) | st.binary(max_size=300))
    CHECKS[target](content, tmp_path_factory.getbasetemp())


REPORTS = make_reports(projects=1, each=2, images=1)
DATE = "2026-11-22"
BELOW = "data/project-1_101/backtest-1_" + f"{1:016x}{1:016x}"
FILES = ["harvester.json", "ledger.jsonl"] + [
    f"{DATE}/{name}"
    for name in (
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "snapshot.json",
        "inventory.jsonl", f"{BELOW}/report.json", f"{BELOW}/report.html", f"{BELOW}/images/01-chart-1.png",
    )
]  # fmt: skip
numbers = count()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = open_archive(tmp_path_factory.mktemp("whole") / "archive")
    Night(archive, DATE).run(REPORTS)
    return archive


@given(name=st.sampled_from(FILES), data=st.data())
@settings(max_examples=60, deadline=None)
def test_an_archive_that_was_edited_is_found_out_and_breaks_nothing(
    whole: Archive, name: str, data: st.DataObject
) -> None:
    root = whole.root.parent / str(next(numbers))
    shutil.copytree(whole.root, root, symlinks=True)
    path = root / name
    before = path.read_bytes()
    content = data.draw(edited([before, *(whole.root.joinpath(other).read_bytes() for other in FILES)]))
    assume(content != before)
    path.chmod(0o644)
    path.write_bytes(content)
    with suppress(ArchiveError):
        archive = Archive.open(root)
        problems = verify_archive(archive)
        assert problems or not name.startswith(DATE)
        with suppress(ArchiveError):
            rebuild_catalog(archive)
    with suppress(HarvesterError):
        Night(open_archive(root), "2026-11-23").run([*REPORTS, *make_reports(projects=2, each=1)[1:]])
    assert path.read_bytes() == content or name == "ledger.jsonl"
    shutil.rmtree(root)
