"""The same protocol on Azure's own emulator, where it is installed."""

from __future__ import annotations

import hmac
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from support.archives import Night, make_reports
from support.buckets import check_same, make_archive
from support.object_store import require_obstore

from harvester.bucket.address import parse_address
from harvester.bucket.lease import LeaseTimes, hold_lease
from harvester.bucket.probe import Asked, probe_store
from harvester.bucket.push import Push
from harvester.bucket.store import Store, StoreOptions
from harvester.bucket.verify import Scope, Verify
from harvester.errors import BucketLockedError

_HERE = Path(__file__).parents[2] / ".venv" / "azurite" / "node_modules" / ".bin"
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of the emulator, which its manual prints."""


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreOptions]:
    require_obstore()
    command = shutil.which("azurite-blob", path=os.pathsep.join([str(_HERE), os.environ["PATH"]]))
    if command is None:
        pytest.skip("azurite is not installed (npm install --prefix .venv/azurite azurite)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        command,
        "--silent",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
        "--location",
        tmp_path / "az",
    ]
    with subprocess.Popen([*map(str, words), "--skipApiVersionCheck", "--disableTelemetry"]) as process:
        try:
            _wait(port)
            monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", _ACCOUNT)
            monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", _KEY)
            endpoint = f"http://127.0.0.1:{port}/{_ACCOUNT}"
            _make_container(endpoint)
            yield StoreOptions(parse_address("az://archive/fleet/alpha"), endpoint=endpoint, patience_s=1)
        finally:
            process.kill()


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("azurite did not start")


def _make_container(endpoint: str) -> None:
    """Make the container, with a request signed as Azure wants it (Shared Key)."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = "PUT" + "\n" * 12 + named + f"/{_ACCOUNT}/{_ACCOUNT}/archive\nrestype:container"
    signature = b64encode(hmac.digest(b64decode(_KEY), text.encode(), "sha256")).decode()
    headers |= {"Authorization": f"SharedKey {_ACCOUNT}:{signature}", "Content-Length": "0"}
    request = urllib.request.Request(f"{endpoint}/archive?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def test_an_archive_goes_to_azure_and_back(azure: StoreOptions, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a")
    store = Store(azure)
    assert {check.status for check in probe_store(store, Asked())} == {"ok"}
    assert len(Push(store, archive).run().snapshots) == 2
    Night(archive, "2026-11-24").run(make_reports(each=5))
    assert Push(store, archive).run().snapshots == ("2026-11-24",)
    assert Verify(store, Scope(read=(1, 1)), archive=archive).run().problems == []
    with hold_lease(store, "first", LeaseTimes()):
        Night(archive, "2026-11-25").run(make_reports(each=5))
        with pytest.raises(BucketLockedError):
            Push(store, archive).run()
    assert Push(store, archive).run().snapshots == ("2026-11-25",)
    check_same(store, archive, tmp_path / "b")
