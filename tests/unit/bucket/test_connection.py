from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from harvester.bucket import BucketSpec, connect
from harvester.errors import ConfigError

_NOW = dt.datetime(2026, 11, 28, 3, 0, tzinfo=dt.UTC)


def test_each_account_has_its_own_prefix(tmp_path: Path) -> None:
    spec = BucketSpec("s3://bucket/fleet", region="eu-west-1", account="alpha")
    connection = connect(spec, environ={}, home=tmp_path)
    assert connection.address.url == "s3://bucket/fleet/alpha"
    assert connection.s3 is None  # no keys: only a role of the machine could sign


def test_settings_go_before_the_environment(tmp_path: Path) -> None:
    environ = {"AWS_REGION": "us-west-2", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    found = connect(BucketSpec("s3://bucket/a"), environ=environ, home=tmp_path).store.options
    assert (found.region, found.endpoint) == ("us-west-2", "http://127.0.0.1:1")
    spec = BucketSpec("s3://bucket/a", region="eu-west-1", endpoint="http://127.0.0.1:2")
    found = connect(spec, environ=environ, home=tmp_path).store.options
    assert (found.region, found.endpoint) == ("eu-west-1", "http://127.0.0.1:2")


def test_a_retention_becomes_headers_only_when_something_is_put(tmp_path: Path) -> None:
    spec = BucketSpec("s3://bucket/a", retention="compliance:70d")
    reading = connect(spec, environ={}, home=tmp_path)
    assert reading.retention is not None
    assert reading.store.options.lock_headers == {}
    assert connect(spec, environ={}, home=tmp_path, now=_NOW).store.options.lock_headers == {
        "x-amz-object-lock-mode": "COMPLIANCE",
        "x-amz-object-lock-retain-until-date": "2027-02-16T03:00:00Z",
    }


def test_a_retention_where_it_cannot_be_set_per_object_is_named(tmp_path: Path) -> None:
    spec = BucketSpec(f"file://{tmp_path}/b", retention="governance:7y")
    with pytest.raises(ConfigError, match="on S3 only"):
        connect(spec, environ={}, home=tmp_path, now=_NOW)
