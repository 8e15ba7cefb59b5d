"""Runs the command that prints the API token: without a shell, within bounds of time and size."""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import time
from typing import Final

from harvester.errors import CredentialsError

_NAME: Final = "credentials.token_command"
_MAX_BYTES: Final = 64_000
_TIMEOUT_S: Final = 30.0


def run_token_command(command: str, *, timeout_s: float = _TIMEOUT_S) -> str:
    """Return the first line that a command prints, which is the convention of `pass` and similar programs.

    Its stderr is dropped, since it may repeat the secret.

    Raises:
        CredentialsError: it fails, prints nothing, or takes too long.
    """
    try:
        words = shlex.split(command)
        if not words:
            raise ValueError("it is empty")
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            printed = _first_line(process, timeout_s)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise CredentialsError(
            f"{_NAME} cannot be run: {reason}; write a program and its arguments"
        ) from None
    except subprocess.TimeoutExpired:
        raise CredentialsError(f"{_NAME} took longer than {timeout_s:g} s; run it by hand") from None
    if process.returncode != 0:
        raise CredentialsError(
            f"{_NAME} failed with exit code {process.returncode}; run it by hand to see why"
        )
    if not printed:
        raise CredentialsError(f"{_NAME} printed nothing; run it by hand to see why")
    return printed


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> str:
    """Return its first line, read within bounds of time and size."""
    try:
        printed = _read_pipe(process, until=time.monotonic() + timeout_s)
        process.wait(timeout=timeout_s)
    except BaseException:
        process.kill()
        raise
    return printed.decode("utf-8", "replace").strip().partition("\n")[0].strip()


def _read_pipe(process: subprocess.Popen[bytes], *, until: float) -> bytes:
    if process.stdout is None:
        raise AssertionError("unreachable")
    pipe, printed = process.stdout.fileno(), b""
    while len(printed) <= _MAX_BYTES:
        # The program may print nothing for ever, or a child of it may keep the pipe open.
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise subprocess.TimeoutExpired(process.args, 0)
        part = os.read(pipe, _MAX_BYTES)
        if not part:
            return printed
        printed += part
    raise CredentialsError(f"{_NAME} printed more than {_MAX_BYTES} bytes; that is no token")
