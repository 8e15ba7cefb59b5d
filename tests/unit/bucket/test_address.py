from __future__ import annotations

import pytest

from harvester.bucket.address import Address, is_url, parse_address
from harvester.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket", Address("s3", "bucket", "")),
        ("s3://bucket/a/b/", Address("s3", "bucket", "a/b")),
        ("gs://bucket/a", Address("gs", "bucket", "a")),
        ("abfss://container/a", Address("az", "container", "a")),
        ("file:///srv/my%20archive/", Address("file", "", "/srv/my archive")),
    ],
)
def test_urls_are_taken_apart(text: str, address: Address) -> None:
    assert is_url(text)
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "/srv/archive", "http://bucket/a", "s3://", "s3:///a", "s3://key:secret@bucket/a", "s3://bucket/a?x=1",
     "s3://bucket/../a", "s3://bucket/a b", "file://host/srv", "s3://bucket/a//b", "s3://[bucket"],
)  # fmt: skip
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"bucket\.url"):
        parse_address(text)


def test_an_address_with_a_secret_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("s3://key:hunter22@bucket/a")
    assert "hunter22" not in str(caught.value)


def test_each_account_has_a_place_below() -> None:
    assert parse_address("s3://bucket/fleet").below("alpha").url == "s3://bucket/fleet/alpha"
    assert not is_url("C:/archive")
    assert not is_url("archive")
