from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import STARTED, Night, Report, make_reports, open_archive, sha256
from support.disks import FailingDisk, SteppingDisk, check_archive

from harvester.archive import Archive, Fresh
from harvester.audit import Refetch, RepairResult, repair_archive, verify_archive
from harvester.audit.damaged import DamagedFiles
from harvester.audit.verify.problem import Problem, ProblemKind
from harvester.errors import DiskError
from harvester.model import InventoryEntry, Outcome

REPORTS = make_reports(projects=1, each=2)
FIRST, SECOND = "2026-11-21", "2026-11-22"
DIR = f"data/project-1_101/backtest-1_{REPORTS[0].backtest_id}"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots that hold the same bytes in files of their own, as on a disk without links."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, FIRST).run(REPORTS)
    Night(archive, SECOND).run(REPORTS)
    for path in (archive.root / SECOND).rglob("*"):
        if path.is_file() and path.stat().st_nlink > 1:
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
            path.chmod(0o444)
    return archive


def damage(archive: Archive, name: str, snapshot: str = SECOND) -> Path:
    path = archive.root / snapshot / name
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    path.chmod(0o444)
    return path


def repair(archive: Archive, refetch: Refetch | None = None) -> RepairResult:
    with archive.lock(command="verify --repair", wait_s=0):
        return repair_archive(archive, verify_archive(archive), refetch=refetch)


@pytest.mark.parametrize("name", ["report.html", "offline.html", "report.json", "images/01-chart-1.png"])
def test_a_damaged_file_comes_from_another_snapshot(archive: Archive, name: str) -> None:
    damage(archive, f"{DIR}/{name}")
    repaired = repair(archive)
    assert [problem.path for problem in repaired.fixed] == [f"{DIR}/{name}"]
    assert repaired.remaining == []
    assert verify_archive(archive) == []
    check_archive(archive.root)


def test_a_removed_directory_comes_back_whole(archive: Archive) -> None:
    shutil.rmtree(archive.root / SECOND / "data")
    assert len(repair(archive).fixed) == 10
    check_archive(archive.root)


def test_a_file_damaged_in_all_snapshots_cannot_be_mended(archive: Archive) -> None:
    for snapshot in (FIRST, SECOND):
        damage(archive, f"{DIR}/report.json", snapshot)
    repaired = repair(archive)
    assert repaired.fixed == []
    assert [problem.snapshot for problem in repaired.remaining] == [FIRST, SECOND]
    assert "backup" in repaired.remaining[0].advice


def test_bagit_txt_is_known_by_heart(archive: Archive) -> None:
    (archive.root / SECOND / "bagit.txt").unlink()
    repair(archive)
    check_archive(archive.root)


def test_a_page_that_another_snapshot_has_is_put_back(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    for date in (FIRST, SECOND):
        Night(archive, date).run(REPORTS, lambda path, _: (path / "index.html").write_text("<html>") and None)
    (archive.root / SECOND / "index.html").unlink()
    assert len(repair(archive).fixed) == 1
    check_archive(archive.root)


def test_a_report_is_asked_for_again_when_no_copy_is_left(archive: Archive) -> None:
    for snapshot in (FIRST, SECOND):
        damage(archive, f"{DIR}/report.html", snapshot)
    asked: list[str] = []

    def refetch(entry: InventoryEntry) -> bytes:
        asked.append(entry.backtest_id)
        return REPORTS[0].html

    assert len(repair(archive, refetch).fixed) == 2
    assert asked == [REPORTS[0].backtest_id]
    check_archive(archive.root)


@pytest.mark.parametrize("answer", [b"<html>rendered anew, with other bytes</html>", b"", None])
def test_other_bytes_than_the_recorded_ones_are_never_used(archive: Archive, answer: bytes | None) -> None:
    for snapshot in (FIRST, SECOND):
        damage(archive, f"{DIR}/report.html", snapshot)
    repaired = repair(archive, lambda _: answer)
    assert repaired.fixed == []
    assert (archive.root / SECOND / DIR / "report.html").read_bytes() == b"damaged"


def test_a_snapshot_whose_manifest_was_altered_is_not_touched(archive: Archive) -> None:
    """What it calls recorded may be what somebody wants to see there."""
    path = archive.root / SECOND / "manifest-sha256.txt"
    path.chmod(0o644)
    forged = path.read_bytes().replace(sha256(REPORTS[0].html).encode(), sha256(REPORTS[1].html).encode())
    path.write_bytes(forged)
    repaired = repair(archive)
    assert repaired.fixed == []
    assert (archive.root / SECOND / DIR / "report.html").read_bytes() == REPORTS[0].html


def test_what_is_extra_or_odd_is_left_to_people(archive: Archive) -> None:
    (archive.root / SECOND / DIR / "mine.txt").write_bytes(b"")
    (archive.root / SECOND / DIR / "report.html").unlink()
    (archive.root / SECOND / DIR / "report.html").symlink_to("/etc/passwd")
    repaired = repair(archive)
    assert {problem.kind for problem in repaired.remaining} == {ProblemKind.EXTRA, ProblemKind.ODD}
    assert (archive.root / SECOND / DIR / "mine.txt").exists()


def test_nothing_is_written_through_a_planted_link(archive: Archive, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(archive.root / SECOND / DIR)
    (archive.root / SECOND / DIR).symlink_to(outside)
    repair(archive)
    assert list(outside.iterdir()) == []


def kept(archive: Archive) -> dict[str, bytes]:
    """What is below `.damaged/`."""
    root = archive.root / ".damaged"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_what_is_replaced_is_kept_under_its_date_digest_and_name(archive: Archive) -> None:
    damage(archive, f"{DIR}/report.html")
    (archive.root / SECOND / DIR / "offline.html").unlink()
    repaired = repair(archive)
    assert (len(repaired.fixed), repaired.kept, repaired.not_kept) == (2, 1, 0)
    assert kept(archive) == {f"{SECOND}/{sha256(b'damaged')[:32]}/{DIR}/report.html": b"damaged"}
    assert verify_archive(archive) == []
    check_archive(archive.root)


def test_files_that_were_swapped_come_back_though_no_other_copy_is_left(archive: Archive) -> None:
    """Each place holds the only bytes that the other one wants; the third loses its own to a good copy."""
    first, second = (archive.root / SECOND / DIR / name for name in ("report.html", "offline.html"))
    contents = {path: path.read_bytes() for path in (first, second)}
    for path, content in ((first, contents[second]), (second, contents[first])):
        path.unlink()
        path.write_bytes(content)
        damage(archive, f"{DIR}/{path.name}", FIRST)
    assert repair(archive).remaining == []
    assert {path: path.read_bytes() for path in (first, second)} == contents
    assert verify_archive(archive) == []
    check_archive(archive.root)


def test_wanted_bytes_are_kept_though_nobody_puts_them_back_yet(archive: Archive) -> None:
    """The lists of the Snapshot that wants them are doubtful; the file that holds them is replaced."""
    content = (archive.root / FIRST / DIR / "offline.html").read_bytes()
    for date in (FIRST, SECOND):
        (archive.root / date / DIR / "offline.html").unlink()
    (archive.root / SECOND / DIR / "report.html").unlink()
    (archive.root / SECOND / DIR / "report.html").write_bytes(content)
    seal = archive.root / FIRST / "tagmanifest-sha256.txt"
    seal.chmod(0o644)
    seal.write_bytes(seal.read_bytes() + b"0" * 64 + b"  stray\n")
    found = verify_archive(archive)
    problems = [item for item in found if item.snapshot == FIRST or "offline" not in item.path]
    with archive.lock(command="verify --repair", wait_s=0):
        repair_archive(archive, problems, max_kept_bytes=0)
    assert (archive.root / SECOND / DIR / "report.html").read_bytes() == REPORTS[0].html
    assert list(kept(archive).values()) == [content]


def test_damage_after_damage_is_kept_too_and_the_same_once(archive: Archive) -> None:
    for content in (b"one", b"two", b"one"):
        path = archive.root / SECOND / DIR / "report.html"
        path.unlink()  # a repair has linked it to the first Snapshot's
        path.write_bytes(content)
        repair(archive)
    assert sorted(kept(archive).values()) == [b"one", b"two"]


def test_no_more_than_the_bound_is_kept_and_names_of_one_file_count_once(archive: Archive) -> None:
    for date in (FIRST, SECOND):
        damage(archive, f"{DIR}/report.html", date)
    first, second = (archive.root / date / DIR / "report.html" for date in (FIRST, SECOND))
    second.unlink()
    second.hardlink_to(first)
    other = damage(archive, f"{DIR}/report.json")
    damaged = DamagedFiles(archive, max_bytes=len(b"damaged"))
    for date in (FIRST, SECOND):
        damaged.keep(date, f"{DIR}/report.html")
    damaged.keep(SECOND, f"{DIR}/report.json")
    assert (damaged.kept, damaged.not_kept) == (2, 1)
    assert len({path.stat().st_ino for path in (archive.root / ".damaged").rglob("report.html")}) == 1
    again = DamagedFiles(archive, max_bytes=len(b"damaged") + 1)
    again.keep(SECOND, f"{DIR}/report.json")
    assert (again.kept, again.not_kept) == (0, 1)
    assert other.read_bytes() == b"damaged"


def test_modes_lost_by_a_restore_come_back(archive: Archive) -> None:
    """As `chmod -R u+w` leaves an archive; tag files and the tag manifest too."""
    for path in archive.root.glob("2026-*/**/*"):
        path.chmod(path.stat().st_mode | 0o220)
    assert {problem.kind for problem in verify_archive(archive)} == {ProblemKind.WRITABLE}
    repaired = repair(archive)
    assert repaired.remaining == []
    assert {problem.kind for problem in repaired.fixed} == {ProblemKind.WRITABLE}
    assert verify_archive(archive) == []
    check_archive(archive.root)


def test_a_writable_file_with_other_bytes_is_not_sealed(archive: Archive) -> None:
    for date in (FIRST, SECOND):
        damage(archive, f"{DIR}/report.html", date).chmod(0o644)
    repaired = repair(archive)
    assert [problem.kind for problem in repaired.remaining].count(ProblemKind.WRITABLE) == 2
    assert (archive.root / SECOND / DIR / "report.html").stat().st_mode & 0o200


def test_a_tag_manifest_that_was_altered_is_not_sealed(archive: Archive) -> None:
    path = archive.root / SECOND / "tagmanifest-sha256.txt"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"0" * 64 + b"  stray\n")
    repair(archive)
    assert path.stat().st_mode & 0o200


def test_a_file_taken_from_a_writable_one_is_read_only(archive: Archive) -> None:
    (archive.root / FIRST / DIR / "report.html").chmod(0o644)
    path = damage(archive, f"{DIR}/report.html")
    with archive.lock(command="verify --repair", wait_s=0):
        repair_archive(archive, verify_archive(archive, [archive.snapshot(SECOND)]))
    assert not path.stat().st_mode & 0o222


def test_a_sound_archive_is_not_written_to(archive: Archive) -> None:
    disk = SteppingDisk()
    archive.disk = disk
    assert repair_archive(archive, verify_archive(archive)) == RepairResult([], [])
    assert disk.steps == 0


def test_what_was_mended_is_told_before_the_disk_fails(archive: Archive) -> None:
    names = [f"{DIR}/{name}" for name in ("offline.html", "report.html")]
    damaged = [damage(archive, name) for name in names]
    problems = verify_archive(archive)
    steps = SteppingDisk()
    archive.disk = steps
    repair_archive(archive, problems[:1])
    damaged[0].unlink()
    archive.disk = FailingDisk(steps.steps + 1, 28)
    mended: list[Problem] = []
    with pytest.raises(DiskError, match="full"):
        repair_archive(archive, problems, on_fixed=mended.append)
    assert [problem.path for problem in mended] == names[:1]
    assert [path.read_bytes() == b"damaged" for path in damaged] == [False, True]


class Counted(str):
    """A digest that counts how often it is looked for."""

    __slots__ = ()
    times = 0

    def __hash__(self) -> int:
        Counted.times += 1
        return super().__hash__()


def test_many_problems_are_not_looked_for_once_each_for_each_of_them(archive: Archive) -> None:
    problems = [
        Problem(SECOND, f"page-{n}.html", ProblemKind.MISSING, "is missing", "", Counted(f"{n:064x}"))
        for n in range(200)
    ]
    Counted.times = 0
    assert len(repair_archive(archive, problems).remaining) == 200
    assert Counted.times < 20 * 200


def test_images_and_offline_page_are_made_again_from_the_report(tmp_path: Path) -> None:
    unpack = pytest.importorskip("harvester.report").unpack_report
    html = (
        "<html><body><h2>Monthly Returns</h2><img src='data:image/gif;base64,"
        "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'></body></html>"
    )
    unpacked = unpack(html)
    report = replace(REPORTS[0], html=html.encode())
    archive = open_archive(tmp_path / "archive")
    commit_unpacked(archive, report, unpacked)
    (snapshot,) = archive.snapshots()
    entry = next(snapshot.inventory())
    assert entry.images == 1
    shutil.rmtree(snapshot.path / entry.path / "images")
    snapshot.file(entry, "offline.html").unlink()
    assert len(repair(archive).fixed) == 2
    check_archive(archive.root)


def commit_unpacked(archive: Archive, report: Report, unpacked: object) -> None:
    from typing import Any

    import msgspec
    from support.archives import make_record

    parts: Any = unpacked
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date=FIRST, run_id="run", started=STARTED)
        record = msgspec.structs.replace(
            report.record("run"),
            offline_sha256=sha256(parts.offline_html.encode()),
            images=tuple(image.record for image in parts.images),
        )
        images = [(image.record.name, image.content) for image in parts.images]
        partial.save_report(record, report.html, parts.offline_html.encode(), images)
        placements = [Fresh(report.entry(Outcome.SAVED))]
        partial.fill(report.project_id, placements)
        partial.commit(make_record(partial, placements))
