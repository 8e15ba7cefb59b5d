"""Several accounts in one configuration, run side by side by processes of their own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import anyio
import msgspec
import pytest
from support.builders import make_backtests, make_scenario
from support.cli import TIMEOUT_S, Done, harvester, harvester_beside
from support.servers.listener import listening

from harvester.app.exits import ExitCode, code_of_process
from harvester.format.layout import LOCK
from harvester.simulator import Simulator

TOKENS = {111: "maintokenaaaa", 222: "fundtokenbbbb"}


@asynccontextmanager
async def two_accounts(
    cwd: Path, *, refused: str = "", more: str = "", names: tuple[str, str] = ("main", "fund")
) -> AsyncIterator[None]:
    """A configuration with two accounts, each with a simulator; one of them may have a wrong token."""
    main = make_scenario(make_backtests(3), user_id=111, token=TOKENS[111])
    fund = make_scenario(make_backtests(2), user_id=222, token=TOKENS[222])
    async with Simulator(main) as first, Simulator(fund) as second:
        text = f"pace.rate_per_min = 60000\n{more}"
        for name, user_id, simulator in zip(names, (111, 222), (first, second), strict=True):
            token = cwd / f"{name}.token"
            token.write_text("wrongtokencanary" if name == refused else TOKENS[user_id])
            token.chmod(0o600)
            text += (
                f'[accounts.{name}]\narchive.dir = "{cwd}/{name}"\napi.base_url = "{simulator.base_url}"\n'
                f'credentials.user_id = "{user_id}"\ncredentials.token_file = "{token}"\n'
            )
        (cwd / "harvester.toml").write_text(text)
        yield


async def run(cwd: Path, *words: str) -> Done:
    return await harvester_beside(*words, cwd=cwd, environ={"HOME": str(cwd)})


def listed(archive: Path) -> int:
    found: int = json.loads((archive / "latest" / "snapshot.json").read_bytes())["listed"]
    return found


async def test_all_accounts_get_their_snapshots_and_one_summary(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        done = await run(tmp_path, "run", "--all-accounts")
    assert done.code == 0, done.err
    assert (listed(tmp_path / "main"), listed(tmp_path / "fund")) == (3, 2)
    assert "Account main: ok" in done.out
    assert "  listed      3 = 3 saved" in done.out
    assert "Account fund: ok" in done.out
    assert "account=main" in done.err
    assert "account=fund" in done.err
    last = done.err.strip().splitlines()[-1]
    assert last.endswith("exit_code=0 exit=ok accounts={'main': 'ok', 'fund': 'ok'}")


@pytest.mark.parametrize("names", [("self", "event"), ("exit", "exit_code")])
async def test_an_account_may_have_any_name(tmp_path: Path, names: tuple[str, str]) -> None:
    async with two_accounts(tmp_path, names=names):
        done = await run(tmp_path, "--log-format", "json", "run", "--all-accounts")
    assert done.code == 0, done.err
    last = json.loads(done.err.strip().splitlines()[-1])
    assert (last["event"], last["accounts"]) == ("ended", dict.fromkeys(names, "ok"))


async def test_an_account_that_is_refused_spoils_no_other(tmp_path: Path) -> None:
    async with two_accounts(tmp_path, refused="fund"):
        done = await run(tmp_path, "run", "--all-accounts", "--json")
    document = done.document()
    assert (done.code, document["exit"]) == (12, "auth")
    assert document["accounts"]["main"]["exit_code"] == 0
    assert document["accounts"]["main"]["snapshot"]["counts"]["saved"] == 3
    assert document["accounts"]["fund"]["exit_code"] == 12
    assert "user id and the API token" in document["accounts"]["fund"]["errors"][0]
    assert listed(tmp_path / "main") == 3
    assert "canary" not in done.out + done.err


async def test_a_night_over_all_accounts_is_silent_when_all_is_well(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        done = await run(tmp_path, "-q", "run", "--all-accounts")
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_one_account_is_run_and_looked_at_by_its_name(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        done = await run(tmp_path, "run", "--account", "main")
    assert done.code == 0, done.err
    assert not (tmp_path / "fund").exists()
    at = {"cwd": tmp_path, "environ": {"HOME": str(tmp_path)}}
    assert "3" in harvester("snapshots", "--account", "main", **at).out
    assert harvester("verify", "--account", "main", **at).code == 0
    assert len(harvester("list", "--account", "main", "--json", **at).document()["backtests"]) == 3


async def test_without_a_name_the_accounts_are_named(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        done = await run(tmp_path, "run")
        both = await run(tmp_path, "run", "--all-accounts", "--account", "main", "--dry-run")
    assert done.code == 2
    assert "several accounts; add --account with one of main, fund" in done.err
    assert both.code == 2
    assert "--all-accounts cannot be combined with --account or --dry-run" in both.err


async def test_who_is_told_of_all_is_told_once_and_who_is_told_of_one_of_that_one(tmp_path: Path) -> None:
    async with listening() as listener:
        shared = f'notify.healthchecks_url = "{listener.url}/all"\n'
        async with two_accounts(tmp_path, refused="fund", more=shared):
            with (tmp_path / "harvester.toml").open("a") as file:
                file.write(f'notify.webhook_url = "{listener.url}/fund-alone"\n')
            done = await run(tmp_path, "run", "--all-accounts")
    assert done.code == 12
    assert [path for path, _ in listener.told] == ["/all/start", "/fund-alone", "/all/12"]
    assert json.loads(listener.told[1][1])["exit"] == "auth"


async def test_metrics_of_several_accounts_carry_their_names(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        with (tmp_path / "harvester.toml").open("a") as file:
            file.write(f'metrics.textfile = "{tmp_path}/fund.prom"\n')
        await run(tmp_path, "run", "--all-accounts")
    text = (tmp_path / "fund.prom").read_text()
    assert 'harvester_last_run_complete{account="fund"} 1.0' in text
    assert 'harvester_backtests{account="fund",outcome="saved"} 2.0' in text


async def test_the_last_success_of_all_is_the_oldest_that_one_of_them_had(tmp_path: Path) -> None:
    shared = f"metrics.textfile = '{tmp_path}/all.prom'\n"
    async with two_accounts(tmp_path, more=shared):
        assert (await run(tmp_path, "run", "--account", "main")).code == 0
        oldest = json.loads((tmp_path / "main" / "latest" / "snapshot.json").read_bytes())["finished"]
        await anyio.sleep(1.1)  # moments are kept in seconds
    async with two_accounts(tmp_path, more=shared, refused="main"):
        assert (await run(tmp_path, "run", "--all-accounts")).code == 12
    lines = dict(line.rsplit(maxsplit=1) for line in (tmp_path / "all.prom").read_text().splitlines())
    told = float(lines["harvester_last_success_timestamp_seconds"])
    assert told == datetime.fromisoformat(oldest).timestamp()


async def test_there_is_no_last_success_of_all_until_each_has_had_one(tmp_path: Path) -> None:
    shared = f"metrics.textfile = '{tmp_path}/all.prom'\n"
    async with two_accounts(tmp_path, more=shared, refused="fund"):
        await run(tmp_path, "run", "--all-accounts")
    text = (tmp_path / "all.prom").read_text()
    assert "harvester_last_run_exit_code 12" in text
    assert "last_success" not in text


async def test_the_configuration_shows_what_is_shared_and_what_is_own(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        text = harvester("config", "show", cwd=tmp_path, environ={"HOME": str(tmp_path)}).out
        document = harvester("config", "show", "--json", cwd=tmp_path, environ={}).document()
    assert "[accounts.main]" in text
    assert document["pace.rate_per_min"]["value"] == 60000
    assert document["accounts"]["fund"]["archive.dir"]["value"] == f"{tmp_path}/fund"
    assert "pace.rate_per_min" not in document["accounts"]["fund"]


async def test_the_first_signal_ends_all_of_them_gracefully(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        slow = (tmp_path / "harvester.toml").read_text().replace("60000", "60")
        (tmp_path / "harvester.toml").write_text(slow)
        process = await anyio.open_process(
            [sys.executable, "-m", "harvester", "--log-format", "json", "run", "--all-accounts", "--json"],
            cwd=tmp_path,
            env={"HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
        )
        with anyio.fail_after(TIMEOUT_S):
            out, err = b"", b""
            assert process.stdout is not None
            assert process.stderr is not None
            started = 0
            async for part in process.stderr:
                err += part
                if started < 2 <= err.count(b'"planned"'):
                    os.kill(process.pid, signal.SIGTERM)
                started = err.count(b'"planned"')
            async for part in process.stdout:
                out += part
            code = await process.wait()
    assert code == 143, err
    accounts = msgspec.json.decode(out)["accounts"]
    assert {summary["exit_code"] for summary in accounts.values()} == {143}
    assert {summary["snapshot"] for summary in accounts.values()} == {None}


async def test_a_signal_that_comes_before_the_run_itself_is_told_as_one(tmp_path: Path) -> None:
    async with two_accounts(tmp_path):
        assert (await run(tmp_path, "run", "--account", "fund")).code == 0
        with (tmp_path / "fund" / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = await anyio.open_process(
                [sys.executable, "-m", "harvester", "run", "--all-accounts", "--lock-wait=1m", "--json"],
                cwd=tmp_path,
                env={"HOME": str(tmp_path)},
                stdin=subprocess.DEVNULL,
            )
            with anyio.fail_after(TIMEOUT_S):
                out, err = b"", b""
                assert process.stdout is not None
                assert process.stderr is not None
                told = False
                async for part in process.stderr:
                    err += part
                    if not told and b"waiting up to" in err:
                        told = True
                        os.kill(process.pid, signal.SIGTERM)
                async for part in process.stdout:
                    out += part
                code = await process.wait()
    assert code == 143, err
    fund = msgspec.json.decode(out)["accounts"]["fund"]
    assert (fund["exit_code"], fund["errors"]) == (143, ["its process was killed"])


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        (0, ExitCode.OK),
        (3, ExitCode.PARTIAL),
        (-signal.SIGTERM, ExitCode.TERMINATED),
        (-signal.SIGINT, ExitCode.INTERRUPTED),
        (-signal.SIGKILL, ExitCode.ERROR),
        (77, ExitCode.ERROR),
    ],
)
def test_what_a_process_returned_is_a_code_of_ours(returned: int, code: ExitCode) -> None:
    assert code_of_process(returned) is code
