"""Damage in a Bucket: found from the listing, named, and repaired."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.buckets import check_same, findings, look, make_archive, push, s3_requests
from support.object_store import LOCKED, PLAIN, Server

from harvester.bucket.push import Push
from harvester.bucket.repair import BucketRepair
from harvester.bucket.store import Store


def _keys(store: Store, prefix: str) -> list[str]:
    return sorted(info.key for info in store.list(prefix))


def test_a_sound_bucket_has_no_problems(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    found = look(store, archive, read=(1, 1), checksums=True)
    assert found.problems == []
    assert found.snapshots == 2
    assert found.read_bytes > 0


def test_verify_downloads_no_pack(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    before = store.requests.get
    assert look(store, archive).problems == []
    assert store.requests.get - before == 1 + 1 + 2 + 2  # lease, archive.json, entries, zips


def _damage(server: Server, store: Store, kind: str) -> str:
    """Do something to the Bucket that no harvester does; gives the key."""
    judge, prefix = server.judge(), store.address.prefix
    bucket = store.address.bucket
    packs = _keys(store, "reports")
    key = {
        "pack changed": packs[0],
        "pack swapped": packs[1],
        "pack deleted": packs[2],
        "zip changed": _keys(store, "snapshots")[0],
        "zip deleted": _keys(store, "snapshots")[1],
        "archive.json changed": "archive.json",
        "archive.json deleted": "archive.json",
        "lease changed": "lease.json",
        "entry changed": "ledger/000000001.json",
        "entry deleted": "ledger/000000001.json",
        "newest entry deleted": "ledger/000000002.json",
    }[kind]
    full = f"{prefix}/{key}"
    if kind.endswith("changed"):
        content = judge.get_object(Bucket=bucket, Key=full)["Body"].read()
        changed = content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]
        judge.put_object(Bucket=bucket, Key=full, Body=changed)
    elif kind.endswith("swapped"):
        content = judge.get_object(Bucket=bucket, Key=f"{prefix}/{packs[0]}")["Body"].read()
        judge.put_object(Bucket=bucket, Key=full, Body=content)
    else:
        judge.delete_object(Bucket=bucket, Key=full)
    return key


KINDS = (
    "pack changed",
    "pack swapped",
    "pack deleted",
    "zip changed",
    "zip deleted",
    "archive.json changed",
    "archive.json deleted",
    "lease changed",
    "entry changed",
    "entry deleted",
    "newest entry deleted",
)


@pytest.mark.parametrize("bucket", [PLAIN, LOCKED])
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_named_and_repaired(s3_server: Server, tmp_path: Path, kind: str, bucket: str) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store(s3_server.address(bucket))
    push(store, archive)
    key = _damage(s3_server, store, kind)
    found = look(store)
    assert key in {item.key for item in found.problems if item.is_damage}
    if kind == "pack deleted":
        assert findings(store)[key] == ("hidden" if bucket == LOCKED else "missing")
    repaired = BucketRepair(store, archive, Push(store, archive), s3=s3_requests(store)).run(
        found.problems, found.named
    )
    if "entry" in kind and bucket == PLAIN:  # nobody can make it again
        assert [item.key for item in repaired.left if "ledger" in item.key]
        return
    assert [item for item in repaired.left if item.is_damage] == []
    assert [item for item in look(store, archive, read=(1, 1)).problems if item.is_damage] == []
    check_same(store, archive, tmp_path / "b")


def test_objects_that_nobody_names_are_listed(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    store.create("reports/1/2/" + "0" * 32 + ".zip", b"left by an interrupted push")
    store.create("holiday.jpg", b"foreign")
    found = look(store)
    assert {item.key: item.finding.value for item in found.problems} == {
        "reports/1/2/" + "0" * 32 + ".zip": "unnamed",
        "holiday.jpg": "unnamed",
    }
    assert not found.is_damaged
