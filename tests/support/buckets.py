"""Buckets made for tests, and the proof that one is sound."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from harvester.archive import Archive, Disk
from harvester.bucket.lease import LeaseTimes
from harvester.bucket.push import Push, PushSettings, Surroundings
from harvester.bucket.reader import BucketReader
from harvester.bucket.restore import Restore
from harvester.bucket.signed import S3Requests
from harvester.bucket.store import Store
from harvester.bucket.verify import Scope, Verified, Verify
from support.archives import Night, Report, make_reports, open_archive
from support.disks import check_bag
from support.object_store import keys


def make_archive(root: Path, nights: int = 2) -> Archive:
    """An Archive of some nights, each with reports that the one before did not have; the last one renames."""
    archive = open_archive(root)
    for night in range(nights):
        Night(archive, f"2026-11-{22 + night}").run(make_reports(each=3 + night))
    return archive


def run_night(archive: Archive, date: str, reports: Sequence[Report]) -> None:
    Night(archive, date).run(reports)


def s3_requests(store: Store) -> S3Requests:
    return S3Requests(store.options, keys())


def push(store: Store, archive: Archive, **fields: object) -> tuple[str, ...]:
    """Push without waiting for others; gives the Snapshots that were committed."""
    settings = PushSettings(**{"lease": LeaseTimes(ttl_s=900, beat_s=300), **fields})  # type: ignore[arg-type]
    return Push(store, archive, settings, Surroundings(s3=s3_requests(store))).run().snapshots


def look(store: Store, archive: Archive | None = None, **scope: object) -> Verified:
    """Everything that `verify --bucket` finds."""
    return Verify(store, Scope(**scope), archive=archive, s3=s3_requests(store)).run()  # type: ignore[arg-type]


def findings(store: Store, archive: Archive | None = None, **scope: object) -> dict[str, str]:
    """What was found, by key."""
    return {item.key: item.finding.value for item in look(store, archive, **scope).problems}


def check_same(store: Store, archive: Archive, target: Path) -> None:
    """Restore the whole Archive and compare every byte; tools that are not ours judge the bags."""
    restored = Restore(BucketReader.open(store), Disk()).restore_all(target)
    subprocess.run(["diff", "-r", "-x", ".harvester*", target, archive.root], check=True)
    for name in restored.snapshots:
        check_bag(target / name)
