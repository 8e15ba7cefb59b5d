"""`harvester help`: the manual and the help of commands, as their readers call it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text
from support.cli import command_environment, harvester

from harvester.manual import text, topics


def test_without_a_topic_all_topics_are_listed(tmp_path: Path) -> None:
    done = harvester("help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [f"  {name:<12}{title}" in done.out for name, title in topics().items()] == [True] * len(topics())


@pytest.mark.parametrize("topic", topics())
def test_a_topic_is_plain_markdown_in_a_pipe(topic: str, tmp_path: Path) -> None:
    done = harvester("help", topic, cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, text(topic), "")


def test_the_name_of_a_command_shows_its_help(tmp_path: Path) -> None:
    done = harvester("help", "verify", cwd=tmp_path)
    assert done.code == 0
    assert done.out.strip() == harvester("verify", "--help", cwd=tmp_path).out.strip()


def test_an_unknown_topic_is_a_usage_error_that_names_the_topics(tmp_path: Path) -> None:
    done = harvester("help", "arhcive", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert f"topics: {', '.join(topics())}" in done.err


@pytest.mark.parametrize("topic", topics())
def test_a_topic_fits_a_terminal_of_80_columns(topic: str, tmp_path: Path) -> None:
    shown = _on_terminal(tmp_path, "help", topic)
    assert "\x1b[1m" in shown, "headings are bold"
    assert "\n## " not in shown
    assert max(cell_len(line) for line in Text.from_ansi(shown).plain.splitlines()) <= 80


def _on_terminal(directory: Path, *words: str) -> str:
    """What a command prints on a terminal of 80 columns, its pager being `cat`."""
    shown = {"TERM": "xterm-256color", "COLUMNS": "80", "PAGER": "cat", "PATH": os.environ["PATH"]}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "harvester", *words],
        cwd=directory,
        env=command_environment(shown, directory),
        stdin=theirs,
        stdout=theirs,
    ) as command:
        os.close(theirs)
        blocks = []
        with suppress(OSError):  # how Linux says that the other end is closed
            while block := os.read(ours, 65536):
                blocks.append(block)
        os.close(ours)
    assert command.returncode == 0
    return b"".join(blocks).decode()
