"""Restores that meet damage, interruptions and places in use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.buckets import check_same, make_archive, push
from support.disks import check_bag
from support.object_store import Server, SteppingStore

from harvester.archive import Archive, Disk
from harvester.bucket.reader import BucketReader
from harvester.bucket.restore import Restore
from harvester.bucket.store import Store
from harvester.errors import ArchiveError, CorruptBucketError, DiskError


def _restore(store: Store, name: str, target: Path, disk: Disk | None = None) -> int:
    return Restore(BucketReader.open(store), disk or Disk(), at_once=2).restore(name, target).fetched_bytes


def test_damage_gives_nothing_the_name_of_the_target(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    victim = min(info.key for info in store.list("reports"))
    content, _ = store.get(victim, limit_bytes=10**8)
    store.overwrite(victim, content[:-30] + b"?" + content[-29:])
    with pytest.raises(CorruptBucketError, match=victim):
        _restore(store, "latest", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    store.overwrite(victim, content)
    _restore(store, "latest", tmp_path / "b")
    check_bag(tmp_path / "b")


def test_an_interrupted_restore_goes_on_where_it_was(s3_server: Server, tmp_path: Path) -> None:
    class FullDisk(Disk):
        left = 4

        def write_all(
            self, directory: Path, files: Iterable[tuple[str, bytes]], *, sync: bool = True
        ) -> None:
            self.left -= 1
            if self.left < 0:
                raise DiskError("the disk is full", path=str(directory))
            super().write_all(directory, files, sync=sync)

    options = s3_server.options()
    archive = make_archive(tmp_path / "a")
    push(Store(options), archive)
    with pytest.raises(DiskError):
        _restore(Store(options), "latest", tmp_path / "b", FullDisk())
    assert not (tmp_path / "b").exists()
    store = SteppingStore(options)
    _restore(store, "latest", tmp_path / "b")
    assert sum(key.startswith("reports/") for step, key in store.log if step == "get") == 8 - 4
    subprocess.run(["diff", "-r", tmp_path / "b", tmp_path / "a" / "2026-11-23"], check=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".b")] == []


def test_a_directory_in_use_is_not_touched(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(ArchiveError, match="not empty"):
        _restore(store, "latest", tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.txt"]
    (tmp_path / "c").mkdir()
    _restore(store, "latest", tmp_path / "c")
    check_bag(tmp_path / "c")


def test_an_archive_is_restored_with_its_renamed_reports_and_pruned_dates(
    s3_server: Server, tmp_path: Path
) -> None:
    archive = open_archive(tmp_path / "a")
    reports = make_reports()
    for night in range(4):
        renamed = [type(report)(**{**vars(report), "name": f"Name {night // 2}"}) for report in reports]
        Night(archive, f"2026-11-{22 + night}").run(renamed)
    store = s3_server.store()
    push(store, archive)
    assert len(list(store.list("records"))) == len(reports)
    with archive.lock(command="test", wait_s=0):
        archive.prune("2026-11-23", at="2026-11-26T03:00:00Z")
    push(store, archive)
    check_same(store, archive, tmp_path / "b")
    assert [snapshot.name for snapshot in Archive.open(tmp_path / "b").snapshots()] == [
        "2026-11-22",
        "2026-11-24",
        "2026-11-25",
    ]
    _restore(store, "2026-11-23", tmp_path / "c")  # the bucket keeps what was pruned on disk
    check_bag(tmp_path / "c")


def test_a_broken_chain_restores_single_dates_only(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    store.delete(["ledger/000000001.json"])
    reader = BucketReader.open(store)
    with pytest.raises(CorruptBucketError, match="A single date can still be restored"):
        Restore(reader, Disk()).restore_all(tmp_path / "b")
    Restore(reader, Disk()).restore("2026-11-23", tmp_path / "b")
    check_bag(tmp_path / "b")


def test_without_the_extra_the_message_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['obstore'] = None; from harvester.__main__ import main; "
        "sys.argv = ['harvester', 'restore', 'latest', '--from', 's3://b/p', '--to', 'x']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'quantconnect-harvester[bucket]'" in done.stderr
