"""Runs that are killed at random moments: whatever the moment, the next run makes everything whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest
from support.builders import SMALL, TOKEN, USER_ID, make_backtests, make_scenario

from harvester.archive import Archive
from harvester.audit import verify_archive
from harvester.simulator import Simulator

_REPORTS = 12
_WORKERS = 3
_LONGEST_S = 1.6
"""A run takes about a second; later than this it has ended."""
_REPORT = "backtests/read/report"


def _start(archive: Path, base_url: str) -> subprocess.Popen[bytes]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(archive.parent),
        "HARVESTER_API_BASE_URL": base_url,
        "HARVESTER_REPORTS_FIRST_POLL": "50ms",
        "QUANTCONNECT_USER_ID": str(USER_ID),
        "QUANTCONNECT_API_TOKEN": TOKEN,
    }
    words = ["-q", "run", "--archive", str(archive), "--rate", "3000/min", "--workers", str(_WORKERS)]
    return subprocess.Popen(
        [sys.executable, "-m", "harvester", *words], cwd=archive.parent, env=environ, stderr=subprocess.PIPE
    )


async def _run_and_kill(archive: Path, base_url: str, after_s: float) -> int:
    def run() -> int:
        process = _start(archive, base_url)
        try:
            process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return process.returncode

    return await anyio.to_thread.run_sync(run)


async def kill_and_mend(tmp_path: Path, seed: int) -> None:
    """Kill one run after a random time, then run once more and look at everything."""
    archive = tmp_path / "archive"
    dice = random.Random(seed)
    backtests = make_backtests(_REPORTS // 2) + make_backtests(_REPORTS // 2, first=50, generation_s=0.1)
    async with Simulator(make_scenario(backtests, drawing=SMALL)) as simulator:
        if seed % 2:  # half of them over an archive that has a Snapshot already
            assert await _run_and_kill(archive, simulator.base_url, 60) == 0
            simulator.account.add_backtest(101, make_backtests(1, first=90)[0])
            simulator.account.change_backtest(101, f"{1:032x}", snapshot_id=5)
        before = len(simulator.requests)
        await _run_and_kill(archive, simulator.base_url, dice.uniform(0.25, _LONGEST_S))
        visible = [path.name for path in archive.iterdir()] if archive.exists() else []
        assert await _run_and_kill(archive, simulator.base_url, 60) == 0
        ready = [
            record.backtest_id
            for record in simulator.requests[before:]
            if record.route == _REPORT and record.answer == "ready"
        ]
    problems = await anyio.to_thread.run_sync(lambda: verify_archive(Archive.open(archive)))
    assert problems == []
    twice = sum(number - 1 for number in Counter(ready).values())
    assert twice <= _WORKERS
    for name in visible:  # what had its name when the run died is whole
        if name[:2] == "20" and not (archive / name).is_symlink():
            _assert_listed_files_hold(archive / name)


def _assert_listed_files_hold(snapshot: Path) -> None:
    command = ["sha256sum", "--check", "--quiet", "manifest-sha256.txt"]
    subprocess.run(command, cwd=snapshot, check=True)


@pytest.mark.parametrize("seed", range(20))
async def test_a_run_killed_at_a_random_moment_costs_at_most_what_was_in_flight(
    tmp_path: Path, seed: int
) -> None:
    await kill_and_mend(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20, 200))
async def test_a_run_killed_at_any_of_many_moments_costs_at_most_what_was_in_flight(
    tmp_path: Path, seed: int
) -> None:
    await kill_and_mend(tmp_path, seed)
