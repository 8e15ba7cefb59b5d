"""`harvester run` as a process of its own: each exit code, interruptions, and no secret anywhere."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from support.builders import USER_ID, make_backtests, make_scenario
from support.cli import TIMEOUT_S, Done, command_environment, harvester_beside

from harvester.simulator import (
    BacktestSpec,
    Fault,
    FaultKind,
    Identity,
    Limit,
    ReportKind,
    RequestRecord,
    Scenario,
    Simulator,
)

TOKEN = "CANARY0token0of0the0main0job"
REPORT = "backtests/read/report"


def scenario(backtests: tuple[BacktestSpec, ...] = make_backtests(3), **fields: Any) -> Scenario:
    return make_scenario(backtests, token=TOKEN, **fields)


def environment(simulator: Simulator, token: str = TOKEN) -> dict[str, str]:
    """An account at the simulator, and patience for fractions of a second."""
    return {
        "HARVESTER_API_BASE_URL": simulator.base_url,
        "HARVESTER_API_TRIES": "1",
        "HARVESTER_PACE_BURST": "10",
        "HARVESTER_PACE_PAUSE": "50ms",
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "HARVESTER_REPORTS_DEADLINE": "300ms",
        "HARVESTER_REPORTS_FIRST_POLL": "50ms",
        "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
        "HARVESTER_REPORTS_TRIES": "1",
        "QUANTCONNECT_API_TOKEN": token,
        "QUANTCONNECT_USER_ID": str(USER_ID),
    }


async def run(served: Scenario, cwd: Path, *words: str, token: str = TOKEN, **environ: str) -> Done:
    async with Simulator(served) as simulator:
        asked = environment(simulator, token) | environ
        return await harvester_beside(*(words or ("run",)), cwd=cwd, environ=asked)


def poisoned(kind: FaultKind) -> tuple[Fault, ...]:
    return (Fault(kind=kind, route=REPORT, backtest_id=f"{2:032x}"),)


async def test_complete_run_ends_with_0_and_prints_the_proof(tmp_path: Path) -> None:
    done = await run(scenario(), tmp_path)
    assert done.code == 0
    assert "listed      3 = 3 saved" in done.out
    assert done.err.splitlines()[-1].split()[2:5] == ["ended", "exit_code=0", "exit=ok"]


async def test_quiet_run_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    done = await run(scenario(), tmp_path, "-q", "run")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("served", "words", "code", "name"),
    [
        (scenario(faults=poisoned(FaultKind.EMPTY_500)), ["run"], 3, "partial"),
        (scenario(make_backtests(1, report=ReportKind.FOREVER)), ["run"], 4, "pending"),
        (scenario(make_backtests(1, generation_s=60)), ["run", "--max-duration", "500ms"], 10, "time"),
        (
            scenario(faults=poisoned(FaultKind.TOO_MANY_SECONDS), limit=Limit(retry_after_s=86_400)),
            ["run"],
            18,
            "throttled",
        ),
    ],
)
async def test_run_that_committed_less_than_everything_says_so_everywhere(
    tmp_path: Path, served: Scenario, words: list[str], code: int, name: str
) -> None:
    patience = {"HARVESTER_REPORTS_DEADLINE": "60s"} if code == 10 else {}
    done = await run(served, tmp_path, "-q", "--log-format", "json", *words, "--json", **patience)
    assert done.code == code
    summary = done.document()
    assert (summary["exit_code"], summary["exit"]) == (code, name)
    assert summary["snapshot"]["complete"] is False
    last = json.loads(done.err.splitlines()[-1])
    assert (last["exit_code"], last["exit"]) == (code, name)


async def test_failure_names_backtest_project_tries_and_what_follows(tmp_path: Path) -> None:
    done = await run(
        scenario(faults=poisoned(FaultKind.EMPTY_500)), tmp_path, "-q", "--log-format", "json", "run"
    )
    first = json.loads(done.err.splitlines()[0])
    assert first["backtest_id"] == f"{2:032x}"
    assert "Project 1 / Backtest 2" in first["event"]
    assert first["requests"] >= 1
    assert "the next run tries again" in first["next"]


@pytest.mark.parametrize(
    ("served", "token", "remedy"),
    [
        (scenario(), "CANARY0wrong0token", "check the user id and the API token"),
        (
            scenario(identity=Identity(clock_offset_s=5 * 3600)),
            TOKEN,
            "behind the server's; set it",
        ),
    ],
)
async def test_refused_signature_ends_with_12_and_says_why(
    tmp_path: Path, served: Scenario, token: str, remedy: str
) -> None:
    done = await run(served, tmp_path, "run", "--json", token=token)
    assert done.code == 12
    assert done.document()["exit"] == "auth"
    assert remedy in done.err
    assert "CANARY" not in done.out + done.err


async def test_full_disk_ends_with_16_and_the_next_run_goes_on(tmp_path: Path) -> None:
    served = scenario()
    async with Simulator(served) as simulator:
        words = " ".join(["ulimit -f 8; exec", sys.executable, "-m harvester run"])
        done = await anyio.run_process(
            ["sh", "-c", words],
            cwd=tmp_path,
            env=command_environment(environment(simulator), tmp_path),
            check=False,
        )
        assert done.returncode == 16, done.stderr.decode()
        assert "ulimit -f" in done.stderr.decode()
        again = await harvester_beside("run", cwd=tmp_path, environ=environment(simulator))
    assert again.code == 0


@asynccontextmanager
async def run_under_way(served: Scenario, cwd: Path, *, requests: int) -> AsyncIterator[anyio.abc.Process]:
    """A run that has sent this many requests and has none of its own reasons to end."""
    begun, left = anyio.Event(), iter(range(requests - 1, -1, -1))

    def note(_: RequestRecord) -> None:
        if next(left, 0) == 0:
            begun.set()

    async with Simulator(served, record=note) as simulator:
        environ = environment(simulator) | {"HARVESTER_REPORTS_DEADLINE": "10m"}
        words = [sys.executable, "-m", "harvester", "run"]
        async with await anyio.open_process(
            words,
            cwd=cwd,
            env=command_environment(environ, cwd),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            with anyio.fail_after(TIMEOUT_S):
                await begun.wait()
                yield process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_signal_keeps_what_was_read_and_ends_with_its_code(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    backtests = (*make_backtests(2), *make_backtests(1, first=3, report=ReportKind.FOREVER))
    async with run_under_way(scenario(backtests), tmp_path, requests=8) as process:
        process.send_signal(number)
        assert await process.wait() == code
    (partial,) = (tmp_path / "archive").glob(".*.partial")
    assert len(list(partial.glob("data/*/*/report.html"))) == 2
    assert not (tmp_path / "archive" / "latest").exists()


async def test_second_signal_ends_the_run_at_once(tmp_path: Path) -> None:
    hanging = tuple(
        Fault(kind=FaultKind.HANG, route=REPORT, backtest_id=f"{number:032x}") for number in (2, 3)
    )
    async with run_under_way(scenario(faults=hanging), tmp_path, requests=5) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(TIMEOUT_S / 4):
            assert await process.wait() in {130, 143}


async def test_no_secret_is_in_any_output_or_file(tmp_path: Path) -> None:
    began = int(time.time())
    faults = (
        Fault(kind=FaultKind.HASH, route=REPORT, backtest_id=f"{1:032x}", attempts=(1,)),
        Fault(kind=FaultKind.ERRORS, route=REPORT, backtest_id=f"{2:032x}"),
        Fault(kind=FaultKind.RESET_IN_BODY, route=REPORT, backtest_id=f"{3:032x}"),
    )
    proxy = {"FTP_PROXY": "http://user:CANARY0proxy0password@proxy.example.org"}
    shown = ""
    for words in (
        ["-v", "run"],
        ["-v", "--log-format", "json", "run", "--refresh", "0", "--json"],
        ["-v", "doctor"],
    ):
        done = await run(scenario(faults=faults), tmp_path, *words, **proxy)
        shown += done.out + done.err
    done = await run(scenario(), tmp_path, "-v", "run", token="CANARY0refused")
    shown += done.out + done.err
    secrets = [b"CANARY", b"Basic "]
    secrets += [
        hashlib.sha256(f"{TOKEN}:{second}".encode()).hexdigest().encode()
        for second in range(began, int(time.time()) + 1)
    ]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "journal.jsonl" for path in written)
    for content in [shown.encode(), *(path.read_bytes() for path in written)]:
        assert not [secret for secret in secrets if secret in content]


async def test_no_secret_is_in_the_arguments_and_no_core_file_is_written(tmp_path: Path) -> None:
    async with run_under_way(
        scenario(make_backtests(1, report=ReportKind.FOREVER)), tmp_path, requests=4
    ) as process:
        about = anyio.Path(f"/proc/{process.pid}")
        arguments = await (about / "cmdline").read_bytes()
        limits = await (about / "limits").read_text()
        process.send_signal(signal.SIGINT)
        await process.wait()
    assert b"harvester" in arguments
    assert b"CANARY" not in arguments
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "0"


async def test_the_index_is_opened_when_that_is_asked_for(tmp_path: Path) -> None:
    done = await run(scenario(), tmp_path, "run", "--open", BROWSER="echo opened %s")
    assert done.code == 0
    assert "opened file://" in done.out + done.err
    assert "/index.html" in done.out
