"""What people read agrees with what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families
from support.cli import commands

from harvester.app.exits import ExitCode, worst
from harvester.cli.app import app
from harvester.config.load import load_settings
from harvester.config.settings import Settings, all_keys
from harvester.manual import text, topics
from harvester.model import Ending, Learned, SnapshotRecord
from harvester.operate.metrics import RunFigures, render_metrics
from harvester.simulator.scenario import FaultKind, load_scenario

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config.example.toml"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {"README": README} | {topic: text(topic) for topic in topics()}
MANUAL = "\n".join(DOCUMENTS.values())
"""Everything that users read: the README and each topic of the manual."""


def test_example_configuration_gives_the_defaults() -> None:
    loaded = load_settings(path=EXAMPLE, environ={}, overrides={})
    assert loaded.settings == Settings()


def test_example_configuration_has_every_key_in_order() -> None:
    content = tomllib.loads(EXAMPLE.read_text())
    assert [f"{table}.{key}" for table, keys in content.items() for key in keys] == [
        name for name, _ in all_keys()
    ]


@pytest.mark.parametrize("name", [name.partition(".")[2] for name, _ in all_keys()])
def test_every_key_of_the_example_says_why(name: str) -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"{name} = "):
            assert lines[number - 1].startswith("# "), line


@pytest.mark.parametrize("name", commands())
def test_manual_names_every_command(name: str) -> None:
    assert f"\n| `harvester {name}" in MANUAL


@pytest.mark.parametrize("code", [code for code in ExitCode if code.label != "signal"])
def test_manual_names_every_exit_code(code: ExitCode) -> None:
    assert f"\n| {code.value} | {code.label} | " in MANUAL


def test_manual_names_the_codes_of_signals_and_the_order_of_all() -> None:
    assert "\n| 130, 143 | signal | " in MANUAL
    left, order = set(ExitCode) - {ExitCode.OK}, []
    while left:
        order.append(worst(left))
        left.remove(order[-1])
    first, second, *others = (str(code.value) for code in order)
    assert f"in the order {first} and {second}, {', '.join(others)}." in MANUAL


@pytest.mark.parametrize(
    "variable", ["QUANTCONNECT_USER_ID", "QUANTCONNECT_API_TOKEN", "QC_USER_ID", "CREDENTIALS_DIRECTORY"]
)
def test_manual_names_the_places_of_credentials(variable: str) -> None:
    assert variable in MANUAL


def options(command: Any) -> set[str]:
    """Every long option of a command and of those below it."""
    found = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
    for name in command.list_commands(None) if hasattr(command, "list_commands") else []:
        found |= options(command.get_command(None, name))
    return {word for word in found if word.startswith("--")}


OF_ALL = {"--help", "--install-completion"}
FOREIGN = {"--check", "--delete", "--now", "--validate"}
"""Options of `sha256sum`, `rsync`, `systemctl`, and `bagit`."""


def test_every_option_in_the_manual_exists() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", MANUAL))
    known = options(typer.main.get_command(app)) | OF_ALL | FOREIGN
    assert named - known == set()


def test_manual_names_every_option_of_the_main_job() -> None:
    program: Any = typer.main.get_command(app)
    main_job = options(program.get_command(None, "run"))
    missing = {word for word in main_job if word not in MANUAL}
    assert missing == {"--optimizations"}, "its other side is named"


def test_the_scenario_in_the_manual_is_one(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    (text,) = (block for block in blocks if "[[projects]]" in block)
    (tmp_path / "account.toml").write_text(text)
    scenario = load_scenario(tmp_path / "account.toml")
    assert [len(project.backtests) for project in scenario.projects] == [3]
    assert (scenario.limit.steps[0].per_min, scenario.faults[0].kind) == (60, "503")
    assert (scenario.windows.projects, scenario.identity.locked_after) == (100, 50)
    assert f"the {len(FaultKind)} kinds of faults" in MANUAL


def test_manual_names_every_metric() -> None:
    stamp = "2026-11-25T03:00:00Z"
    record = SnapshotRecord(
        "2026-11-25", "run", "account", "0", stamp, stamp, True, Ending.OK, 1, {"saved": 1},
        learned=Learned(rate_per_min=20),
    )  # fmt: skip
    text = render_metrics(RunFigures(0, 1.0, 1.0, record, 1.0)).decode()
    for family in text_string_to_metric_families(text):
        assert f"`{family.name.removeprefix('harvester_')}`" in MANUAL


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 180


@pytest.mark.parametrize("document", ["README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"])
def test_links_lead_to_files(document: str) -> None:
    path = ROOT / document
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (path.parent / target).exists()] == []


def test_files_that_contributors_are_sent_to_exist() -> None:
    content = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:harvester|tests)/[\w./]+)`", content)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("topic", topics())
def test_a_topic_lists_its_sections_first(topic: str) -> None:
    title, _, contents, *lines = text(topic).splitlines()
    sections = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert title.startswith("# ")
    assert contents == f"Contents: {' · '.join(sections)}"


@pytest.mark.parametrize(
    "section",
    [
        "Glossary", "Backup and restore", "Notifications", "Troubleshooting", "Upgrading", "Uninstalling",
        "Threat model", "Comparison with alternatives",
    ],
)  # fmt: skip
def test_the_sections_that_people_look_for_exist(section: str) -> None:
    assert f"\n## {section}\n" in MANUAL


@pytest.mark.parametrize("topic", topics())
def test_code_in_a_topic_fits_a_terminal_of_80_columns(topic: str) -> None:
    blocks = re.findall(r"(?m)^```\w*\n(.*?)^```", text(topic), re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 78] == []
