"""Run every account of the configuration: one process for each, side by side.

Each has its own lock, pace, journal and Snapshot, and one that fails holds up no other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from harvester.app.exits import ExitCode, code_of_process
from harvester.config import Loaded, is_address
from harvester.errors import ConfigError

_MAX_SUMMARY_CHARS: Final = 50_000_000
_FLAG: Final = "--all-accounts"


@dataclass(frozen=True)
class AccountEnd:
    """How one account's run ended."""

    name: str
    code: ExitCode
    summary: dict[str, Any]
    """What its `--json` printed; of a process that was killed its exit code and an error."""


@dataclass
class _AccountRun:
    """One account's process and what it has written to stdout so far."""

    name: str
    process: Process
    out: list[str] = field(default_factory=list)
    code: ExitCode = ExitCode.ERROR

    def end(self) -> AccountEnd:
        summary: Any = None
        with suppress(ValueError):
            summary = json.loads("".join(self.out))
        if not isinstance(summary, dict):
            errors = ["its process was killed"]
            summary = {"exit_code": self.code.value, "exit": self.code.label, "errors": errors}
        return AccountEnd(self.name, self.code, summary)


def check_all_accounts(loaded: Loaded, *, single: Mapping[str, bool]) -> None:
    """Raise if these options cannot be combined with a run of all accounts.

    Args:
        loaded: Settings, with the accounts.
        single: Options for one account only, and whether each was given.

    Raises:
        ConfigError: there are no accounts, or one of the options was given.
    """
    if not loaded.accounts:
        raise ConfigError(f"{_FLAG}: the configuration has no table [accounts.NAME]")
    given = [option for option, is_given in single.items() if is_given]
    if given:
        raise ConfigError(f"{_FLAG} cannot be combined with {' or '.join(given)}; name one with --account")


async def run_accounts(
    loaded: Loaded, arguments: Sequence[str], environ: Mapping[str, str], on_line: Callable[[str], None]
) -> list[AccountEnd]:
    """Run every account and wait for all. SIGINT and SIGTERM are passed on to each.

    Args:
        loaded: Settings, with the accounts.
        arguments: Of this process; each account's process gets them, with its name instead of the flag.
        environ: Of this process. Recipients in the shared settings are left out of the children's: the
            caller notifies them once.
        on_line: Called with each line that a process logs, its secrets masked already.
    """
    runs = [
        _AccountRun(name, await _start(arguments, name, _environment(environ, loaded, own)))
        for name, own in loaded.accounts.items()
    ]
    async with anyio.create_task_group() as watching:
        watching.start_soon(_forward_signals, runs)
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(_follow, run, on_line)
        watching.cancel_scope.cancel()
    return [run.end() for run in runs]


async def _start(arguments: Sequence[str], account: str, environ: Mapping[str, str]) -> Process:
    """Start the command for one account, in a session of its own: a signal must reach it only once."""
    words = [word for word in arguments if word not in {_FLAG, "--json"}]
    return await anyio.open_process(
        [sys.executable, "-m", "harvester", *words, "--json", f"--account={account}"],
        stdin=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    )


def _environment(environ: Mapping[str, str], loaded: Loaded, own: Loaded) -> dict[str, str]:
    """The environment of an account's process, with the recipients of the shared settings switched off."""
    changed = dict(environ)
    for key in msgspec.structs.fields(loaded.settings.notify):
        name = f"notify.{key.name}"
        if is_address(name) and own.origins[name] == loaded.origins[name]:
            changed[f"HARVESTER_NOTIFY_{key.name.upper()}"] = ""
    return changed


async def _follow(run: _AccountRun, on_line: Callable[[str], None]) -> None:
    """Read both streams of a process until it ends."""
    process = run.process
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("a process without pipes")
    async with process, anyio.create_task_group() as group:
        group.start_soon(_collect, run, TextReceiveStream(process.stdout, errors="replace"))
        group.start_soon(_pass_lines, TextReceiveStream(process.stderr, errors="replace"), on_line)
        code = await process.wait()
    run.code = code_of_process(code)


async def _collect(run: _AccountRun, stream: AsyncIterable[str]) -> None:
    size = 0
    async for text in stream:
        size += len(text)
        if size <= _MAX_SUMMARY_CHARS:
            run.out.append(text)


async def _pass_lines(stream: AsyncIterable[str], on_line: Callable[[str], None]) -> None:
    """Pass on whole lines only, so that those of two accounts never mix."""
    rest = ""
    async for text in stream:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            on_line(line)
    if rest:
        on_line(rest)


async def _forward_signals(runs: Sequence[_AccountRun]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            for run in runs:
                with suppress(ProcessLookupError):
                    os.kill(run.process.pid, number)
