"""Scenarios: from files, and drawn from a seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_scenario

from harvester.errors import ConfigError
from harvester.simulator import Shapes, Simulator, load_scenario, sample_scenario


def test_the_same_seed_draws_the_same_account() -> None:
    assert sample_scenario(seed=7) == sample_scenario(seed=7)
    assert sample_scenario(seed=7) != sample_scenario(seed=8)
    with pytest.raises(TypeError):
        sample_scenario(no_such_knob=1)


def test_the_sample_has_backtests_in_every_state_that_live_clients_see() -> None:
    statuses = {spec.status for project in sample_scenario().projects for spec in project.backtests}
    assert statuses == {"Completed.", "In Progress...", "In Queue...", "Runtime Error"}


def test_a_scenario_file_says_what_is_served(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        'user_id = 7\n[[projects]]\nproject_id = 1\nname = "P"\n'
        '[[projects.backtests]]\nbacktest_id = "a"\nname = "B"\ngeneration_s = 3\n'
        '[[faults]]\nkind = "429"\nattempts = [1]\n[limit]\nsteps = [{after_s = 0, per_min = 30}]\n'
    )
    scenario = load_scenario(path)
    assert (scenario.user_id, scenario.projects[0].backtests[0].generation_s) == (7, 3)
    assert scenario.shapes == Shapes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nonsense", "scenario.toml"),
        ("user = 7", "user"),
        ('[[faults]]\nkind = "no such"', "no such"),
        (None, "read"),
    ],
)
def test_a_wrong_scenario_file_is_named_with_its_mistake(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "scenario.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        load_scenario(path)


def test_a_directory_without_reports_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \*.html file"):
        Simulator(make_scenario(), reports_dir=tmp_path)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "user_id = " + "9" * 5000])
def test_a_scenario_that_python_cannot_read_is_refused_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"scenario\.toml"):
        load_scenario(path)
