"""The command line as its users call it: a process of its own, with the environment that it is given."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anyio

from harvester.cli.app import COMMANDS
from harvester.cli.lazy import LazyCommands

TIMEOUT_S = 60


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def harvester(*words: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end, without a terminal."""
    done = subprocess.run(
        _command(words),
        cwd=cwd,
        env=command_environment(environ, cwd),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


async def harvester_beside(*words: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> Done:
    """The same while the caller's event loop goes on, for instance to serve the simulator."""
    with anyio.fail_after(TIMEOUT_S):
        done = await anyio.run_process(
            _command(words),
            cwd=cwd,
            env=command_environment(environ, cwd),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def _command(words: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "harvester", *map(str, words)]


def command_environment(environ: Mapping[str, str] | None, cwd: Path) -> dict[str, str]:
    """What is given, what measures coverage, and a state directory for those who work in `cwd`."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    place = hashlib.sha256(str(cwd.absolute()).encode()).hexdigest()[:16]
    return measured | {"XDG_STATE_HOME": f"{_states()}/{place}"} | dict(environ or {})


@cache
def _states() -> str:
    directory = tempfile.TemporaryDirectory(prefix="harvester-states-")
    atexit.register(directory.cleanup)
    return directory.name


def commands() -> list[str]:
    """Every command as it is typed: `run`, `config show`."""
    return [
        f"{name} {below}".strip()
        for name, entry in COMMANDS.items()
        for below in (entry.commands if isinstance(entry, LazyCommands) else [""])
    ]
