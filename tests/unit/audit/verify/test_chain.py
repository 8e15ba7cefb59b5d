"""The last line of the Ledger, and `harvester.json`: what no later digest covers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.archives import Night, append_line, make_reports, open_archive, sha256

from harvester.archive import Archive
from harvester.audit import Problem, verify_archive
from harvester.format.ledger import LedgerLine, load_ledger

REPORTS = make_reports(projects=2, each=2)
NEWEST = "2026-11-22"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots."""
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-21", NEWEST):
        Night(archive, date).run(REPORTS)
    return archive


def places(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.place, str(problem.kind)) for problem in problems]


def last_line(archive: Archive, old: str, new: str) -> None:
    ledger = archive.root / "ledger.jsonl"
    *lines, last = ledger.read_text().splitlines(keepends=True)
    assert old in last
    ledger.write_text("".join([*lines, last.replace(old, new)]))


@pytest.fixture
def pruned(archive: Archive) -> Archive:
    """Its last line in the Ledger is a prune's, which no line and no Snapshot covers."""
    with archive.lock(command="prune", wait_s=0):
        archive.prune("2026-11-21", at="2026-11-23T04:00:00Z")
    assert verify_archive(archive) == []
    return archive


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"format":1', '"format":99', "says it is of format 99"),
        ('"format":1', '"format":0', "says it is of format 0"),
        ('{"format"', '{"added":1,"format"', "is not as this harvester writes it"),
        ('"n":3', '"n": 3', "is not as this harvester writes it"),
        ('"snapshot":', '"listed":5,"snapshot":', "is not as this harvester writes it"),
        ('"tagmanifest_sha256":"', '"tagmanifest_sha256":"0', "with another digest"),
        ('"archive_sha256":"', '"archive_sha256":"0', "another digest of harvester.json"),
    ],
)
def test_an_edited_last_line_of_a_prune_is_found(pruned: Archive, old: str, new: str, words: str) -> None:
    last_line(pruned, old, new)
    assert any(
        words in problem.text for problem in verify_archive(pruned) if problem.path == "ledger.jsonl:3"
    )


def test_a_second_prune_of_one_snapshot_is_found(pruned: Archive) -> None:
    ledger = load_ledger(pruned.root)
    line = msgspec.structs.replace(
        ledger.lines[-1], n=4, at="2026-11-24T04:00:00Z", previous_sha256=ledger.last_sha256
    )
    append_line(pruned.root, line)
    (problem,) = verify_archive(pruned)
    assert str(problem) == "ledger.jsonl:4 prunes 2026-11-21, which was pruned already"


def test_an_edited_last_line_does_not_stop_the_next_run(pruned: Archive) -> None:
    last_line(pruned, '{"format"', '{"added":1,"format"')
    Night(pruned, "2026-11-24").run(REPORTS)
    assert places(verify_archive(pruned)) == [("ledger.jsonl:3", "ledger")]


@pytest.mark.parametrize(
    ("old", "new"),
    [('"created": "20', '"created": "19'), ('"format": 1', '"format": 0'), ("{", '{"added": 1,')],
)
def test_an_edited_archive_file_is_found_and_not_made_good_by_the_next_run(
    archive: Archive, old: str, new: str
) -> None:
    path = archive.root / "harvester.json"
    path.write_text(path.read_text().replace(old, new))
    assert places(verify_archive(archive)) == [("harvester.json", "record")]
    Night(archive, "2026-11-24").run(REPORTS)
    assert places(verify_archive(archive)) == [("harvester.json", "record")]


def test_a_ledger_from_before_the_digest_of_the_archive_file_is_sound(archive: Archive) -> None:
    """Lines without the field are accepted; the next run writes the first one with it."""
    ledger = archive.root / "ledger.jsonl"
    sealed, last = b"", "0" * 64
    for raw in ledger.read_bytes().splitlines():
        line = msgspec.json.decode(raw, type=LedgerLine)
        line = msgspec.structs.replace(line, archive_sha256="", previous_sha256=last)
        sealed += msgspec.json.encode(line) + b"\n"
        last = sha256(msgspec.json.encode(line) + b"\n")
    ledger.write_bytes(sealed)
    assert b"archive_sha256" not in sealed
    assert verify_archive(archive) == []
    Night(archive, "2026-11-24").run(REPORTS)
    assert verify_archive(archive) == []
    assert load_ledger(archive.root).lines[-1].archive_sha256 == sha256(
        (archive.root / "harvester.json").read_bytes()
    )
