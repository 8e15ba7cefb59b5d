"""QuantConnect's own client takes the simulator for the real thing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
import pytest

from harvester.config.credentials import find_credentials
from harvester.config.settings import CredentialSettings
from harvester.simulator import Simulator, sample_scenario

_PORT = 5612
"""Fixed in the client, for `QC_API=local`."""
_LEAN = Path(__file__).parents[2] / ".venv-lean" / "bin" / "lean"


def _port_is_free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", _PORT)) != 0


pytestmark = [
    pytest.mark.skipif(not _LEAN.exists(), reason="`make test` installs QuantConnect's client in .venv-lean"),
    pytest.mark.skipif(not _port_is_free(), reason=f"port {_PORT} is taken"),
]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Serves in a thread of its own, since the client is a process that is waited for."""
    served = Simulator(sample_scenario(backtests=4), port=_PORT)
    up, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served:
            up.set()
            await anyio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert up.wait(10)
    yield served
    over.set()
    thread.join(10)


def _lean(home: Path, *args: str) -> str:
    modules = next((_LEAN.parents[1] / "lib").glob("python*/site-packages/lean")) / "modules-1.14.json"
    modules.write_text('{"modules": []}')  # the client wants a list from a CDN; an empty one is as good
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "QC_API": "local", "NO_PROXY": "*"}
    done = subprocess.run(
        [str(_LEAN), *args], cwd=home, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _settled(home: Path) -> None:
    """A home in which the client has looked for news of itself a moment ago, and does not ask the network."""
    cache = home / ".lean" / "cache"
    cache.parent.mkdir()
    moment = datetime.now(UTC).timestamp()
    cache.write_text(json.dumps({f"last-update-check-{what}": moment for what in ("cli", "announcements")}))


def test_quantconnects_own_client_logs_in_and_pulls_every_project(
    simulator: Simulator, tmp_path: Path
) -> None:
    _settled(tmp_path)
    said = _lean(
        tmp_path,
        "login",
        "--user-id",
        str(simulator.scenario.user_id),
        "--api-token",
        simulator.scenario.token,
    )
    assert "Successfully logged in" in said
    organization = simulator.scenario.projects[0].organization_id
    (tmp_path / "lean.json").write_text(json.dumps({"organization-id": organization, "data-folder": "data"}))
    (tmp_path / "data").mkdir()
    _lean(tmp_path, "cloud", "pull")
    names = [project.spec.name for project in simulator.account.projects.values()]
    pulled = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("main.py")}
    assert pulled == set(names)
    assert [record.answer for record in simulator.requests if record.answer == "no"] == []
    # And what it writes down at login is where harvester finds its credentials.
    found = find_credentials(CredentialSettings(), {}, home=tmp_path)
    assert found.user_id == simulator.scenario.user_id
    assert found.token.reveal() == simulator.scenario.token
