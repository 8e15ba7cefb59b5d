"""A simulator for clients that run as processes of their own, and the environments of those clients."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from harvester.simulator import Simulator

ROOT = Path(__file__).parents[2]


def python_of(environment: str) -> Path:
    """The interpreter of an environment that `make test` has made."""
    return ROOT / environment / "bin" / "python"


def why_not(environment: str) -> str:
    """Why an environment cannot be used; empty when it can."""
    if (ROOT / environment / ".ready").exists():
        return ""
    try:
        return (ROOT / environment / "why-not").read_text().strip()
    except OSError:
        return f"`make test` makes {environment}"


@contextmanager
def served(simulator: Simulator) -> Iterator[Simulator]:
    """Serves in a thread of its own, since whoever asks is a process that is waited for."""
    up, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with simulator:
            up.set()
            await anyio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        assert up.wait(10)
        yield simulator
    finally:
        over.set()
        thread.join(10)


def ask_judge(environment: str, script: str, *words: str, about: Any, environ: dict[str, str]) -> Any:
    """What a script of `tests/judges` prints, run by the interpreter of its environment."""
    done = subprocess.run(
        [str(python_of(environment)), str(ROOT / "tests" / "judges" / script), *words],
        input=json.dumps(about),
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*"} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
