"""The guards of `conftest.py` themselves."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from blockbuster import BlockingError
from support.served import ROOT

from harvester.config.load import load_settings


async def test_blocking_the_event_loop_fails_a_test(tmp_path: Path) -> None:
    path = tmp_path / "harvester.toml"
    path.touch()
    with pytest.raises(BlockingError):
        load_settings(path=path, environ={}, overrides={})


def test_nothing_of_the_persons_environment_is_left(clean_environment: Path) -> None:
    assert not [name for name in os.environ if name.startswith(("HARVESTER_", "QC_", "QUANTCONNECT_"))]
    assert Path.home() == clean_environment


def test_every_room_has_a_door() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    guarded = {name for contract in linter["contracts"] for name in contract.get("protected_modules", ())}
    rooms = {path.parent for path in (ROOT / "harvester").glob("*/*.py") if path.name != "__init__.py"}
    assert guarded == {f"harvester.{room.name}.*" for room in rooms} - {"harvester.cli.*"}, "cli is the top"
