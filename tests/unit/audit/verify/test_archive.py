from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from support.archives import Night, make_reports, open_archive, sha256

from harvester.archive import Archive
from harvester.audit.verify.archive import in_subset, subset_of_day, verify_archive
from harvester.audit.verify.problem import Problem, ProblemKind
from harvester.format.layout import TAGMANIFEST

REPORTS = make_reports(projects=2, each=2)
DIR = "data/project-1_101/backtest-1_00000000000000010000000000000001"
NEWEST = "2026-11-22"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots with pages; the second shares all files with the first."""
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-21", NEWEST):
        Night(archive, date).run(REPORTS, lambda path, _: (path / "index.html").write_text("<html>") and None)
    return archive


def places(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.place, str(problem.kind)) for problem in problems]


def newest(archive: Archive, path: str) -> Path:
    return archive.root / NEWEST / path


def alone(path: Path) -> Path:
    """Make a file one of its own, so that a change to it does not change the other Snapshot's."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o444)
    return path


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    content = change(alone(path).read_bytes())
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def test_an_archive_as_committed_has_no_problems(archive: Archive) -> None:
    assert verify_archive(archive) == []


def test_an_empty_archive_has_no_problems(tmp_path: Path) -> None:
    assert verify_archive(open_archive(tmp_path)) == []


@pytest.mark.parametrize("name", ["report.html", "offline.html", "report.json", "images/01-chart-1.png"])
def test_a_flipped_bit_is_found_and_named(archive: Archive, name: str) -> None:
    rewrite(newest(archive, f"{DIR}/{name}"), flip)
    (problem,) = verify_archive(archive)
    assert problem.place == f"{NEWEST}/{DIR}/{name}"
    assert problem.kind is ProblemKind.ALTERED
    assert problem.advice == f"harvester verify {NEWEST} --repair"
    assert len(problem.sha256) == 64


def test_a_flipped_bit_in_a_shared_file_is_found_in_every_snapshot(archive: Archive) -> None:
    path = newest(archive, f"{DIR}/report.html")
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"X")
    path.chmod(0o444)
    assert places(verify_archive(archive)) == [
        (f"{date}/{DIR}/report.html", "altered") for date in ("2026-11-21", NEWEST)
    ]


def test_a_longer_file_is_one_problem(archive: Archive) -> None:
    rewrite(newest(archive, f"{DIR}/report.html"), lambda content: content + b"more")
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{DIR}/report.html", "altered")]


def test_a_removed_file_is_found(archive: Archive) -> None:
    newest(archive, f"{DIR}/images/02-chart-2.png").unlink()
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{DIR}/images/02-chart-2.png", "missing")]


def test_a_removed_directory_is_found_file_by_file(archive: Archive) -> None:
    shutil.rmtree(newest(archive, DIR))
    assert {kind for _, kind in places(verify_archive(archive))} == {"missing"}
    assert len(verify_archive(archive)) == 5


@pytest.mark.parametrize(
    "name", ["stray.txt", "data/stray.txt", "data/project-1_101/stray", f"{DIR}/stray", f"{DIR}/images/stray"]
)
def test_an_added_file_is_found(archive: Archive, name: str) -> None:
    newest(archive, name).write_bytes(b"")
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{name}", "extra")]


def test_swapped_files_are_both_found(archive: Archive) -> None:
    first, second = (alone(newest(archive, f"{DIR}/images/0{n}-chart-{n}.png")) for n in (1, 2))
    spare = first.with_name("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    assert [kind for _, kind in places(verify_archive(archive))] == ["altered", "altered"]


def test_a_link_in_the_place_of_a_file_is_not_followed(archive: Archive, tmp_path: Path) -> None:
    path = newest(archive, f"{DIR}/report.html")
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{DIR}/report.html", "odd")]


def test_a_device_in_the_place_of_a_file_does_not_hang(archive: Archive) -> None:
    path = newest(archive, f"{DIR}/report.html")
    path.unlink()
    os.mkfifo(path)
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{DIR}/report.html", "odd")]


@pytest.mark.parametrize("name", [DIR, DIR.rsplit("/", 1)[0], "data"])
def test_a_directory_swapped_for_a_link_is_found(archive: Archive, tmp_path: Path, name: str) -> None:
    path = newest(archive, name)
    shutil.move(path, tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert (f"{NEWEST}/{name}", "odd") in places(verify_archive(archive))


@pytest.mark.parametrize("name", [f"{DIR}/report.html", "bag-info.txt", TAGMANIFEST])
def test_a_writable_file_is_found(archive: Archive, name: str) -> None:
    alone(newest(archive, name)).chmod(0o644)
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{name}", "writable")]


@pytest.mark.parametrize(
    "name", ["index.html", "inventory.jsonl", "snapshot.json", "bag-info.txt", "bagit.txt"]
)
def test_a_changed_tag_file_is_found(archive: Archive, name: str) -> None:
    rewrite(
        newest(archive, name),
        lambda content: content[:-1] + b" " if name == "index.html" else content + b"\n",
    )
    assert (f"{NEWEST}/{name}", "altered") in places(verify_archive(archive))


@pytest.mark.parametrize(
    "name",
    ["index.html", "inventory.jsonl", "snapshot.json", "bag-info.txt", "bagit.txt", "manifest-sha256.txt"],
)
def test_a_missing_tag_file_is_found(archive: Archive, name: str) -> None:
    newest(archive, name).unlink()
    assert (f"{NEWEST}/{name}", "missing") in places(verify_archive(archive))


def reseal(archive: Archive, name: str) -> None:
    """Make the tag manifest agree with a changed tag file, as somebody who covers his tracks would."""
    digest = sha256(newest(archive, name).read_bytes()).encode()

    def change(content: bytes) -> bytes:
        lines = [line for line in content.splitlines() if not line.endswith(b"  " + name.encode())]
        return b"".join(sorted(line + b"\n" for line in [*lines, digest + b"  " + name.encode()]))

    rewrite(newest(archive, TAGMANIFEST), change)


def test_covered_tracks_are_found_by_the_ledger(archive: Archive) -> None:
    rewrite(newest(archive, "index.html"), flip)
    reseal(archive, "index.html")
    assert places(verify_archive(archive)) == [(f"{NEWEST}/{TAGMANIFEST}", "altered")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.split(b"\n", 1)[1], "has no entry for"),
        (lambda content: content + content.splitlines()[0] + b"\n", "out of order"),
        (lambda content: content.replace(b'"files":5', b'"files":4', 1), "differ in what"),
        (lambda content: content.replace(b'"payload_bytes":', b'"payload_bytes":1', 1), "bytes for data/"),
        (lambda content: content.replace(sha256(REPORTS[0].html).encode(), b"0" * 64), "differ in what"),
        (lambda content: content.replace(b'"carried"', b'"saved"', 1), "the Inventory 1"),
        (lambda content: content.replace(DIR.encode(), b"data/elsewhere_1/x_2"), "but the Manifest does not"),
        (lambda content: content[:-20], "truncated"),
        (lambda content: b"junk\n" + content, "damaged"),
    ],
)
def test_an_edited_inventory_is_found(archive: Archive, change: Callable[[bytes], bytes], words: str) -> None:
    rewrite(newest(archive, "inventory.jsonl"), change)
    reseal(archive, "inventory.jsonl")
    assert any(words in problem.text for problem in verify_archive(archive))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.split(b"\n", 5)[5], "but the Manifest does not"),
        (lambda content: content + b"nonsense\n", "not a digest"),
        (lambda content: content + content.splitlines()[0] + b"\n", "in two places"),
        (lambda content: content + b"0" * 64 + b"  data/../../etc/passwd\n", "not a file of a report"),
        (
            lambda content: content + b"0" * 64 + b"  data/x_1/y_2/../../../../etc/passwd\n",
            "not a file of a report",
        ),
        (lambda content: content.split(b"\n", 1)[1], "differ in what"),
    ],
)
def test_an_edited_manifest_is_found(archive: Archive, change: Callable[[bytes], bytes], words: str) -> None:
    rewrite(newest(archive, "manifest-sha256.txt"), change)
    reseal(archive, "manifest-sha256.txt")
    assert any(words in problem.text for problem in verify_archive(archive))


def edit_record(archive: Archive, **fields: object) -> None:
    def change(content: bytes) -> bytes:
        return msgspec.json.encode({**msgspec.json.decode(content), **fields})

    rewrite(newest(archive, "snapshot.json"), change)
    reseal(archive, "snapshot.json")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"listed": 5}, "do not add up"),
        ({"counts": {"saved": 4}}, "listed as saved"),
        ({"files": 19}, "19 files"),
        ({"payload_bytes": 7}, "7 payload_bytes"),
        ({"gone": 1}, "1 gone"),
        ({"account": "other"}, "account other"),
        ({"name": "2026-11-20"}, "renamed"),
        ({"previous": {"name": "2026-11-21", "tagmanifest_sha256": "0" * 64}}, "does not know"),
        ({"ending": "no ending"}, "damaged"),
    ],
)
def test_an_edited_record_is_found(archive: Archive, fields: dict[str, object], words: str) -> None:
    edit_record(archive, **fields)
    problems = verify_archive(archive)
    assert any(words in problem.text and problem.path == "snapshot.json" for problem in problems)


def test_another_payload_oxum_is_found(archive: Archive) -> None:
    rewrite(
        newest(archive, "bag-info.txt"),
        lambda content: content.replace(b"Payload-Oxum: ", b"Payload-Oxum: 1"),
    )
    reseal(archive, "bag-info.txt")
    assert (f"{NEWEST}/bag-info.txt", "bag") in places(verify_archive(archive))


def test_another_version_of_bagit_is_found(archive: Archive) -> None:
    rewrite(newest(archive, "bagit.txt"), lambda content: content.replace(b"1.0", b"9.9"))
    reseal(archive, "bagit.txt")
    assert (f"{NEWEST}/bagit.txt", "bag") in places(verify_archive(archive))


@pytest.mark.parametrize("content", [b"", b"junk\n", b"0" * 64 + b"  ../outside\n"])
def test_a_useless_tag_manifest_is_found(archive: Archive, content: bytes) -> None:
    rewrite(newest(archive, TAGMANIFEST), lambda _: content)
    assert (f"{NEWEST}/{TAGMANIFEST}", "bag") in places(verify_archive(archive))


@pytest.mark.parametrize("number", [1, 2])
def test_an_edited_ledger_line_is_found(archive: Archive, number: int) -> None:
    lines = (archive.root / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    digest = lines[number - 1].split(b'"tagmanifest_sha256":"')[1][:64]
    lines[number - 1] = lines[number - 1].replace(digest, b"0" * 64)
    (archive.root / "ledger.jsonl").write_bytes(b"".join(lines))
    kinds = dict(places(verify_archive(archive)))
    assert kinds.get("ledger.jsonl:2") == ("ledger" if number == 1 else None)
    assert f"{'2026-11-21' if number == 1 else NEWEST}/{TAGMANIFEST}" in kinds


@pytest.mark.parametrize(("old", "new"), [(b"03:10:00", b"04:10:00"), (b'"listed":4', b'"listed":5')])
def test_an_edit_of_the_last_line_is_found_although_no_line_follows(
    archive: Archive, old: bytes, new: bytes
) -> None:
    ledger = archive.root / "ledger.jsonl"
    first, last = ledger.read_bytes().splitlines(keepends=True)
    assert old in last
    ledger.write_bytes(first + last.replace(old, new))
    (problem,) = verify_archive(archive)
    assert str(problem) == f"{NEWEST}/snapshot.json and ledger.jsonl:2 differ in what the run has done"


def test_a_removed_ledger_line_is_found(archive: Archive) -> None:
    ledger = archive.root / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])
    assert (NEWEST, "ledger") in places(verify_archive(archive))


def test_a_lost_ledger_is_found(archive: Archive) -> None:
    (archive.root / "ledger.jsonl").unlink()
    assert [place for place in places(verify_archive(archive)) if "/" not in place[0]] == [
        ("2026-11-21", "ledger"),
        (NEWEST, "ledger"),
    ]


def test_a_ledger_that_is_a_link_is_not_followed(archive: Archive) -> None:
    (archive.root / "ledger.jsonl").rename(archive.root / ".statistics_changed")
    (archive.root / "ledger.jsonl").symlink_to(".statistics_changed")
    assert ("ledger.jsonl", "ledger") in places(verify_archive(archive))


def test_a_torn_ledger_line_is_found_and_harmless(archive: Archive) -> None:
    with (archive.root / "ledger.jsonl").open("ab") as file:
        file.write(b'{"format":1,')
    (problem,) = verify_archive(archive)
    assert problem.place == "ledger.jsonl:3"
    assert problem.advice == "the next run repairs it"


def test_a_snapshot_deleted_by_hand_is_found(archive: Archive) -> None:
    shutil.rmtree(archive.root / "2026-11-21")
    (problem,) = verify_archive(archive)
    assert str(problem) == "2026-11-21 is missing: it was committed and never pruned"
    assert "--forget 2026-11-21" in problem.advice


def test_a_latest_that_points_elsewhere_is_found(archive: Archive) -> None:
    (archive.root / "latest").unlink()
    (archive.root / "latest").symlink_to("2026-11-21")
    assert places(verify_archive(archive)) == [("latest", "latest")]


def test_a_snapshots_name_on_something_else_is_found(archive: Archive) -> None:
    (archive.root / "2026-11-20").symlink_to("/etc")
    assert places(verify_archive(archive)) == [("2026-11-20", "odd")]


def test_only_the_snapshots_asked_for_are_hashed(archive: Archive) -> None:
    rewrite(newest(archive, f"{DIR}/report.html"), flip)
    assert verify_archive(archive, [archive.snapshot("2026-11-21")]) == []


def test_the_parts_of_a_week_find_every_damage_once(archive: Archive) -> None:
    for path in (archive.root / NEWEST / "data").glob("*/*/report.html"):
        rewrite(path, flip)
    found = [problem for part in range(1, 8) for problem in verify_archive(archive, subset=(part, 7))]
    assert sorted(found) == verify_archive(archive)
    assert len(found) == 4


def test_a_removed_directory_is_found_whatever_part_is_hashed(archive: Archive) -> None:
    shutil.rmtree(newest(archive, DIR))
    for part in (1, 2, 3):
        assert verify_archive(archive, subset=(part, 3))[0].path.startswith(DIR)
    shutil.rmtree(newest(archive, "data"))
    directories = [
        problem.path
        for problem in verify_archive(archive, subset=(1, 1000))
        if problem.kind is ProblemKind.MISSING
    ]
    assert len(directories) == 4


def test_any_seven_days_cover_every_part() -> None:
    for start in (dt.date(2026, 11, 27), dt.date(2027, 2, 25)):
        parts = {subset_of_day(start + dt.timedelta(days=n)) for n in range(7)}
        assert parts == {(k, 7) for k in range(1, 8)}


def test_every_path_is_in_one_part() -> None:
    for number in range(100):
        assert sum(in_subset(f"data/p_1/b_{number}", (part, 7)) for part in range(1, 8)) == 1


def test_a_snapshot_pruned_while_it_is_verified_is_not_damaged(archive: Archive) -> None:
    def prune(done: int, total: int) -> None:
        if archive.snapshots()[0].name != NEWEST:
            with archive.lock(command="prune", wait_s=0):
                archive.prune("2026-11-21", at="2026-11-23T00:00:00Z")

    assert verify_archive(archive, on_progress=prune) == []


def test_progress_ends_at_all_bytes(archive: Archive) -> None:
    told: list[tuple[int, int]] = []
    verify_archive(archive, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == sum(s.record().payload_bytes for s in archive.snapshots())


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    archive = open_archive(tmp_path)
    Night(archive).run([make_reports(1, 1)[0].__class__(html=b"<html>" + b"x" * 3_000_000, images=0)])
    assert verify_archive(archive) == []
