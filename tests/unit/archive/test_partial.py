from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from support.archives import STARTED, Night, Report, make_record, make_reports, open_archive, plan, sha256
from support.disks import BareDisk, NoLinksDisk, ShortNamesDisk, check_archive, check_bag

from harvester.archive import Absent, Archive, Carried, Disk, Fresh, LinkMode, PartialSnapshot
from harvester.audit import verify_archive
from harvester.errors import CorruptArchiveError, DiskError
from harvester.model import Comparison, Outcome, Project, ReportRecord

REPORTS = make_reports(projects=2, each=3)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An Archive with one Snapshot of REPORTS."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS)
    return archive


@pytest.fixture
def partial(archive: Archive) -> Iterator[PartialSnapshot]:
    """The next one, begun."""
    with archive.lock(command="test", wait_s=0):
        yield archive.begin(date="2026-11-22", run_id="run", started=STARTED)


def save(partial: PartialSnapshot, report: Report) -> None:
    partial.save_report(report.record(partial.run_id), report.html, report.offline, report.pictures)


def write_index(directory: Path, _disk: Disk) -> None:
    (directory / "index.html").write_bytes(b"a page")


NEW = Report(project_id=103, backtest_id="d" * 32, html=b"<html>new</html>")


def test_listings_are_kept_by_project(partial: PartialSnapshot) -> None:
    for report in (NEW, REPORTS[0]):
        Night.list_project(partial, [report])
    project, backtests = partial.load_listing(103)
    assert project.name == NEW.project
    assert [backtest.backtest_id for backtest in backtests] == [NEW.backtest_id]


def test_a_saved_report_is_on_disk_as_its_record_says(partial: PartialSnapshot) -> None:
    save(partial, NEW)
    directory = partial.path / "data" / "momentum_103" / f"logical-red-monkey_{'d' * 32}"
    assert (directory / "report.html").read_bytes() == NEW.html
    assert (directory / "offline.html").read_bytes() == NEW.offline
    assert (directory / "images" / "01-chart-1.png").read_bytes() == NEW.pictures[0][1]
    record = msgspec.json.decode((directory / "report.json").read_bytes(), type=ReportRecord)
    assert record == NEW.record("run")


def test_a_report_without_images_has_no_directory_for_them(partial: PartialSnapshot) -> None:
    save(partial, replace(NEW, images=0))
    assert not list(partial.path.rglob("images"))


@pytest.mark.parametrize(
    "name", ["../x.png", "a/b.png", "", ".", "..", ".hidden.png", "a\nb", "x" * 300, "a\\b"]
)
def test_an_image_cannot_leave_its_directory(partial: PartialSnapshot, name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        partial.save_report(NEW.record("run"), b"", b"", [(name, b"")])


def test_many_threads_may_save_at_once(partial: PartialSnapshot) -> None:
    reports = make_reports(projects=4, each=10)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda report: save(partial, report), reports))
    assert len(partial.finished()) == 40


def test_finished_tells_what_this_run_has_written(partial: PartialSnapshot) -> None:
    save(partial, NEW)
    assert partial.finished() == {(103, "d" * 32): NEW.record("run")}


OTHER = Comparison("2026-11-20", "0" * 64, "text")


@pytest.mark.parametrize("stored", [Outcome.SAVED, Outcome.UPDATED, Outcome.UNCHANGED])
@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (NEW, Outcome.SAVED),
        (REPORTS[0], Outcome.UNCHANGED),
        (replace(REPORTS[0], html=b"<html>another version</html>"), Outcome.UPDATED),
    ],
)
def test_a_finished_report_is_compared_with_the_snapshot_that_is_built_on_now(
    partial: PartialSnapshot, report: Report, outcome: Outcome, stored: Outcome
) -> None:
    """The one that it was compared with may have been lost and forgotten since."""
    comparison = OTHER if stored is Outcome.UPDATED else None
    record = msgspec.structs.replace(report.record(partial.run_id, stored), comparison=comparison)
    partial.save_report(record, report.html, report.offline, report.pictures)
    for _ in range(2):
        (found,) = partial.finished().values()
        assert (found.outcome, found.comparison) == (outcome, None)
    (path,) = partial.path.rglob("report.json")
    assert msgspec.json.decode(path.read_bytes(), type=ReportRecord) == found
    assert not path.stat().st_mode & 0o222


def test_an_unchanged_report_keeps_what_its_bytes_were_compared_with_first(partial: PartialSnapshot) -> None:
    record = msgspec.structs.replace(REPORTS[0].record("run", Outcome.UNCHANGED), comparison=OTHER)
    partial.save_report(record, REPORTS[0].html, REPORTS[0].offline, REPORTS[0].pictures)
    assert list(partial.finished().values()) == [record]


def test_a_comparison_with_the_snapshot_that_is_built_on_is_kept(partial: PartialSnapshot) -> None:
    report = replace(REPORTS[0], html=b"<html>another version</html>")
    comparison = Comparison("2026-11-21", sha256(REPORTS[0].html), "text")
    record = msgspec.structs.replace(report.record("run", Outcome.UPDATED), comparison=comparison)
    partial.save_report(record, report.html, report.offline, report.pictures)
    assert list(partial.finished().values()) == [record]


@pytest.mark.parametrize("name", ["report.html", "offline.html", "images/01-chart-1.png", "report.json"])
def test_a_finished_report_that_was_damaged_is_removed(partial: PartialSnapshot, name: str) -> None:
    save(partial, NEW)
    (path,) = partial.path.rglob(name)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert partial.finished() == {}
    assert not (partial.path / "data" / "momentum_103" / f"logical-red-monkey_{'d' * 32}").exists()


def test_a_finished_report_that_cannot_be_read_for_now_is_not_removed(
    partial: PartialSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, run_id: str) -> None:
        raise DiskError("too many files are open", path=str(path))

    save(partial, NEW)
    with monkeypatch.context() as patched:
        patched.setattr("harvester.archive.reports.check_report", fail)
        with pytest.raises(DiskError):
            partial.finished()
    assert list(partial.finished()) == [(103, "d" * 32)]


@pytest.mark.parametrize("kind", ["missing", "extra", "link", "directory"])
def test_a_finished_report_with_other_files_is_removed(
    partial: PartialSnapshot, kind: str, tmp_path: Path
) -> None:
    save(partial, NEW)
    (image,) = partial.path.rglob("01-chart-1.png")
    if kind == "missing":
        image.unlink()
    elif kind == "extra":
        (image.parent / "03.png").write_bytes(b"")
    elif kind == "link":
        image.rename(tmp_path / "moved.png")
        image.symlink_to(tmp_path / "moved.png")
    else:
        (image.parent.parent / "more").mkdir()
    assert partial.finished() == {}


def test_a_kept_report_shares_its_files_and_has_a_record_of_its_own(archive: Archive) -> None:
    report = REPORTS[0]
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="run", started=STARTED)
        earlier = {entry.backtest_id: entry for entry in Night.earlier(partial)}
        entry = earlier[report.backtest_id]
        partial.keep_report(report.record("run", Outcome.UNCHANGED), entry)
        placements = plan(REPORTS, earlier, "run")
        placements[0] = Fresh(report.entry(Outcome.UNCHANGED))
        for project_id in (101, 102):
            partial.fill(project_id, [item for item in placements if item.entry.project_id == project_id])
        snapshot, _ = partial.commit(make_record(partial, placements))
    check_archive(archive.root)
    first = archive.snapshots()[0]
    kept = next(snapshot.inventory())
    for name in ("report.html", "offline.html", "images/01-chart-1.png"):
        assert snapshot.file(kept, name).samefile(first.file(entry, name))
    assert snapshot.report(kept).run_id == "run"
    assert first.report(entry).run_id == "run-2026-11-21"
    assert snapshot.record().written_bytes == snapshot.file(kept, "report.json").stat().st_size


def test_keeping_what_the_previous_snapshot_lost_is_an_error(partial: PartialSnapshot) -> None:
    entry = Night.earlier(partial)[0]
    assert partial.previous is not None
    partial.previous.file(entry, "offline.html").unlink()
    with pytest.raises(CorruptArchiveError, match=r"offline\.html is missing"):
        partial.keep_report(REPORTS[0].record("run"), entry)


def test_a_night_with_nothing_new_links_every_file(archive: Archive) -> None:
    night = Night(archive, "2026-11-22")
    snapshot = night.run(REPORTS)
    first = archive.snapshots()[0]
    assert night.asked_for == []
    assert snapshot.record().counts == {"carried": 6}
    assert snapshot.record().written_bytes == 0
    assert snapshot.record().link_mode == "hardlink"
    assert (snapshot.path / "manifest-sha256.txt").read_bytes() == (
        first.path / "manifest-sha256.txt"
    ).read_bytes()
    for path in (first.path / "data").rglob("*.*"):
        assert path.samefile(snapshot.path / path.relative_to(first.path))


def test_a_renamed_report_is_linked_under_its_new_name(archive: Archive) -> None:
    renamed = replace(REPORTS[0], name="New Name", project="New Project")
    snapshot = Night(archive, "2026-11-22").run([renamed, *REPORTS[1:]])
    check_archive(archive.root)
    first = archive.snapshots()[0]
    before, after = next(first.inventory()), next(snapshot.inventory())
    assert after.path == f"data/new-project_101/new-name_{renamed.backtest_id}"
    assert snapshot.file(after, "report.html").samefile(first.file(before, "report.html"))
    assert snapshot.report(after).backtest.name == "New Name"
    assert snapshot.report(after).run_id == first.report(before).run_id
    assert snapshot.record().written_bytes == snapshot.file(after, "report.json").stat().st_size


def test_names_of_any_length_and_script_fit_where_143_bytes_are_the_end(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "short", ShortNamesDisk())
    names = ["한" * 40, "x" * 300, "é" * 100]
    reports = [
        replace(REPORTS[0], backtest_id=f"{n}" * 64, name=name, project=name) for n, name in enumerate(names)
    ]
    Night(archive, "2026-11-21").run(reports)
    renamed = [replace(reports[0], name="국" * 99), *reports[1:]]
    assert Night(archive, "2026-11-22").run(renamed).record().listed == 3
    check_archive(archive.root)


def test_without_links_and_permissions_every_snapshot_is_still_whole(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "bare", BareDisk())
    for date in ("2026-11-21", "2026-11-22"):
        Night(archive, date).run(REPORTS, pages=write_index)
    assert [str(problem) for problem in verify_archive(archive)] == [
        f"{date}/index.html is writable" for date in ("2026-11-21", "2026-11-22")
    ]


def test_longer_names_of_an_older_version_are_carried_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive(tmp_path / "older")
    report = replace(REPORTS[0], name="한" * 40)
    with monkeypatch.context() as older:
        older.setattr("harvester.format.layout._SLUG_BYTES", 120)
        before = next(Night(archive, "2026-11-21").run([report]).inventory())
    after = next(Night(archive, "2026-11-22").run([report]).inventory())
    assert len(after.path.rpartition("/")[2].encode()) == 120 + 1 + 32
    assert after.path == before.path
    renamed = next(Night(archive, "2026-11-23").run([replace(report, name="국" * 40)]).inventory())
    assert len(renamed.path.rpartition("/")[2].encode()) == 72 + 1 + 32
    assert not verify_archive(archive)
    check_archive(archive.root)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EXDEV, errno.EMLINK])
@pytest.mark.parametrize(
    ("refused", "mode"),
    [((LinkMode.HARDLINK,), "reflink"), ((LinkMode.HARDLINK, LinkMode.REFLINK), "copy")],
)
def test_without_hard_links_every_snapshot_is_still_whole(
    archive: Archive, code: int, refused: tuple[LinkMode, ...], mode: str
) -> None:
    archive.disk = NoLinksDisk(code, *refused)
    snapshot = Night(archive, "2026-11-22").run(REPORTS)
    check_archive(archive.root)
    record = snapshot.record()
    if code != errno.EMLINK:  # a full file is copied; the others still have room
        assert record.link_mode == mode
        assert record.written_bytes == (record.payload_bytes if mode == "copy" else 0)


def test_what_vanished_at_the_source_is_carried(archive: Archive) -> None:
    snapshot = Night(archive, "2026-11-22").run(REPORTS[3:])
    entries = list(snapshot.inventory())
    assert [entry.listed for entry in entries] == [False] * 3 + [True] * 3
    assert snapshot.record().files == 30
    check_archive(archive.root)


def test_entries_without_files_leave_no_directory(archive: Archive) -> None:
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="run", started=STARTED)
        placements = [Absent(NEW.entry(Outcome.PENDING, path="data/a/b", files=3))]
        partial.fill(103, placements)
        snapshot, _ = partial.commit(make_record(partial, placements))
    (entry,) = snapshot.inventory()
    assert not entry.archived
    assert entry.files == 0
    assert list((snapshot.path / "data").iterdir()) == []
    check_bag(snapshot.path)


def test_a_saved_report_that_is_not_placed_is_not_committed(archive: Archive) -> None:
    stray = replace(REPORTS[0], backtest_id="e" * 32)
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="run", started=STARTED)
        save(partial, stray)
        save(partial, NEW)
        placements = [Carried(REPORTS[0].entry(Outcome.CARRIED), Night.earlier(partial)[0])]
        partial.fill(101, placements)
        partial.commit(make_record(partial, placements))
    check_archive(archive.root)


def test_nothing_can_be_carried_or_kept_from_nowhere(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "empty")
    entry = REPORTS[0].entry(Outcome.CARRIED)
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="run", started=STARTED)
        with pytest.raises(ValueError, match="no previous Snapshot"):
            partial.fill(101, [Carried(entry, entry)])
        with pytest.raises(ValueError, match="no previous Snapshot"):
            partial.keep_report(REPORTS[0].record("run"), entry)


def test_projects_and_placements_come_in_order(partial: PartialSnapshot) -> None:
    first, second = (Absent(report.entry(Outcome.FAILED)) for report in REPORTS[:2])
    with pytest.raises(ValueError, match="out of order"):
        partial.fill(101, [second, first])
    partial.fill(101, [second])
    with pytest.raises(ValueError, match="out of order"):
        partial.fill(101, [first])  # the next portion of a project comes after the one before
    partial.fill(102, [])
    with pytest.raises(ValueError, match="out of order"):
        partial.fill(101, [])


def test_a_project_that_comes_in_portions_keeps_the_reports_of_all_of_them(archive: Archive) -> None:
    stray = replace(REPORTS[0], backtest_id="e" * 32)
    with archive.lock(command="test", wait_s=0):
        partial = archive.begin(date="2026-11-22", run_id="run", started=STARTED)
        partial.save_report(stray.record(partial.run_id), stray.html, stray.offline, stray.pictures)
        assert partial.previous is not None
        placements = [Carried(entry, entry) for entry in partial.previous.inventory()]
        for placement in placements:
            partial.fill(placement.entry.project_id, [placement])
        partial.commit(make_record(partial, placements))
    check_archive(archive.root)


def test_a_large_listing_stays_on_disk_and_is_read_as_often_as_it_is_gone_through(
    partial: PartialSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    backtests = [report.record("").backtest for report in REPORTS]
    partial.save_listing(Project(101, "P"), backtests)
    monkeypatch.setattr("harvester.archive.partial.AT_ONCE", len(REPORTS) - 1)
    project, stored = partial.load_listing(101)
    assert not isinstance(stored, list)
    assert (project, len(stored)) == (Project(101, "P"), len(REPORTS))
    assert list(stored) == list(stored) == backtests
    assert backtests[0] in stored


def test_a_manifest_that_lost_lines_is_not_built_on(archive: Archive) -> None:
    manifest = archive.snapshots()[0].path / "manifest-sha256.txt"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().split(b"\n", 1)[1])
    night = Night(archive, "2026-11-22")
    assert night.run(REPORTS).record().previous is None
    assert len(night.asked_for) == len(REPORTS)


def test_a_file_that_the_previous_snapshot_lost_stops_the_run(archive: Archive) -> None:
    first = archive.snapshots()[0]
    entry = next(first.inventory())
    first.file(entry, "report.html").unlink()
    with pytest.raises(CorruptArchiveError, match=r"report\.html is missing"):
        Night(archive, "2026-11-22").run(REPORTS)
    assert [snapshot.name for snapshot in archive.snapshots()] == ["2026-11-21"]


def test_pages_become_tag_files_and_read_only(archive: Archive) -> None:
    def pages(path: Path, _disk: Disk) -> None:
        (path / "index.html").write_text("index")
        (path / "site").mkdir()
        (path / "site" / "project-101.html").write_text("project")

    snapshot = Night(archive, "2026-11-22").run(REPORTS, pages)
    tags = (snapshot.path / "tagmanifest-sha256.txt").read_text()
    assert f"{sha256(b'project')}  site/project-101.html" in tags
    check_archive(archive.root)


def test_pages_may_not_plant_links(archive: Archive) -> None:
    with pytest.raises(CorruptArchiveError, match="neither a file nor a directory"):
        Night(archive, "2026-11-22").run(
            REPORTS, lambda path, _: (path / "index.html").symlink_to("/etc/passwd")
        )


def test_a_disk_full_of_pages_is_a_full_disk(archive: Archive) -> None:
    def pages(path: Path, _disk: Disk) -> None:
        (path / "index.html").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path / "index.html"))

    with pytest.raises(DiskError, match=r"index\.html: the disk is full"):
        Night(archive, "2026-11-22").run(REPORTS, pages)
    Night(archive, "2026-11-23").run(REPORTS)
    check_archive(archive.root)


def test_a_journal_becomes_a_tag_file(archive: Archive) -> None:
    snapshot = Night(archive, "2026-11-22").run(
        REPORTS, lambda path, _: (path / "journal.jsonl").write_bytes(b"{}\n") and None
    )
    assert "journal.jsonl" in (snapshot.path / "tagmanifest-sha256.txt").read_text()


def test_bag_info_says_whether_it_is_complete(archive: Archive) -> None:
    info = (archive.snapshots()[0].path / "bag-info.txt").read_text()
    assert "Harvester-Complete: yes\n" in info
    assert "Payload-Oxum: " in info


class LostLinks(Disk):
    """Every link fails, although the probe was fine."""

    def link_files(self, mode: LinkMode, source: str, target: str, names: object) -> None:
        raise DiskError("no", path=target)


def test_an_error_of_a_linking_thread_stops_the_run(archive: Archive) -> None:
    archive.disk = LostLinks()
    with pytest.raises(DiskError):
        Night(archive, "2026-11-22").run(REPORTS)
    archive.disk = Disk()
    Night(archive, "2026-11-22").run(REPORTS)
    check_archive(archive.root)


def test_a_kept_report_whose_record_names_files_elsewhere_is_refused(partial: PartialSnapshot) -> None:
    assert partial.previous is not None
    entry = next(partial.previous.inventory())
    record = REPORTS[0].record("run")
    image = msgspec.structs.replace(record.images[0], name="../../../../../outside")
    with pytest.raises(CorruptArchiveError, match="names an image that no report has"):
        partial.keep_report(msgspec.structs.replace(record, images=(image,)), entry)
