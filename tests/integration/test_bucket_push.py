"""Pushes to a real S3 server, and what is there afterwards."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from support.archives import Night, make_reports, open_archive
from support.buckets import check_same, look
from support.disks import check_bag
from support.object_store import Server, SteppingStore

from harvester.archive import Disk
from harvester.audit import verify_archive
from harvester.bucket.head import load_chain
from harvester.bucket.plan import plan_push
from harvester.bucket.push import Push
from harvester.bucket.reader import BucketReader
from harvester.bucket.restore import Restore
from harvester.bucket.retention import parse_retention

_NOW = datetime(2026, 11, 28, tzinfo=UTC)


def test_a_push_commits_each_snapshot(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    Night(archive, "2026-11-23").run(make_reports(each=4))
    store = s3_server.store()
    pushed = Push(store, archive).run()
    assert pushed.snapshots == ("2026-11-22", "2026-11-23")
    chain = load_chain(store)
    assert not chain.faults
    assert list(chain.snapshots) == ["2026-11-22", "2026-11-23"]


def test_a_night_with_nothing_new_costs_a_few_requests(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    options = s3_server.options()
    Push(SteppingStore(options), archive).run()
    Night(archive, "2026-11-23").run(make_reports())
    store = SteppingStore(options)
    pushed = Push(store, archive).run()
    assert pushed.snapshots == ("2026-11-23",)
    assert pushed.objects == 0
    assert store.requests.put <= 5
    assert store.requests.list == 1
    assert store.requests.get == 3


def test_a_restored_date_is_the_bag_that_was_pushed(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    reports = make_reports(each=4)
    renamed = [replace(report, name="Renamed") for report in reports[:3]] + reports[3:]
    Night(archive, "2026-11-23").run(renamed)
    store = s3_server.store()
    Push(store, archive).run()
    for name in ("2026-11-22", "2026-11-23"):
        Restore(BucketReader.open(store), Disk()).restore(name, tmp_path / name)
        subprocess.run(["diff", "-r", tmp_path / name, tmp_path / "a" / name], check=True)
        check_bag(tmp_path / name)


def test_a_restored_archive_goes_on(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    Night(archive, "2026-11-23").run(make_reports(each=4))
    store = s3_server.store()
    Push(store, archive).run()
    restored = Restore(BucketReader.open(store), Disk()).restore_all(tmp_path / "b")
    assert restored.snapshots == ("2026-11-22", "2026-11-23")
    subprocess.run(["diff", "-r", "-x", ".harvester*", tmp_path / "b", tmp_path / "a"], check=True)
    copy = open_archive(tmp_path / "b")
    assert verify_archive(copy) == []
    report = next((tmp_path / "b" / "2026-11-22").rglob("report.html"))
    assert report.stat().st_nlink == 2
    Night(copy, "2026-11-24").run(make_reports(each=5))
    assert Push(store, copy).run().snapshots == ("2026-11-24",)
    assert verify_archive(copy) == []


def test_a_plan_says_what_the_push_then_does(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    options = s3_server.options()
    for date, count in (("2026-11-23", 4), ("2026-11-24", 4), ("2026-11-25", 6)):
        Night(archive, date).run(make_reports(each=count))
        planning, pushing = SteppingStore(options), SteppingStore(options)
        plan = plan_push(planning, archive, parse_retention("governance:70d"), now=_NOW)
        assert planning.requests.put == 0
        pushed = Push(pushing, archive).run()
        assert plan.snapshots == pushed.snapshots
        assert plan.packs + plan.records == pushed.objects
        assert plan.put_requests == pushing.requests.put
        assert plan.get_requests == pushing.requests.get
        assert plan.locked_until == "2027-02-16T00:00:00Z"
        assert pushed.sent_bytes <= plan.bytes
    assert plan_push(SteppingStore(options), archive, None, now=datetime.now(UTC)).is_up_to_date
    store = SteppingStore(options)
    Push(store, archive).run()
    assert (store.requests.put, store.requests.list, store.requests.get) == (0, 1, 2)


def test_timestamps_go_with_the_line_that_they_stamp(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    store = s3_server.store()
    for n, date in enumerate(("2026-11-22", "2026-11-23", "2026-11-24"), start=1):
        Night(archive, date).run(make_reports())
        tokens = tmp_path / "a" / "timestamps"
        tokens.mkdir(exist_ok=True)
        if n != 2:  # its authority was down
            (tokens / f"{n:06d}.one.tsr").write_bytes(b"token %d" % n)
        Push(store, archive).run()
    (tokens / "000003.two.tsr").write_bytes(b"a later token")
    Push(store, archive).run()
    assert [info.key for info in store.list("timestamps")] == [
        "timestamps/000001.one.tsr",
        "timestamps/000003.one.tsr",
        "timestamps/000003.two.tsr",
    ]
    assert look(store, archive).problems == []
    check_same(store, archive, tmp_path / "b")
