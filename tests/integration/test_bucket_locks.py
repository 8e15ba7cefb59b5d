"""Retention, pruning, and what the store itself enforces; boto3 is the judge."""

from __future__ import annotations

import datetime as dt
import hashlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from support.archives import Night, make_reports, open_archive
from support.buckets import check_same, look, make_archive, push, s3_requests
from support.object_store import LOCKED, Server

from harvester.archive import Archive
from harvester.bucket.entries import render_entry
from harvester.bucket.head import load_chain
from harvester.bucket.keys import ledger_key
from harvester.bucket.prune import BucketPrune
from harvester.bucket.push import Push, PushSettings, Surroundings
from harvester.bucket.retention import LockPolicy
from harvester.bucket.store import Store

_DAY = dt.timedelta(days=1)
_NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def _push_locked(server: Server, store: Store, archive: Archive, now: dt.datetime, days: int = 70) -> None:
    policy = LockPolicy("governance", days * _DAY)
    locked = server.store(store.address, lock_headers=policy.headers(now))
    around = Surroundings(s3=s3_requests(store), now=lambda: now)
    Push(locked, archive, PushSettings(retention=policy), around).run()


def _heads(server: Server, store: Store) -> dict[str, Any]:
    judge, prefix = server.judge(), store.address.prefix
    return {
        info.key: judge.head_object(Bucket=LOCKED, Key=f"{prefix}/{info.key}", ChecksumMode="ENABLED")
        for info in store.list("")
    }


def test_everything_but_the_lease_is_locked(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    store = s3_server.store(s3_server.address(LOCKED))
    _push_locked(s3_server, store, archive, _NOW)
    heads = _heads(s3_server, store)
    assert "ObjectLockMode" not in heads.pop("lease.json")
    assert {head["ObjectLockMode"] for head in heads.values()} == {"GOVERNANCE"}
    assert {head["ObjectLockRetainUntilDate"] for head in heads.values()} == {_NOW + 80 * _DAY}
    judge, key = s3_server.judge(), min(heads)
    full, version = f"{store.address.prefix}/{key}", heads[key]["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        judge.delete_object(Bucket=LOCKED, Key=full, VersionId=version)


def test_the_store_has_checked_each_body(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    store = s3_server.store(s3_server.address(LOCKED))
    push(store, archive)
    for key, head in _heads(s3_server, store).items():
        content, _ = store.get(key, limit_bytes=10**8)
        assert b64decode(head["ChecksumSHA256"]) == hashlib.sha256(content).digest()


def test_a_lock_is_extended_when_a_new_snapshot_needs_the_object(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    store = s3_server.store(s3_server.address(LOCKED))
    _push_locked(s3_server, store, archive, _NOW)
    Night(archive, "2026-11-25").run(make_reports())
    _push_locked(s3_server, store, archive, _NOW + 5 * _DAY)  # 75 days are left: enough
    packs = {key: head for key, head in _heads(s3_server, store).items() if key.startswith("reports/")}
    assert {head["ObjectLockRetainUntilDate"] for head in packs.values()} == {_NOW + 80 * _DAY}
    Night(archive, "2026-12-25").run(make_reports())
    _push_locked(s3_server, store, archive, _NOW + 30 * _DAY)
    packs = {key: head for key, head in _heads(s3_server, store).items() if key.startswith("reports/")}
    assert {head["ObjectLockRetainUntilDate"] for head in packs.values()} == {_NOW + 110 * _DAY}
    assert look(store, archive, checksums=True).problems == []


def test_a_lock_that_was_shortened_is_found(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    store = s3_server.store(s3_server.address(LOCKED))
    _push_locked(s3_server, store, archive, _NOW)
    victim = min(info.key for info in store.list("reports"))
    s3_server.judge().put_object_retention(
        Bucket=LOCKED,
        Key=f"{store.address.prefix}/{victim}",
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": _NOW + _DAY},
        BypassGovernanceRetention=True,
    )
    found = look(store, archive, checksums=True)
    assert [(item.key, item.finding.value) for item in found.problems] == [(victim, "unlocked")]


def test_a_lock_that_nobody_can_extend_ends_the_push(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    store = s3_server.store(s3_server.address(LOCKED))
    push(store, archive)  # without a lock
    Night(archive, "2026-11-25").run(make_reports())
    settings = PushSettings(retention=LockPolicy("governance", _DAY))
    with pytest.raises(Exception, match="cannot be extended with the rights of a machine's role"):
        Push(store, archive, settings, Surroundings(s3=None)).run()
    assert len(load_chain(store).entries) == 1


def _prune(store: Store, *names: str, dry_run: bool = False) -> Any:
    return BucketPrune(store).run(lambda _: names, dry_run=dry_run)


def test_prune_removes_a_date_whose_reports_stay(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    plan = _prune(store, "2026-11-22", dry_run=True)
    assert plan.remove == ["2026-11-22"]
    assert list(load_chain(store).snapshots) == ["2026-11-22", "2026-11-23"]
    _prune(store, "2026-11-22")
    assert list(load_chain(store).snapshots) == ["2026-11-23"]
    assert look(store).problems == []
    Night(archive, "2026-11-24").run(make_reports(each=5))
    assert push(store, archive) == ("2026-11-24",)
    assert look(store).problems == []


def test_prune_never_removes_the_newest_or_the_only_copy(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    first = make_reports(projects=1, each=2)
    Night(archive, "2026-11-22").run(first)
    Night(archive, "2026-11-23").run(
        [type(report)(**{**vars(report), "html": report.html + b"!"}) for report in first]
    )
    store = s3_server.store()
    push(store, archive)
    plan = _prune(store, "2026-11-22", "2026-11-23")
    assert plan.remove == []
    assert plan.refused == {
        "2026-11-22": "it has the only copy of 2 reports",
        "2026-11-23": "it is the newest one",
    }
    check_same(store, archive, tmp_path / "b")


def test_prune_removes_nothing_that_is_locked(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store(s3_server.address(LOCKED))
    _push_locked(s3_server, store, archive, _NOW)
    plan = _prune(store, "2026-11-22")
    assert list(plan.refused) == ["2026-11-22"]
    assert "locked until" in plan.refused["2026-11-22"]
    assert len(load_chain(store).snapshots) == 2


def test_prune_leaves_what_is_young_or_foreign(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    orphan = "reports/1/2/" + "0" * 32 + ".zip"
    store.create(orphan, b"of a push that has not committed yet")
    store.create("holiday.jpg", b"foreign")
    plan = _prune(store, "2026-11-22")
    assert plan.young == 1
    assert {orphan, "holiday.jpg"} <= {info.key for info in store.list("")}


def _write_removed(store: Store) -> None:
    """The entry of a prune that removes the first date."""
    chain = load_chain(store)
    before = chain.entries[-1]
    entry = msgspec.structs.replace(
        before,
        n=before.n + 1,
        previous_sha256=chain.head.sha256,
        kind="removed",
        line="",
        snapshot=None,
        newest=before.base,
        removed=("2026-11-22",),
    )
    store.create(ledger_key(entry.n), render_entry(entry))


def test_a_push_that_was_overtaken_by_a_prune_looks_at_the_packs_again(
    s3_server: Server, tmp_path: Path
) -> None:
    """A pack that was there when the push began may be gone when it commits."""
    archive = make_archive(tmp_path / "a")
    address = s3_server.address()
    store = s3_server.store(address)
    push(store, archive)
    Night(archive, "2026-11-24").run(make_reports(each=5))
    victim = min(info.key for info in store.list("reports"))

    class Overtaken(Store):
        done = False

        def create(self, key: str, content: bytes, *, lock: bool = True) -> Any:
            if key == "ledger/000000003.json" and not self.done:
                Overtaken.done = True
                _write_removed(store)  # as far as a prune comes before it deletes anything
                store.delete([victim])
            return super().create(key, content, lock=lock)

    push(Overtaken(s3_server.options(address)), archive)
    assert [entry.kind for entry in load_chain(store).entries] == ["line", "line", "removed", "line"]
    assert {item.finding.value for item in look(store, read=(1, 1)).problems} == {"unnamed"}
    assert victim in {info.key for info in store.list("reports")}
