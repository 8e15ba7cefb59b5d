"""Which backtests are wanted."""

from __future__ import annotations

from typing import Any

import pytest
from support.values import make_backtest, make_entry

from harvester.config.selection import Selection
from harvester.config.settings import FilterSettings


def selection(**filters: Any) -> Selection:
    return Selection(FilterSettings(**filters))


def project_reason(
    project_id: int = 1, name: str = "Momentum", organization: str = "o1", **filters: Any
) -> str:
    return selection(**filters).project_reason(project_id, name, organization)


def backtest_reason(**fields: Any) -> str:
    """Why a backtest with these fields is not wanted; a field that starts with `f_` is a filter."""
    filters = {name[2:]: value for name, value in fields.items() if name.startswith("f_")}
    backtest = {name: value for name, value in fields.items() if not name.startswith("f_")}
    return selection(**filters).backtest_reason(make_backtest(**({"name": "Red Monkey"} | backtest)))


def test_without_filters_all_but_the_recycle_bin_is_wanted() -> None:
    assert project_reason() == ""
    assert backtest_reason() == ""
    assert project_reason(name="Recycle Bin/Old") == "its project is in the recycle bin"
    assert project_reason(name="Recycle Bin/Old", recycle_bin=True) == ""


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (("Momentum",), True),
        (("momentum",), True),
        (("MOM*",), True),
        (("*ent?m",), True),
        (("Mom",), False),
        (("1",), True),
        (("2",), False),
        (("2", "Mom*"), True),
        (("1*",), False),
        (("[mn]omentum",), True),
    ],
)
def test_a_project_is_selected_by_its_id_or_by_a_glob_of_its_name(
    patterns: tuple[str, ...], wanted: bool
) -> None:
    assert (project_reason(projects=patterns) == "") is wanted
    assert (project_reason(exclude_projects=patterns) == "") is not wanted


def test_a_name_of_digits_is_no_glob() -> None:
    assert project_reason(project_id=7, name="2024", projects=("2024",)) != ""
    assert project_reason(project_id=2024, name="x", projects=("2024",)) == ""


def test_exclusion_beats_selection() -> None:
    assert project_reason(projects=("Mom*",), exclude_projects=("1",)) == "its project is excluded"


def test_organizations_are_compared_whole() -> None:
    assert project_reason(organizations=("o1", "o2")) == ""
    reason = project_reason(organizations=("o",))
    assert reason == "its organization is not among the selected ones"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"f_names": ("red *",)}, ""),
        ({"f_names": ("Blue*", "*Monkey")}, ""),
        ({"f_names": ("Blue*",)}, "its name is not among the selected ones"),
        ({"f_tags": ("live",), "tags": ("x", "live")}, ""),
        ({"f_tags": ("live",), "tags": ("Live",)}, "it has none of the selected tags"),
        ({"f_tags": ("live",)}, "it has none of the selected tags"),
        ({"optimization_id": "O-1"}, ""),
        ({"f_optimizations": False, "optimization_id": "O-1"}, "it belongs to an optimization"),
        ({"f_optimizations": False}, ""),
        ({"f_created_after": "2024-05-02"}, ""),
        ({"f_created_after": "2024-05-02 09:30:00"}, ""),
        ({"f_created_after": "2024-05-03"}, "it was created before 2024-05-03"),
        ({"f_created_before": "2024-05-03"}, ""),
        ({"f_created_before": "2024-05-02T09:30:00Z"}, "it was not created before 2024-05-02T09:30:00Z"),
        ({"f_created_after": "2020-01-01", "created": ""}, "it was created before 2020-01-01"),
        ({"f_created_before": "2030-01-01", "created": ""}, "it was not created before 2030-01-01"),
    ],
)
def test_a_backtest_is_selected_by_name_tag_kind_and_creation(fields: dict[str, Any], reason: str) -> None:
    assert backtest_reason(**fields) == reason


def test_an_archived_backtest_is_wanted_by_the_same_rules() -> None:
    assert selection(projects=("P1",), names=("a",)).wants(make_entry())
    assert not selection(projects=("P2",)).wants(make_entry())
    assert not selection(names=("b",)).wants(make_entry())
