"""The environments of clients that are not ours: made with patience, and none of them ends a test run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.served import ROOT

_PYTHON = """#!/bin/sh
# A python whose `-m venv DIRECTORY` makes a pip that fails until it has been called {failures} times.
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<'PIP'
#!/bin/sh
echo "$@" >>"{calls}"
[ "$(wc -l <"{calls}")" -gt {failures} ] || {{ echo "the registry is away"; exit 1; }}
PIP
chmod +x "$3/bin/pip"
"""


def _fake_python(directory: Path, failures: int) -> tuple[Path, Path]:
    """A python, and the file that gets a line for each call of its pip."""
    python, calls = directory / "python", directory / "calls"
    python.write_text(_PYTHON.format(failures=failures, calls=calls))
    python.chmod(0o755)
    return python, calls


def _install(directory: Path, failures: int) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    python, calls = _fake_python(directory, failures)
    done = subprocess.run(
        [str(ROOT / "tests/judges/install"), "environment", "one>=1", "two", "--", "three==3"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHON": str(python), "JUDGE_PAUSE_S": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, [line.split("check ")[1] for line in calls.read_text().splitlines()]


@pytest.mark.parametrize("failures", [0, 2])
def test_a_registry_is_asked_three_times_and_what_it_said_is_shown(tmp_path: Path, failures: int) -> None:
    done, calls = _install(tmp_path, failures)
    assert calls == ["one>=1 two"] * (failures + 1) + ["--no-deps three==3"]
    assert done.stderr.count("the registry is away") == failures
    assert (tmp_path / "environment/.ready").exists()


def test_an_environment_that_cannot_be_made_says_why_and_ends_nothing(tmp_path: Path) -> None:
    done, calls = _install(tmp_path, 99)
    assert (done.returncode, len(calls)) == (0, 3)
    assert not (tmp_path / "environment/.ready").exists()
    assert "the registry is away" in (tmp_path / "environment/why-not").read_text()
    done, _ = _install(tmp_path, 3)
    assert (tmp_path / "environment/.ready").exists()
    assert not (tmp_path / "environment/why-not").exists()


@pytest.mark.parametrize(("failures", "code", "tries"), [(0, 0, 1), (2, 0, 3), (99, 2, 3)])
def test_make_install_tries_three_times_and_shows_why_a_download_failed(
    tmp_path: Path, failures: int, code: int, tries: int
) -> None:
    python, calls = _fake_python(tmp_path, failures)
    environment = tmp_path / "environment"
    done = subprocess.run(
        ["make", "install", f"VENV={environment}", f"PYTHON={python}", "PAUSE_S=0"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(calls.read_text().splitlines())) == (code, tries)
    assert done.stdout.count("the registry is away") == min(failures, 3)
    assert (environment / ".ready").exists() == (code == 0)
