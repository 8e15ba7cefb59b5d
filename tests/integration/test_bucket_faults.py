"""Stores that refuse, fail, slow down and lose answers; other writers; archives that change in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.buckets import check_same, look, make_archive, push
from support.object_store import Server, SteppingStore
from support.servers.gate import Fate, gate

from harvester.archive import Archive
from harvester.bucket.address import parse_address
from harvester.bucket.credentials import S3Keys
from harvester.bucket.head import load_chain
from harvester.bucket.lease import LeaseTimes, hold_lease
from harvester.bucket.push import Push, PushSettings
from harvester.bucket.store import Store, StoreOptions
from harvester.errors import (
    BucketAccessError,
    BucketConflictError,
    BucketLockedError,
    BucketUnreachableError,
    CorruptArchiveError,
)
from harvester.secrets import Secret


def _no_wait(_: float) -> None:
    """Retries of a test cost no time."""


def _store(options: StoreOptions) -> Store:
    return Store(options, wait=_no_wait)


def test_wrong_credentials_are_named(s3_server: Server, tmp_path: Path) -> None:
    store = _store(s3_server.options(keys=S3Keys("somebody", Secret("something-else"))))
    with pytest.raises(BucketAccessError, match="credentials are wrong or have expired") as caught:
        push(store, make_archive(tmp_path / "a", 1))
    assert "something-else" not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_named(s3_server: Server, tmp_path: Path) -> None:
    store = _store(s3_server.options(parse_address("s3://nowhere/at/all")))
    with pytest.raises(BucketAccessError, match="there is no bucket 'nowhere'"):
        push(store, make_archive(tmp_path / "a", 1))


def test_a_missing_right_to_write_is_named(s3_server: Server, tmp_path: Path) -> None:
    def decide(number: int, method: str, path: str) -> Fate:
        return 403 if method == "PUT" else "pass"

    with gate(s3_server.endpoint, decide) as server:
        store = _store(s3_server.options(endpoint=server.endpoint))
        with pytest.raises(BucketAccessError, match="lack that right"):
            push(store, make_archive(tmp_path / "a", 1))


def test_a_store_that_is_away_is_asked_again_and_then_named(s3_server: Server, tmp_path: Path) -> None:
    waits: list[float] = []
    store = Store(s3_server.options(endpoint="http://127.0.0.1:9", patience_s=30), wait=waits.append)
    with pytest.raises(BucketUnreachableError, match="does not answer"):
        push(store, make_archive(tmp_path / "a", 1))
    assert 30 <= sum(waits) <= 61


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_store_that_slows_down_is_waited_for(s3_server: Server, tmp_path: Path, status: int) -> None:
    archive = make_archive(tmp_path / "a")

    def decide(number: int, method: str, path: str) -> Fate:
        return status if number % 3 else "pass"

    address = s3_server.address()
    with gate(s3_server.endpoint, decide) as server:
        store = _store(s3_server.options(address, endpoint=server.endpoint, patience_s=1000))
        assert len(push(store, archive)) == 2
    assert look(s3_server.store(address), archive, read=(1, 1)).problems == []


@pytest.mark.parametrize("fate", ["lose", "refuse"])
def test_lost_requests_and_answers_change_nothing(s3_server: Server, tmp_path: Path, fate: str) -> None:
    """Each second request is lost: the store has done it, or has not; a create is then answered "exists"."""
    archive = make_archive(tmp_path / "a")

    def decide(number: int, method: str, path: str) -> Fate:
        return fate if number % 2 else "pass"

    address = s3_server.address()
    with gate(s3_server.endpoint, decide) as server:
        store = _store(s3_server.options(address, endpoint=server.endpoint, patience_s=1000))
        assert push(store, archive) == ("2026-11-22", "2026-11-23")
    sound = s3_server.store(address)
    assert look(sound, archive, read=(1, 1)).problems == []
    assert len(load_chain(sound).entries) == 2


def test_an_endpoint_that_goes_down_in_the_middle_is_gone_on_from(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    address = s3_server.address()

    def decide(number: int, method: str, path: str) -> Fate:
        return "pass" if number < 10 else "refuse"

    with gate(s3_server.endpoint, decide) as server:
        store = _store(s3_server.options(address, endpoint=server.endpoint))
        with pytest.raises(BucketUnreachableError):
            push(store, archive)
    store = s3_server.store(address)
    there = {info.key for info in store.list("reports")}
    assert there
    again = SteppingStore(s3_server.options(address))
    push(again, archive)
    sent = [key for step, key in again.log if step == "create" and key.startswith("reports/")]
    assert not there & set(sent)
    check_same(store, archive, tmp_path / "b")


def test_the_prefix_of_another_account_is_refused(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    other = Archive.create_or_open(tmp_path / "other", account="feedfeedfeedfeed")
    Night(other).run(make_reports())
    with pytest.raises(BucketConflictError, match="another account"):
        push(store, other)


def test_another_archive_of_the_same_account_is_refused(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    other = open_archive(tmp_path / "other")
    Night(other).run(make_reports(each=2))
    with pytest.raises(BucketConflictError, match="another history"):
        push(store, other)


def test_a_newer_format_is_refused(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    content, _ = store.get("ledger/000000002.json", limit_bytes=10**6)
    store.create("ledger/000000003.json", content.replace(b'"format":1,"n":2', b'"format":2,"n":3', 1))
    with pytest.raises(BucketConflictError, match="newer harvester"):
        push(store, archive)


def test_damage_on_disk_is_not_pushed(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 1)
    victim = next((tmp_path / "a" / "2026-11-22").rglob("report.html"))
    victim.chmod(0o644)
    victim.write_bytes(b"something else")
    store = s3_server.store()
    with pytest.raises(CorruptArchiveError, match="is not pushed"):
        push(store, archive)
    assert load_chain(store).entries == []


def test_an_archive_pruned_between_two_pushes_keeps_one_history(s3_server: Server, tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "a")
    Night(archive, "2026-11-22").run(make_reports())
    store = s3_server.store()
    push(store, archive)
    Night(archive, "2026-11-23").run(make_reports())
    Night(archive, "2026-11-24").run(make_reports(each=4))
    with archive.lock(command="test", wait_s=0):
        archive.prune("2026-11-22", at="2026-11-24T10:00:00Z")
        archive.prune("2026-11-23", at="2026-11-24T10:00:00Z")
    assert push(store, archive) == ("2026-11-24",)
    chain = load_chain(store)
    assert not chain.faults
    assert list(chain.snapshots) == ["2026-11-22", "2026-11-24"]
    assert look(store, archive).problems == []
    check_same(store, archive, tmp_path / "b")


def test_a_report_restored_to_an_earlier_version_is_recognised(s3_server: Server, tmp_path: Path) -> None:
    """A, B, A: the third night needs the pack of the first, which the second does not name."""
    archive = open_archive(tmp_path / "a")
    first = make_reports(projects=1, each=1)
    changed = [type(first[0])(**{**vars(first[0]), "html": b"<html>changed</html>"})]
    for date, reports in (("2026-11-22", first), ("2026-11-23", changed), ("2026-11-24", first)):
        Night(archive, date).run(reports)
    store = s3_server.store()
    push(store, archive)
    assert look(store, archive, read=(1, 1)).problems == []
    check_same(store, archive, tmp_path / "b")


def test_a_second_writer_is_told_who_holds_the_bucket(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    with (
        hold_lease(store, "first", LeaseTimes()),
        pytest.raises(BucketLockedError, match="by push first on"),
    ):
        push(s3_server.store(store.address), archive)
    assert len(push(store, archive)) == 2


def test_sixteen_pushes_at_once_make_one_chain(s3_server: Server, tmp_path: Path) -> None:
    """Leases that end at once let all of them in: what keeps the ledger whole is the creation of entries."""
    archive = make_archive(tmp_path / "a", 3)
    address = s3_server.address()
    settings = PushSettings(at_once=2, lease=LeaseTimes(ttl_s=0, beat_s=300))

    def one(number: int) -> str:
        try:
            Push(s3_server.store(address), archive, settings).run()
        except BucketLockedError:
            return "locked"
        return "done"

    with ThreadPoolExecutor(16) as threads:
        endings = list(threads.map(one, range(16)))
    assert "done" in endings
    store = s3_server.store(address)
    chain = load_chain(store)
    assert not chain.faults
    assert len(chain.entries) == 3
    assert [item for item in look(store, archive, read=(1, 1)).problems if item.is_damage] == []
    check_same(store, archive, tmp_path / "b")


def test_sixteen_pushes_at_once_wait_for_each_other(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a", 3)
    address = s3_server.address()

    def one(number: int) -> tuple[str, ...]:
        try:
            return push(s3_server.store(address), archive)
        except BucketLockedError:
            return ("locked",)

    with ThreadPoolExecutor(16) as threads:
        endings = list(threads.map(one, range(16)))
    committed = [name for ending in endings for name in ending if name != "locked"]
    assert sorted(committed) == ["2026-11-22", "2026-11-23", "2026-11-24"]
    assert look(s3_server.store(address), archive).problems == []


def test_a_store_that_ignores_create_only_is_tied_to_one_machine(
    s3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless(SteppingStore):
        def create(self, key: str, content: bytes, *, lock: bool = True) -> object:  # type: ignore[override]
            return self.overwrite(key, content, lock=lock)

    archive = make_archive(tmp_path / "a")
    options = s3_server.options()
    push(Careless(options), archive)
    Night(archive, "2026-11-25").run(make_reports())
    assert push(Careless(options), archive) == ("2026-11-25",)  # the same machine goes on
    Night(archive, "2026-11-26").run(make_reports())
    monkeypatch.setattr("harvester.bucket.push.this_host", lambda: "another")
    with pytest.raises(BucketConflictError, match="only one machine"):
        push(Careless(options), archive)


def test_a_beat_that_finds_another_writer_ends_the_push(s3_server: Server) -> None:
    store = s3_server.store()
    with (
        hold_lease(store, "first", LeaseTimes(ttl_s=0)) as first,
        hold_lease(store, "second", LeaseTimes()),
        pytest.raises(BucketLockedError, match="taken the bucket over"),
    ):
        first.renew()


def test_local_directories_are_buckets_too(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = Store(StoreOptions(parse_address(f"file://{tmp_path}/bucket")))
    assert len(push_to_files(store, archive)) == 2
    Night(archive, "2026-11-25").run(make_reports(each=5))
    assert push_to_files(store, archive) == ("2026-11-25",)
    check_same(store, archive, tmp_path / "b")


def push_to_files(store: Store, archive: Archive) -> tuple[str, ...]:
    return Push(store, archive).run().snapshots
