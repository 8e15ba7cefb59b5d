from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.archives import append_line

from harvester.errors import CorruptArchiveError
from harvester.format.ledger import (
    FIRST,
    Ledger,
    load_ledger,
    load_sound_ledger,
    parse_ledger,
)

NAMES = ["2026-11-20", "2026-11-21", "2026-11-21.2", "2026-11-22"]


def make_ledger(root: Path) -> bytes:
    """Four commits, and the second Snapshot pruned."""
    for name in NAMES:
        append_line(root, load_ledger(root).next_line("commit", name, name * 4, at="2026-11-22T03:00:00Z"))
    append_line(root, load_ledger(root).next_line("prune", NAMES[1], "", at="2026-11-23T03:00:00Z"))
    return (root / "ledger.jsonl").read_bytes()


def test_an_archive_without_a_commit_has_an_empty_ledger(tmp_path: Path) -> None:
    assert load_ledger(tmp_path) == Ledger()


def test_lines_are_chained(tmp_path: Path) -> None:
    make_ledger(tmp_path)
    ledger = load_sound_ledger(tmp_path)
    assert [line.n for line in ledger.lines] == [1, 2, 3, 4, 5]
    assert ledger.lines[0].previous_sha256 == FIRST
    assert len({line.previous_sha256 for line in ledger.lines}) == 5
    assert ledger.names == NAMES
    assert list(ledger.committed) == [NAMES[0], NAMES[2], NAMES[3]]
    assert ledger.pruned == {NAMES[1]}


@pytest.mark.parametrize("number", range(5))
def test_an_edited_line_is_found(tmp_path: Path, number: int) -> None:
    lines = make_ledger(tmp_path).splitlines(keepends=True)
    lines[number] = lines[number].replace(b"03:00:00", b"04:00:00")
    faults = parse_ledger(b"".join(lines)).faults
    # The last line's own text is sealed by what it says of Snapshots and by the line that comes next.
    assert [fault.number for fault in faults] == ([number + 2] if number < 4 else [])


@pytest.mark.parametrize("number", range(4))
def test_a_removed_line_is_found(tmp_path: Path, number: int) -> None:
    lines = make_ledger(tmp_path).splitlines(keepends=True)
    del lines[number]
    assert parse_ledger(b"".join(lines)).faults[0].number == number + 1


@pytest.mark.parametrize("number", range(4))
def test_lines_that_changed_places_are_found(tmp_path: Path, number: int) -> None:
    lines = make_ledger(tmp_path).splitlines(keepends=True)
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    assert parse_ledger(b"".join(lines)).faults[0].number == number + 1


@pytest.mark.parametrize("junk", [b"junk\n", b"\n", b'{"format":1}\n', b"[" * 5000 + b"\n", b"\xff\xfe\n"])
def test_a_line_that_is_no_line_is_found(tmp_path: Path, junk: bytes) -> None:
    content = make_ledger(tmp_path)
    assert [fault.number for fault in parse_ledger(content + junk).faults] == [6]


def test_a_line_interrupted_while_it_was_written_is_not_a_fault(tmp_path: Path) -> None:
    content = make_ledger(tmp_path)
    ledger = parse_ledger(content[:-1])
    assert ledger.torn
    assert not ledger.faults
    assert len(ledger.lines) == 4
    assert content[: ledger.whole_bytes].count(b"\n") == 4


@pytest.mark.parametrize(
    ("event", "name", "text"),
    [
        ("commit", "2026-11-22", "commits 2026-11-22 after 2026-11-22"),
        ("commit", "2026-11-01", "commits 2026-11-01 after 2026-11-22"),
        ("prune", "2026-11-01", "never committed"),
        ("commit", "../etc", "no Snapshot name"),
    ],
)
def test_a_chained_line_that_makes_no_sense_is_found(
    tmp_path: Path, event: str, name: str, text: str
) -> None:
    make_ledger(tmp_path)
    line = load_ledger(tmp_path).next_line(event, name, "", at="")  # type: ignore[arg-type]
    append_line(tmp_path, line)
    assert text in load_ledger(tmp_path).faults[0].text


def test_nothing_is_added_to_a_broken_ledger(tmp_path: Path) -> None:
    content = make_ledger(tmp_path)
    (tmp_path / "ledger.jsonl").write_bytes(content.replace(b'"n":3', b'"n":9'))
    with pytest.raises(CorruptArchiveError, match=r"ledger\.jsonl:3 says it is line 9"):
        load_sound_ledger(tmp_path)


def test_a_ledger_that_is_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(CorruptArchiveError, match="symbolic link"):
        load_ledger(tmp_path)


def test_what_a_later_version_adds_to_a_line_is_not_a_fault(tmp_path: Path) -> None:
    line = msgspec.json.encode(
        {**msgspec.to_builtins(Ledger().next_line("commit", NAMES[0], "", at="")), "new": 1}
    )
    assert not parse_ledger(line + b"\n").faults


@pytest.mark.parametrize("name", ["../etc", "2026-11-22.x", "a.b", "\0"])
def test_a_name_that_no_snapshot_has_is_a_fault_and_never_a_path(tmp_path: Path, name: str) -> None:
    make_ledger(tmp_path)
    for _ in range(2):
        append_line(tmp_path, load_ledger(tmp_path).next_line("commit", name, "", at=""))
    ledger = load_ledger(tmp_path)
    assert [fault.number for fault in ledger.faults if "no Snapshot name" in fault.text] == [6, 7]
    assert name not in [*ledger.names, *ledger.committed]
