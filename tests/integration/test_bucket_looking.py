"""Asking a store what it can do, and looking at a date without unpacking it."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from support.buckets import make_archive, push, s3_requests
from support.object_store import LOCKED, Server, SteppingStore

from harvester.bucket.browse import browsing
from harvester.bucket.probe import Asked, probe_store
from harvester.bucket.reader import BucketReader
from harvester.bucket.retention import parse_retention
from harvester.errors import BucketError


def _get(url: str, path: str, host: str = "") -> tuple[int, bytes, str]:
    netloc = url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(netloc, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers["Content-Type"]


def test_browsing_serves_each_file_as_it_was(s3_server: Server, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = s3_server.store()
    push(store, archive)
    root = tmp_path / "a" / "2026-11-22"
    with browsing(BucketReader.open(store), "2026-11-22") as server:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = path.relative_to(root).as_posix()
                status, content, _ = _get(server.url, "/" + name)
                assert (status, content) == (200, path.read_bytes()), name
        assert _get(server.url, "/data/../../etc/passwd")[0] == 404
        assert _get(server.url, "/nothing")[0] == 404
        assert _get(server.url, "/", host="evil.example")[0] == 421
        assert (
            "image/png" in _get(server.url, "/" + next(root.rglob("*.png")).relative_to(root).as_posix())[2]
        )


def test_browsing_a_date_that_is_not_there_lists_what_is(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    with (
        pytest.raises(BucketError, match="it has 2026-11-22, 2026-11-23"),
        browsing(BucketReader.open(store), "2020-01-01"),
    ):
        pass


def test_a_good_store_passes_every_check(s3_server: Server) -> None:
    store = s3_server.store(s3_server.address(LOCKED))
    asked = Asked(retention=parse_retention("governance:7y"), s3=s3_requests(store))
    checks = probe_store(store, asked)
    assert {check.status for check in checks} == {"ok"}, checks
    assert list(store.list("")) == []


def test_a_store_that_ignores_create_only_is_named(s3_server: Server) -> None:
    class Careless(SteppingStore):
        def create(self, key: str, content: bytes, *, lock: bool = True) -> object:  # type: ignore[override]
            return self.overwrite(key, content, lock=lock)

    checks = {check.name: check for check in probe_store(Careless(s3_server.options()), Asked())}
    assert checks["bucket create-only"].status == "warning"
    assert "If-None-Match" in checks["bucket create-only"].text


def test_a_bucket_without_locks_is_no_place_for_a_retention(s3_server: Server) -> None:
    store = s3_server.store()
    asked = Asked(retention=parse_retention("compliance:7y"), s3=s3_requests(store))
    checks = {check.name: check for check in probe_store(store, asked)}
    assert checks["bucket retention"].status == "error"


def test_the_archive_of_another_account_is_named(s3_server: Server, tmp_path: Path) -> None:
    store = s3_server.store()
    push(store, make_archive(tmp_path / "a"))
    checks = {check.name: check for check in probe_store(store, Asked(account="feedfeedfeedfeed"))}
    assert checks["bucket archive"].status == "error"
