"""The examples of `harvester help python`: each is type-checked, those that need only harvester are run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.builders import USER_ID, make_backtests, make_scenario
from support.cli import command_environment
from support.served import ROOT, served

from harvester.manual import text
from harvester.simulator import Simulator

TOKEN = "token0of0the0manual"
EXAMPLES = dict(re.findall(r"(?ms)^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", text("python")))
_RUNNER = """
import ast, asyncio, inspect, sys
code = compile(sys.stdin.read(), "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
pending = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(pending):
    asyncio.run(pending)
"""
"""What a notebook does with a cell: `await` is allowed at its top."""


def _run(example: str, directory: Path, simulator: Simulator) -> subprocess.CompletedProcess[str]:
    environ = {
        "HARVESTER_API_BASE_URL": simulator.base_url,
        "HARVESTER_PACE_RATE_PER_MIN": "60000",
        "HARVESTER_REPORTS_FIRST_POLL": "50ms",
        "QUANTCONNECT_API_TOKEN": TOKEN,
        "QUANTCONNECT_USER_ID": str(USER_ID),
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(
        [sys.executable, "-c", _RUNNER],
        input=EXAMPLES[example],
        cwd=directory,
        env=command_environment(environ, directory),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_each_section_with_code_is_known() -> None:
    assert list(EXAMPLES) == [
        "In a notebook", "As a script", "Tables", "Reports and files", "Airflow", "Dagster",
    ]  # fmt: skip


def test_notebook_tables_and_files_run_one_after_another(tmp_path: Path) -> None:
    with served(Simulator(make_scenario(make_backtests(3), token=TOKEN))) as simulator:
        for example, shown in [
            ("In a notebook", "complete=True"),
            ("Tables", "sharpeRatio"),
            ("Reports and files", "monthly-returns.png"),
        ]:
            done = _run(example, tmp_path, simulator)
            assert (done.returncode, done.stderr) == (0, "")
            assert shown in done.stdout


def test_the_script_says_whether_it_was_complete(tmp_path: Path) -> None:
    (tmp_path / "harvester.toml").touch()
    with served(Simulator(make_scenario(make_backtests(1), token=TOKEN))) as simulator:
        assert _run("As a script", tmp_path, simulator).returncode == 0
    with served(Simulator(make_scenario(make_backtests(1), token="another"))) as simulator:
        done = _run("As a script", tmp_path, simulator)
    assert done.returncode == 1
    assert "nothing was committed" in done.stderr


def test_every_example_is_typed(tmp_path: Path) -> None:
    """Against `harvester` as it is, and against stubs of what the examples use of Airflow and Dagster."""
    (readme,) = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"))
    for title, block in (EXAMPLES | {"README": readme}).items():
        ast.parse(block)
        (tmp_path / f"example_{title.lower().replace(' ', '_')}.py").write_text(block)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")),
            # a notebook awaits at its top, a DAG has no annotation, and pandas brings no types
            *("--disable-error-code", "top-level-await", "--disable-error-code", "no-untyped-def"),
            *("--disable-error-code", "no-untyped-call", "--disable-error-code", "untyped-decorator"),
            *("--disable-error-code", "import-untyped"),
            *map(str, sorted(tmp_path.glob("*.py"))),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MYPYPATH": str(ROOT / "tests/support/stubs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("example", ["Airflow", "Dagster"])
def test_the_orchestrators_accept_the_examples(example: str, tmp_path: Path) -> None:
    """Where Airflow or Dagster is installed; both are too large to be installed for this alone."""
    pytest.importorskip(example.lower())
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[example]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
