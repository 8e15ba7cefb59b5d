"""The job around a run: whose archive it is, and how long it took."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_credentials, make_scenario
from support.cli import Done, harvester_beside

from harvester.app.run import Ended, Job, perform_as
from harvester.archive import Archive
from harvester.cli.console import ExitCode, Session
from harvester.config.settings import ArchiveSettings, Settings
from harvester.harvest.run import RunResult
from harvester.model import account_fingerprint
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
    archive = Archive.create_or_open(tmp_path, account=account_fingerprint(7))
    settings = Settings(archive=ArchiveSettings(dir=str(tmp_path), lock_wait=Duration(30)))
    job = Job(Session(quiet=True, environ={}), settings, make_credentials(7))
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with archive.lock(command="test", wait_s=0):
            held.set()
            over.wait(WAIT_S)

    async def once(_: Archive) -> Ended:
        return Ended(RunResult(tmp_path, None, ()), ExitCode.INTERRUPTED)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    end = perform_as(job, once)
    thread.join()
    assert end.document["seconds"] < WAIT_S / 2
