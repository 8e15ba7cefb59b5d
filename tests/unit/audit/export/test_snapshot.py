from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bagit
import pytest
from support.archives import Night, make_reports, open_archive
from support.disks import DyingDisk, FailingDisk, Killed, SteppingDisk, check_bag

from harvester.archive import Archive, Snapshot
from harvester.audit import ExportOrder, ExportResult, export_snapshot
from harvester.errors import ArchiveError, CorruptArchiveError, DiskError, UsageError
from harvester.model import InventoryEntry

AT = "2026-11-24T10:00:00Z"
REPORTS = make_reports(projects=2, each=3)


def pages(path: Path, _disk: object = None) -> None:
    """An index that needs Inventory, record and payload to be where they are in a Snapshot."""
    lines = (path / "inventory.jsonl").read_text().splitlines()
    assert (path / "snapshot.json").is_file()
    images = [len(list((path / json.loads(line)["path"] / "images").iterdir())) for line in lines]
    (path / "index.html").write_text(f"<html>{len(lines)} reports, {sum(images)} images</html>")
    (path / "site").mkdir()
    (path / "site" / "style.css").write_text("body {}")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two Snapshots; in the second a report is gone."""
    archive = open_archive(tmp_path / "archive")
    Night(archive, "2026-11-21").run(REPORTS, pages)
    Night(archive, "2026-11-22").run(REPORTS[1:], pages)
    return archive


@pytest.fixture
def snapshot(archive: Archive) -> Snapshot:
    return archive.snapshot("latest")


def order(to: Path, **fields: object) -> ExportOrder:
    return ExportOrder(to, AT, "0.1.0", **fields)  # type: ignore[arg-type]


def second_project(entry: InventoryEntry) -> bool:
    return entry.project_id == 102


def part(to: Path, **fields: object) -> ExportOrder:
    return order(to, selected=second_project, filters={"projects": ["102"]}, pages=pages, **fields)


def check_export(path: Path) -> None:
    check_bag(path)
    assert not [item for item in path.rglob("*") if item.name.startswith(".")]
    assert not [item for item in path.rglob("*") if item.is_symlink()]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_snapshot_that_is_pruned_meanwhile_is_not_called_damaged(tmp_path: Path, zipped: bool) -> None:
    archive = open_archive(tmp_path / "archive")
    reports = make_reports(projects=1, each=28)  # more than are read ahead
    for date in ("2026-11-21", "2026-11-22"):
        Night(archive, date).run(reports)
    first = archive.snapshots()[0]

    def prune_once(_: int) -> None:
        if first.path.exists():
            with archive.lock(command="prune", wait_s=0):
                archive.prune(first.name, at=AT)

    to = tmp_path / "export"
    with pytest.raises(ArchiveError, match="2026-11-21 was pruned meanwhile") as caught:
        export_snapshot(archive, first, order(to, zipped=zipped, on_progress=prune_once))
    assert not isinstance(caught.value, CorruptArchiveError)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_what_is_damaged_is_still_called_so(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    """Also when the Ledger cannot be asked whether there was a prune."""
    (archive.root / "ledger.jsonl").unlink()
    (archive.root / "ledger.jsonl").mkdir()
    with pytest.raises(CorruptArchiveError):
        export_snapshot(archive, snapshot, order(tmp_path / "export"))


def test_a_whole_snapshot_is_exported_as_it_is(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    done = export_snapshot(archive, snapshot, order(tmp_path / "out"))
    assert done == ExportResult("2026-11-22", tmp_path / "out", 6, 30, snapshot.record().payload_bytes)
    check_export(tmp_path / "out")
    for path in snapshot.path.rglob("*"):
        if path.is_file() and path.name != "tagmanifest-sha256.txt":
            copy = tmp_path / "out" / path.relative_to(snapshot.path)
            assert copy.read_bytes() == path.read_bytes()
            assert not copy.samefile(path)


def test_a_whole_export_proves_what_was_archived(
    archive: Archive, snapshot: Snapshot, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_snapshot(archive, snapshot, order(out))
    subprocess.run(["sha256sum", "-c", "--quiet", "source/tagmanifest-sha256.txt"], cwd=out, check=True)
    seal = hashlib.sha256((out / "source" / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    line = (out / "source" / "ledger-line.json").read_bytes()
    assert json.loads(line)["tagmanifest_sha256"] == seal
    assert json.loads((out / "export.json").read_bytes())["source_tagmanifest_sha256"] == seal
    assert line in (archive.root / "ledger.jsonl").read_bytes()


def test_the_commands_in_an_exports_readme_txt_work(
    archive: Archive, snapshot: Snapshot, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_snapshot(archive, snapshot, order(out))
    readme = (out / "README.txt").read_text()
    commands = [
        line.strip().split("          ")[0] for line in readme.splitlines() if "    sha256sum" in line
    ]
    assert len(commands) == 3
    for command in commands:
        assert subprocess.run(command.split(), cwd=out, check=True, capture_output=True).stdout == b""
    assert "6 reports in 30 files, all of what" in readme


def test_a_part_holds_what_was_selected_and_nothing_else(
    archive: Archive, snapshot: Snapshot, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = export_snapshot(archive, snapshot, part(out))
    assert (done.reports, done.files) == (3, 15)
    check_export(out)
    entries = list(Snapshot("2026-11-22", out).inventory())
    assert [entry.project_id for entry in entries] == [102] * 3
    record = Snapshot("2026-11-22", out).record()
    assert (record.listed, record.files, record.gone, record.projects) == (3, 15, 0, 1)
    assert record.payload_bytes == sum(path.stat().st_size for path in (out / "data").rglob("*.*"))
    assert (out / "index.html").read_text() == "<html>3 reports, 6 images</html>"
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"Project 1" not in everything
    assert b"project-1_101" not in everything


def test_a_part_says_what_it_is_a_part_of(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_snapshot(archive, snapshot, part(out))
    said = json.loads((out / "export.json").read_bytes())
    assert said["snapshot"] == "2026-11-22"
    assert said["whole"] is False
    assert said["filters"] == {"projects": ["102"]}
    assert "a part of what" in (out / "README.txt").read_text()
    assert "Harvester-Part: yes" in (out / "bag-info.txt").read_text()


def test_filters_that_nothing_fits_are_an_error(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was exported"):
        export_snapshot(archive, snapshot, order(tmp_path / "out", selected=lambda _: False))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_snapshot_of_an_empty_account_is_a_bag_too(tmp_path: Path, zipped: bool) -> None:
    archive = open_archive(tmp_path / "archive")
    snapshot = Night(archive).run([])
    export_snapshot(archive, snapshot, order(tmp_path / ("out.zip" if zipped else "out"), zipped=zipped))
    if zipped:
        subprocess.run(["python3", "-m", "zipfile", "-e", tmp_path / "out.zip", tmp_path], check=True)
    bagit.Bag(str(tmp_path / "out")).validate()


def test_what_is_gone_at_the_source_is_exported_too(
    archive: Archive, snapshot: Snapshot, tmp_path: Path
) -> None:
    export_snapshot(archive, snapshot, order(tmp_path / "out", selected=lambda entry: not entry.listed))
    record = Snapshot("2026-11-22", tmp_path / "out").record()
    assert (record.listed, record.gone, record.files) == (0, 1, 5)


@pytest.mark.parametrize("make", [order, part])
def test_a_zip_holds_one_directory_that_is_a_valid_bag(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, make: object
) -> None:
    target = tmp_path / "out.zip"
    export_snapshot(archive, snapshot, make(target, zipped=True))  # type: ignore[operator]
    with zipfile.ZipFile(target) as file:
        assert file.testzip() is None
        assert {name.split("/")[0] for name in file.namelist()} == {"out"}
    subprocess.run(["python3", "-m", "zipfile", "-e", str(target), str(tmp_path / "unpacked")], check=True)
    bagit.Bag(str(tmp_path / "unpacked" / "out")).validate()
    assert not list(tmp_path.glob(".*"))


def test_the_same_export_gives_the_same_zip(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export_snapshot(archive, snapshot, order(tmp_path / name / "out.zip", zipped=True))
    assert (tmp_path / "a" / "out.zip").read_bytes() == (tmp_path / "b" / "out.zip").read_bytes()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("make", [order, part])
def test_an_export_that_was_killed_at_any_step_has_no_name_and_is_started_again(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, make: Callable[..., ExportOrder], zipped: bool
) -> None:
    archive.disk = disk = SteppingDisk()
    (tmp_path / "exports").mkdir()
    export_snapshot(archive, snapshot, make(tmp_path / "whole", zipped=zipped))
    for number in range(1, disk.steps, 5):  # the last step only makes the finished name durable
        out = tmp_path / "exports" / "out"
        archive.disk = DyingDisk(number)
        with pytest.raises(Killed):
            export_snapshot(archive, snapshot, make(out, zipped=zipped))
        assert not out.exists()
        archive.disk = SteppingDisk()
        export_snapshot(archive, snapshot, make(out, zipped=zipped))
        assert [path.name for path in (tmp_path / "exports").iterdir()] == ["out"]
        if zipped:
            out.unlink()
        else:
            check_export(out)
            shutil.rmtree(out)


def test_an_empty_directory_may_exist_already(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_snapshot(archive, snapshot, order(tmp_path / "out"))
    check_export(tmp_path / "out")


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to(path.parent)])
def test_a_file_or_link_is_not_replaced_by_an_export(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "out")
    with pytest.raises(UsageError, match="not empty"):
        export_snapshot(archive, snapshot, order(tmp_path / "out"))


def test_a_mount_point_cannot_be_replaced_and_is_refused(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usb").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "usb")
    with pytest.raises(UsageError, match=r"mount point\. Export to a new directory in it"):
        export_snapshot(archive, snapshot, order(tmp_path / "usb"))


def test_a_directory_in_use_is_left_alone(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_bytes(b"")
    with pytest.raises(UsageError, match="not empty"):
        export_snapshot(archive, snapshot, order(tmp_path / "out"))
    (tmp_path / "out.zip").write_bytes(b"")
    with pytest.raises(UsageError, match="exists already"):
        export_snapshot(archive, snapshot, order(tmp_path / "out.zip", zipped=True))


def test_a_finished_export_is_not_written_over(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    export_snapshot(archive, snapshot, order(tmp_path / "out"))
    with pytest.raises(UsageError, match="not empty"):
        export_snapshot(archive, snapshot, order(tmp_path / "out"))


def test_an_export_does_not_go_into_the_archive(archive: Archive, snapshot: Snapshot) -> None:
    with pytest.raises(UsageError, match="within the Archive"):
        export_snapshot(archive, snapshot, order(archive.root / "out"))


def test_a_place_that_is_not_there_is_named(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    for to in (order(tmp_path / "nowhere" / "out"), order(tmp_path / "nowhere" / "out.zip", zipped=True)):
        with pytest.raises(UsageError, match=r"nowhere is not a directory\. Create or mount it"):
            export_snapshot(archive, snapshot, to)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_bytes_are_not_handed_on(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, zipped: bool
) -> None:
    path = snapshot.file(next(snapshot.inventory()), "images/02-chart-2.png")
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(CorruptArchiveError, match=r"02-chart-2\.png is not what was recorded.*--repair"):
        export_snapshot(archive, snapshot, order(tmp_path / "out", zipped=zipped))
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("zipped", [True, False])
def test_an_interrupted_export_leaves_nothing_behind(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, zipped: bool
) -> None:
    def interrupt(_: int) -> None:
        assert (tmp_path / ".out.part").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_snapshot(archive, snapshot, order(tmp_path / "out", zipped=zipped, on_progress=interrupt))
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("name", ["inventory.jsonl", "manifest-sha256.txt", "tagmanifest-sha256.txt"])
def test_a_snapshot_that_is_not_the_committed_one_is_not_exported(
    archive: Archive, snapshot: Snapshot, tmp_path: Path, name: str
) -> None:
    path = snapshot.path / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(CorruptArchiveError):
        export_snapshot(archive, snapshot, order(tmp_path / "out"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_full_disk_says_so(archive: Archive, snapshot: Snapshot, tmp_path: Path, zipped: bool) -> None:
    archive.disk = FailingDisk(3, 28)
    with pytest.raises(DiskError, match="full"):
        export_snapshot(archive, snapshot, order(tmp_path / "out", zipped=zipped))


def test_progress_counts_payload_bytes(archive: Archive, snapshot: Snapshot, tmp_path: Path) -> None:
    told: list[int] = []
    done = export_snapshot(archive, snapshot, replace(order(tmp_path / "out"), on_progress=told.append))
    assert sum(told) == done.payload_bytes
