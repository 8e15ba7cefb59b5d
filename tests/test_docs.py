"""What people read agrees with what the code does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harvester.config.load import all_keys, load_settings
from harvester.config.settings import Settings

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config.example.toml"


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
