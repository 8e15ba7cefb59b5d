"""`harvester run --all-accounts`: one process for each account, side by side, and one summary of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from harvester.app.notifications import RunEnd
from harvester.cli.console import ExitCode, Session, emit_json, worst
from harvester.cli.output.summary import summary_lines
from harvester.config import is_address
from harvester.errors import ConfigError
from harvester.harvest import RunResult
from harvester.model import SnapshotRecord

if TYPE_CHECKING:
    from harvester.config import Loaded

_MOST_CHARS: Final = 50_000_000
"""Of one summary; it is our own, but nothing that is read is without a bound."""
_FLAG: Final = "--all-accounts"


@dataclass
class _AccountRun:
    """One account's process and what it has said on stdout."""

    name: str
    process: Process
    out: list[str] = field(default_factory=list)
    code: ExitCode = ExitCode.ERROR

    def summary(self) -> dict[str, Any]:
        """What it came to; of a process that was killed its code alone."""
        with suppress(ValueError):
            found = json.loads("".join(self.out))
            if isinstance(found, dict):
                return found
        return {"exit_code": self.code.value, "exit": self.code.label, "errors": ["its process was ended"]}


def check_all_accounts(loaded: Loaded, *, alone: Mapping[str, bool]) -> None:
    """Let pass what can be asked for of all accounts at once.

    Raises:
        ConfigError: there are none, or an option that goes with one account only was given.
    """
    if not loaded.accounts:
        raise ConfigError(f"{_FLAG}: the configuration has no table [accounts.NAME]")
    wrong = [option for option, given in alone.items() if given]
    if wrong:
        raise ConfigError(f"{_FLAG} does not go with {' or '.join(wrong)}; name one account by --account")


def perform_all(session: Session, loaded: Loaded) -> RunEnd:
    """Run every account and say what came of each; the worst exit code stands for all.

    The arguments of this process go to every other one. Each has its own lock, pace, journal and Snapshot;
    one that fails holds up nobody. Whom the settings that all share name is told once, of all, by the caller.
    """
    runs = anyio.run(_side_by_side, session, loaded)
    code = worst(run.code for run in runs)
    document = {
        "exit_code": code.value,
        "exit": code.label,
        "accounts": {run.name: run.summary() for run in runs},
    }
    lines = [line for run in runs for line in (f"Account {run.name}: {run.code.label}", *_lines(run))]
    if session.json:
        emit_json(document)
    else:
        session.say(*lines)
    say = session.log.info if code is ExitCode.OK else session.log.warning
    ends = {run.name: run.code.label for run in runs}
    say("ended", exit_code=code.value, exit=code.label, accounts=ends)
    archives = [Path(one.settings.archive.dir) for one in loaded.accounts.values()]
    return RunEnd(code, document, lines, archives=archives)


async def _side_by_side(session: Session, loaded: Loaded) -> list[_AccountRun]:
    runs = [
        _AccountRun(name, await _start(sys.argv[1:], name, _environment(session, loaded, own)))
        for name, own in loaded.accounts.items()
    ]
    async with anyio.create_task_group() as watching:
        watching.start_soon(_pass_signals_on, runs)
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(_follow, run)
        watching.cancel_scope.cancel()
    return runs


async def _start(arguments: Sequence[str], account: str, environ: Mapping[str, str]) -> Process:
    """The same command for one account. Signals reach it through us alone, so that each counts once."""
    words = [word for word in arguments if word not in {_FLAG, "--json"}]
    return await anyio.open_process(
        [sys.executable, "-m", "harvester", *words, "--json", f"--account={account}"],
        stdin=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    )


def _environment(session: Session, loaded: Loaded, own: Loaded) -> dict[str, str]:
    """Of an account's process: who is told by the shared settings is told by us."""
    environ = dict(session.environ)
    for key in msgspec.structs.fields(loaded.settings.notify):
        name = f"notify.{key.name}"
        if is_address(name) and own.origins[name] == loaded.origins[name]:
            environ[f"HARVESTER_NOTIFY_{key.name.upper()}"] = ""
    return environ


async def _follow(run: _AccountRun) -> None:
    """Until a process ends: its log goes to ours, line by line, its summary is kept."""
    process = run.process
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("a process without pipes")
    async with process, anyio.create_task_group() as group:
        group.start_soon(_keep, run, TextReceiveStream(process.stdout, errors="replace"))
        group.start_soon(_show, TextReceiveStream(process.stderr, errors="replace"))
        code = await process.wait()
    run.code = code_of_process(code)


def code_of_process(returned: int) -> ExitCode:
    """The code of a process of ours that has ended; one that a signal has ended never came to say its own.

    Args:
        returned: What the process returned; the signal's number, negative, when it was ended by one.
    """
    try:
        return ExitCode(128 - returned if returned < 0 else returned)
    except ValueError:
        return ExitCode.ERROR


async def _keep(run: _AccountRun, stream: AsyncIterable[str]) -> None:
    size = 0
    async for text in stream:
        size += len(text)
        if size <= _MOST_CHARS:
            run.out.append(text)


async def _show(stream: AsyncIterable[str]) -> None:
    """Whole lines only, so that those of two accounts never mix; they are masked already."""
    rest = ""
    async for text in stream:
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    sys.stderr.write(rest)


async def _pass_signals_on(runs: Sequence[_AccountRun]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            for run in runs:
                with suppress(ProcessLookupError):
                    os.kill(run.process.pid, number)


def _lines(run: _AccountRun) -> list[str]:
    """The summary of one account as text, indented."""
    summary = run.summary()
    if "path" not in summary:
        return [f"  {text}" for text in summary.get("errors", [])]
    record = summary["snapshot"] and msgspec.convert(summary["snapshot"], SnapshotRecord)
    result = RunResult(Path(summary["path"]), record, tuple(summary["notes"]))
    return [f"  {line}" for line in summary_lines(result, took_s=summary["seconds"])]
