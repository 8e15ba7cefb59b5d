"""A process that is asked and answers, one JSON line each; it may be killed while it works."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

A = TypeVar("A")
_TESTS = Path(__file__).parents[1]
PATIENCE_S = 300.0


class Child(Generic[A]):
    """A module of this folder in a process of its own; says one line before it is asked anything."""

    def __init__(self, module: str, answers: type[A], *words: str | Path, log: Path) -> None:
        self._module = module
        self._answers = answers
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"soak.{module}", *map(str, words)],
            cwd=_TESTS,
            # Of several arenas each keeps what has become free in it, and every night uses more of them.
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "MALLOC_ARENA_MAX": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        self.first = self._answer()
        """What it said by itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._log.close()

    def ask(self, what: msgspec.Struct) -> A:
        """Its answer."""
        self._tell(what)
        return self._answer()

    def ask_and_kill(self, what: msgspec.Struct, after_s: float) -> bool:
        """Kill it this long after it was asked; False: it was done by then."""
        self._tell(what)
        assert self._process.stdout is not None
        done = bool(select.select([self._process.stdout], [], [], after_s)[0])
        self._process.kill()
        self._process.wait()
        return not done

    def _tell(self, what: msgspec.Struct) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(what) + b"\n")
        self._process.stdin.flush()

    def _answer(self) -> A:
        out = self._process.stdout
        assert out is not None
        line = out.readline() if select.select([out], [], [], PATIENCE_S)[0] else b""
        assert line, f"the {self._module} ended or hung; the end of {self._log.name} may say why"
        return msgspec.json.decode(line, type=self._answers)
