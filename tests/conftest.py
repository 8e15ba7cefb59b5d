"""What every test stands on: a clean environment, and an event loop that nobody blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

if TYPE_CHECKING:
    from support.object_store import Server

_PREFIXES = (
    "HARVESTER_",
    "QC_",
    "QUANTCONNECT_",
    "XDG_",
    "CREDENTIALS_DIRECTORY",
    "NO_COLOR",
    "FORCE_COLOR",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No setting, credential, proxy or home of the person who runs the tests; gives the home in force."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def blocked_loop_fails() -> Iterator[BlockBuster]:
    """A call from harvester's own code that blocks the event loop is an error."""
    with blockbuster_ctx("harvester") as blockbuster:
        blockbuster.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", {"lock_data"})
        yield blockbuster


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real S3 server on loopback, the same for all tests of this process."""
    from support.object_store import require_obstore, running_server

    require_obstore()
    with running_server(tmp_path_factory.mktemp("s3") / "weed") as server:
        yield server
