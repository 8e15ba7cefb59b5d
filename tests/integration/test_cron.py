"""A run as cron and systemd start it: no terminal, an empty environment, nothing writable but the archive."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.cli import harvester

from harvester.simulator import Simulator

_PROGRAM = Path(sys.executable).with_name("harvester")

_READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro /
if touch "$2" 2>/dev/null; then echo "the root is not read-only"; exit 99; fi
shift 2
exec "$@"
"""
"""A shell of its own mount namespace, in which only the directory $1 can be written."""


def _can_unshare() -> bool:
    words = ["unshare", "--mount", "sh", "-c", "mount --make-rprivate / && mount -o remount,bind,ro /"]
    try:
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def configure(cwd: Path, base_url: str, account: str = "") -> Path:
    """What a server has: a configuration and a token, each in a file; the account may have a table."""
    token = cwd / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    path = cwd / "harvester.toml"
    path.write_text(
        f'{account}\narchive.dir = "{cwd}/archive"\napi.base_url = "{base_url}"\npace.rate_per_min = 60000\n'
        f'credentials.user_id = "{USER_ID}"\ncredentials.token_file = "{token}"\n'
    )
    return path


async def started(words: list[str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """With an empty environment and no terminal, as cron does it."""
    return await anyio.run_process(words, cwd=cwd, env={}, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("account", ["", "[accounts.main]"])
async def test_the_crontab_line_works_as_cron_runs_it_and_says_nothing(tmp_path: Path, account: str) -> None:
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        config = configure(tmp_path, simulator.base_url, account)
        config.write_text(config.read_text().replace(f"{tmp_path}/archive", "archive"))
        line = harvester("--config", config, "schedule", "--cron", cwd=tmp_path).out
        command = line.split(maxsplit=5)[5].strip().replace(r"\%", "%")
        words = shlex.split(command)
        command = shlex.join([str(_PROGRAM), *words[1:]])  # of this environment, not of the caller's PATH
        done = await started(["/bin/sh", "-c", command], Path("/"))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert harvester("--config", config, "verify", "--archive", "archive", cwd=tmp_path).code == 0


@pytest.mark.skipif(not _can_unshare(), reason="a mount namespace cannot be made here")
async def test_a_run_needs_to_write_nowhere_but_in_the_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    async with Simulator(make_scenario(make_backtests(3))) as simulator:
        config = configure(tmp_path, simulator.base_url)
        confined = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh"]
        confined += [str(tmp_path / "archive"), str(tmp_path / "elsewhere")]
        words = [*confined, str(_PROGRAM), "--config", str(config), "-q", "run"]
        environ = {"PATH": os.environ["PATH"], "HARVESTER_METRICS_TEXTFILE": f"{tmp_path}/archive/run.prom"}
        for _ in range(2):  # the second one carries, verifies what was cut off, and updates the catalog
            done = await anyio.run_process(words, env=environ, stdin=subprocess.DEVNULL, check=False)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        for command in ("doctor", "verify"):
            words = [*confined, str(_PROGRAM), "--config", str(config), "-q", command]
            done = await anyio.run_process(words, env=environ, stdin=subprocess.DEVNULL, check=False)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"archive", "token", "harvester.toml"}
    assert (tmp_path / "archive" / "catalog.sqlite").exists()
