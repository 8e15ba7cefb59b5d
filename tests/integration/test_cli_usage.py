"""What the command line says and how it ends, without a server."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.archives import Night, make_reports, open_archive
from support.cli import TIMEOUT_S, commands, harvester

from harvester import __version__

COMMANDS = commands()
LOGIN = {"QC_USER_ID": "7", "QC_API_TOKEN": "CANARY-of-the-command-line"}


def test_version_is_told(tmp_path: Path) -> None:
    done = harvester("--version", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, f"harvester {__version__}\n", "")


def test_help_of_all_tells_the_three_uses_and_cuts_no_sentence_off(tmp_path: Path) -> None:
    done = harvester("--help", cwd=tmp_path)
    for use in ("harvester -q run ", "harvester run --dry-run, then run", "harvester run --refresh=30 "):
        assert f"\n    {use}" in done.out
    assert "..." not in done.out.replace("[ARGS]...", "")
    assert [line for line in done.out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["--config", "run", "list", "--help"], "Usage: harvester list "),
        (["-q", "config", "show", "--help"], "Usage: harvester config show "),
        (["catalog", "rebuild", "--help"], "Usage: harvester catalog rebuild "),
        (["--help", "run"], "Usage: harvester [OPTIONS] COMMAND"),
    ],
)
def test_a_command_is_found_whatever_the_words_around_it(
    tmp_path: Path, words: list[str], usage: str
) -> None:
    done = harvester(*words, cwd=tmp_path)
    assert (done.code, done.out.startswith(usage)) == (0, True)
    assert ("Print a systemd timer" in done.out) == (words[0] == "--help")


def test_the_shell_completes_commands_and_options(tmp_path: Path) -> None:
    def complete(words: str) -> list[str]:
        environ = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = harvester(cwd=tmp_path, environ=environ | {"_HARVESTER_COMPLETE": "complete_bash"})
        return done.out.split()

    assert complete("harvester sn") == ["snapshots"]
    assert complete("harvester run --max") == ["--max-duration"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_tells_its_exit_codes(tmp_path: Path, command: str) -> None:
    done = harvester(*command.split(), "--help", cwd=tmp_path)
    assert done.code == 0
    assert "Exit codes" in done.out
    assert [line for line in done.out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["run", "--nonsense"], ["run", "--workers", "x"], ["run", "--rate", "5/x"],
        ["--log-format", "xml", "snapshots"], ["-q", "-v", "snapshots"], ["--config", "none.toml", "run"],
        ["run", "--created-after", "yesterday"], ["run"],
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_says_why_on_stderr(tmp_path: Path, words: list[str]) -> None:
    done = harvester(*words, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_every_mistake_of_every_source_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "harvester.toml").write_text("[pace]\nworker = 4\n[archive]\ntimezone = 'Mars'\n")
    environ = {"HARVESTER_API_TRIES": "many"}
    done = harvester("config", "show", cwd=tmp_path, environ=environ)
    assert done.code == 2
    first, second, third = done.err.splitlines()
    assert "harvester.toml line 2: unknown key pace.worker; did you mean workers?" in first
    assert "environment HARVESTER_API_TRIES: api.tries = 'many': expected a whole number" in second
    assert "harvester.toml line 4: archive.timezone = 'Mars'" in third


def test_empty_environment_is_enough(tmp_path: Path) -> None:
    done = harvester("-q", "config", "show", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert 'archive.dir                    = "archive"' in done.out


def test_every_setting_is_shown_with_its_origin_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "harvester.toml").write_text('[credentials]\ntoken_command = "echo CANARY-of-a-command"\n')
    environ = LOGIN | {"HARVESTER_PACE_RATE_PER_MIN": "12"}
    done = harvester("config", "show", "--json", cwd=tmp_path, environ=environ)
    shown = done.document()
    assert shown["pace.rate_per_min"] == {"value": 12.0, "from": "environment HARVESTER_PACE_RATE_PER_MIN"}
    assert shown["credentials.token_command"] == {"value": "echo ***", "from": "harvester.toml line 2"}
    assert shown["reports.deadline"] == {"value": "30m", "from": "default"}
    assert "CANARY" not in done.out + done.err


def test_missing_credentials_name_every_place(tmp_path: Path) -> None:
    done = harvester("run", cwd=tmp_path)
    assert done.code == 2
    assert "~/.lean/credentials" in done.err


def test_error_is_a_json_document_when_json_was_asked_for(tmp_path: Path) -> None:
    done = harvester("--log-format", "json", "snapshots", "--json", cwd=tmp_path)
    assert done.code == 1
    assert done.document()["exit"] == "error"
    assert json.loads(done.err)["event"] == done.document()["errors"][0]


def test_archive_that_cannot_be_written_ends_with_16(tmp_path: Path) -> None:
    done = harvester("run", "--archive", "/proc/archive", cwd=tmp_path, environ=LOGIN)
    assert done.code == 16
    assert "/proc/archive" in done.err
    assert "CANARY" not in done.err


def test_archive_that_is_in_use_ends_with_11(tmp_path: Path) -> None:
    from harvester.archive import Archive
    from harvester.model import account_fingerprint

    archive = Archive.create_or_open(tmp_path / "archive", account=account_fingerprint(7))
    with archive.lock(command="harvester run", wait_s=0):
        done = harvester("run", cwd=tmp_path, environ=LOGIN)
    assert done.code == 11
    assert f"process {os.getpid()}" in done.err


def test_snapshots_are_listed_as_table_and_as_json(tmp_path: Path) -> None:
    Night(open_archive(tmp_path / "archive")).run(make_reports(1, 2))
    done = harvester("-q", "snapshots", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    head, row = done.out.splitlines()
    assert head.split() == ["snapshot", "state", "exit", "listed", "new", "gone", "size", "written"]
    assert row.split()[:6] == ["2026-11-22", "complete", "0", "2", "2", "0"]
    (listed,) = harvester("snapshots", "--json", cwd=tmp_path).document()["snapshots"]
    assert (listed["name"], listed["exit_code"], listed["listed"]) == ("2026-11-22", 0, 2)


def test_archive_without_snapshots_lists_none(tmp_path: Path) -> None:
    open_archive(tmp_path / "archive")
    done = harvester("snapshots", cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_damaged_snapshot_ends_with_20_and_hides_no_other(tmp_path: Path) -> None:
    archive = open_archive(tmp_path / "archive")
    for date in ("2026-11-22", "2026-11-23"):
        Night(archive, date).run(make_reports(1, 1))
    record = tmp_path / "archive" / "2026-11-22" / "snapshot.json"
    record.chmod(0o644)
    record.write_text("{}")
    done = harvester("snapshots", cwd=tmp_path)
    assert done.code == 20
    assert "2026-11-23" in done.out
    assert str(record) in done.err


def test_reader_that_goes_away_is_no_failure_of_ours(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "harvester", "config", "show"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, cwd=tmp_path, env={}, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert b"Traceback" not in done.stderr


def test_name_that_the_terminal_cannot_show_ends_no_command(tmp_path: Path) -> None:
    (tmp_path / "harvester.toml").write_text("filters.names = ['日本 é 🚀']", encoding="utf-8")
    environ = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = harvester("config", "show", cwd=tmp_path, environ=environ)
    assert done.code == 0
    assert "\\u65e5\\u672c" in done.out


def test_interruption_while_waiting_for_the_lock_ends_with_130(tmp_path: Path) -> None:
    from harvester.archive import Archive
    from harvester.model import account_fingerprint

    archive = Archive.create_or_open(tmp_path / "archive", account=account_fingerprint(7))
    with archive.lock(command="harvester run", wait_s=0):
        words = [sys.executable, "-m", "harvester", "run", "--lock-wait", "5m"]
        # A shell's background job ignores SIGINT, and so would everything that it starts.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            waiter = subprocess.Popen(words, cwd=tmp_path, env=LOGIN, stderr=subprocess.PIPE)
        finally:
            signal.signal(signal.SIGINT, before)
        assert waiter.stderr is not None
        said = waiter.stderr.readline()  # it is waiting
        waiter.send_signal(signal.SIGINT)
        _, err = waiter.communicate(timeout=TIMEOUT_S)
    assert waiter.returncode == 130
    assert f"in use by process {os.getpid()} on ".encode() in said
    assert b"waiting up to 5m for it to end" in said
    assert b"Traceback" not in err


def test_colour_is_shown_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "harvester", "snapshots"]
    done = subprocess.run(words, cwd=tmp_path, env={}, stderr=follower, check=False, timeout=TIMEOUT_S)
    os.close(follower)
    shown = os.read(leader, 10_000)
    os.close(leader)
    assert done.returncode == 1
    assert b"\x1b[31m" in shown


def test_start_imports_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    code = "import sys, harvester.cli.app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=tmp_path
    )
    heavy = {
        "rich",
        "structlog",
        "aiohttp",
        "msgspec",
        "anyio",
        "jinja2",
        "PIL",
        "selectolax",
        "prometheus_client",
    }
    assert heavy.isdisjoint(done.stdout.split())
