from __future__ import annotations

import sys
import time

import pytest

from harvester.config.token_command import run_token_command
from harvester.errors import CredentialsError


def python(code: str) -> str:
    return f'{sys.executable} -c "{code}"'


def test_first_line_is_the_token() -> None:
    assert run_token_command(python("print('token'); print('note')")) == "token"


def test_no_shell_is_involved() -> None:
    assert run_token_command("echo $HOME;id `id` | cat") == "$HOME;id `id` | cat"


def test_stderr_is_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print('CANARY', file=sys.stderr); print('CANARY'); sys.exit(3)"
    with pytest.raises(
        CredentialsError, match="failed with exit code 3; run it by hand to see why"
    ) as caught:
        run_token_command(python(code))
    assert "CANARY" not in f"{caught.value}{capfd.readouterr()}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/nowhere/at/all", "cannot be run: No such file or directory"),
        ("echo 'open", "cannot be run: No closing quotation"),
        ("  ", "cannot be run: it is empty"),
        ("true", "printed nothing"),
        ("yes", "printed more than 64000 bytes"),
    ],
)
def test_command_that_gives_no_token_is_told_why(command: str, reason: str) -> None:
    with pytest.raises(CredentialsError, match=reason):
        run_token_command(command)


def test_command_that_hangs_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(CredentialsError, match=r"took longer than 0\.2 s"):
        run_token_command("sleep 60", timeout_s=0.2)
    assert time.monotonic() - started < 10


def test_command_that_closes_its_output_and_hangs_is_ended() -> None:
    with pytest.raises(CredentialsError, match=r"took longer than 0\.5 s"):
        run_token_command(python("import os, time; os.close(1); time.sleep(60)"), timeout_s=0.5)


def test_command_cannot_ask_questions() -> None:
    assert run_token_command(python("import sys; print('token' + sys.stdin.read())")) == "token"
