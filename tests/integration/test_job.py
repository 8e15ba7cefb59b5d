"""What is around a run: the account of its archive, and how long it took."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import anyio
import msgspec
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario, make_settings
from support.cli import Done, harvester_beside

from harvester.app.exits import ExitCode
from harvester.app.log import StandardLog
from harvester.app.runs import Display, Finished, RunOrder, make_snapshot_async
from harvester.archive import Archive
from harvester.config import Credentials
from harvester.model import account_fingerprint
from harvester.secrets import Secret
from harvester.simulator import Simulator
from harvester.text import Duration

WAIT_S = 1.0


async def dry_run(cwd: Path) -> Done:
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        environ = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "QUANTCONNECT_API_TOKEN": TOKEN,
        }
        return await harvester_beside("run", "--dry-run", cwd=cwd, environ=environ)


@pytest.mark.parametrize(("owner", "code"), [(USER_ID, 0), (USER_ID + 1, 1)])
def test_a_dry_run_refuses_another_accounts_archive_as_a_run_does(
    tmp_path: Path, owner: int, code: int
) -> None:
    Archive.create_or_open(tmp_path / "archive", account=account_fingerprint(owner))
    before = [path.name for path in (tmp_path / "archive").iterdir()]
    done = anyio.run(dry_run, tmp_path)
    assert done.code == code, done.err
    assert ("is the Archive of another account" in done.err) == bool(code)
    assert [path.name for path in (tmp_path / "archive").iterdir()] == before


def test_the_wait_for_another_run_is_not_counted_to_this_one(tmp_path: Path) -> None:
    archive = Archive.create_or_open(tmp_path / "archive", account=account_fingerprint(USER_ID))
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with archive.lock(command="test", wait_s=0):
            held.set()
            over.wait(WAIT_S)

    async def run() -> Finished:
        async with Simulator(make_scenario(make_backtests(1))) as simulator:
            settings = make_settings(simulator.base_url, archive.root)
            patient = msgspec.structs.replace(settings.archive, lock_wait=Duration(30))
            settings = msgspec.structs.replace(settings, archive=patient)
            credentials = Credentials(USER_ID, Secret(TOKEN), "a test")
            return await make_snapshot_async(
                RunOrder(settings, credentials, share_pace=False), StandardLog(), Display()
            )

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    started = time.monotonic()
    finished = anyio.run(run)
    thread.join()
    assert finished.code is ExitCode.OK
    assert finished.seconds <= time.monotonic() - started - WAIT_S / 2
