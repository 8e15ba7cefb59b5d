"""Signatures of requests: botocore is the judge."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harvester.bucket import store as store_module
from harvester.bucket.credentials import S3Keys
from harvester.bucket.signed import Request, sign
from harvester.secrets import Secret


@pytest.mark.parametrize("token", ["", "a-session-token"])
@pytest.mark.parametrize(
    ("method", "query", "body"), [("GET", "", b""), ("PUT", "retention=&versionId=a%2Fb", b"<x/>")]
)
def test_signatures_are_those_of_botocore(
    monkeypatch: pytest.MonkeyPatch, method: str, query: str, body: bytes, token: str
) -> None:
    now = dt.datetime(2026, 11, 28, 3, 0, 0, tzinfo=dt.UTC)
    monkeypatch.setattr(
        "botocore.auth.get_current_datetime", lambda *_, **__: now.replace(tzinfo=None), raising=False
    )
    keys = S3Keys("KEYID", Secret("secret-of-a-test"), Secret(token) if token else None)
    path = "/bucket/a%20b/c.zip"
    headers = {"host": "s3.example.com", "x-amz-checksum-mode": "ENABLED"}
    ours = sign(keys, "eu-west-1", now, Request(method, path, query, body, headers))
    request = AWSRequest(method, f"https://s3.example.com{path}?{query}".rstrip("?"), dict(headers), body)
    request.context["payload_signing_enabled"] = True
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4Auth(Credentials("KEYID", "secret-of-a-test", token or None), "s3", "eu-west-1")
    auth.add_auth(request)
    moment = request.headers.get("X-Amz-Date")
    if moment != now.strftime("%Y%m%dT%H%M%SZ"):  # its clock could not be set: sign at its moment
        at = dt.datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        ours = sign(keys, "eu-west-1", at, Request(method, path, query, body, headers))
    assert ours["authorization"] == request.headers["Authorization"]


def test_nothing_but_the_store_imports_its_library_and_nothing_of_it_is_asynchronous() -> None:
    """The library's asynchronous functions abort processes at their end, after all work was done."""
    room = Path(store_module.__file__).parent
    for path in room.glob("*.py"):
        text = path.read_text()
        assert "_async(" not in text, path
        assert path.name == "store.py" or "import obstore" not in text, path
        assert "async def" not in text, path
