from __future__ import annotations

import pytest

from harvester.config.select import Selection
from harvester.config.settings import FilterSettings
from harvester.model import Backtest, InventoryEntry, Outcome


def project_reason(
    filters: FilterSettings, project_id: int = 7, name: str = "Momentum", org: str = "o"
) -> str:
    return Selection(filters).project_reason(project_id, name, org)


def backtest_reason(filters: FilterSettings, **fields: object) -> str:
    known = {
        "project_id": 7,
        "backtest_id": "b",
        "name": "Calm Owl",
        "created": "2026-01-31T08:00:00Z",
    } | fields
    return Selection(filters).backtest_reason(Backtest(**known))  # type: ignore[arg-type]


def test_without_filters_everything_but_the_recycle_bin_is_wanted() -> None:
    assert project_reason(FilterSettings()) == ""
    assert backtest_reason(FilterSettings()) == ""
    assert "recycle bin" in project_reason(FilterSettings(), name="Recycle Bin/Momentum")
    assert project_reason(FilterSettings(recycle_bin=True), name="Recycle Bin/Momentum") == ""


@pytest.mark.parametrize("pattern", ["7", "Momentum", "moment*", "*TUM", "M[aeiou]mentum"])
def test_project_is_selected_by_id_or_by_a_glob_of_its_name(pattern: str) -> None:
    assert project_reason(FilterSettings(projects=("other", pattern))) == ""
    assert project_reason(FilterSettings(exclude_projects=(pattern,))) == "its project is excluded"


@pytest.mark.parametrize("pattern", ["77", "Moment", "8", "o*"])
def test_project_that_no_pattern_meets_is_left_out(pattern: str) -> None:
    assert "not among the selected" in project_reason(FilterSettings(projects=(pattern,)))
    assert project_reason(FilterSettings(exclude_projects=(pattern,))) == ""


def test_number_is_an_id_and_never_a_name() -> None:
    assert "not among" in project_reason(FilterSettings(projects=("123",)), project_id=7, name="123")


def test_organization_is_selected_by_its_id() -> None:
    assert project_reason(FilterSettings(organizations=("o", "p"))) == ""
    assert "organization" in project_reason(FilterSettings(organizations=("p",)))


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        (FilterSettings(names=("calm *",)), ""),
        (FilterSettings(names=("red *",)), "its name is not among the selected ones"),
        (FilterSettings(tags=("live", "paper")), ""),
        (FilterSettings(tags=("live",)), "it has none of the selected tags"),
        (FilterSettings(optimizations=False), "it belongs to an optimization"),
        (FilterSettings(created_after="2026-01-31"), ""),
        (FilterSettings(created_after="2026-01-31T08:00Z"), ""),
        (FilterSettings(created_after="2026-01-31T08:01Z"), "it was created before 2026-01-31T08:01Z"),
        (FilterSettings(created_before="2026-01-31T10:00+01:00"), ""),
        (
            FilterSettings(created_before="2026-01-31T10:00+02:00"),
            "it was not created before 2026-01-31T10:00+02:00",
        ),
    ],
)
def test_backtest_is_selected_by_name_tag_kind_and_time(filters: FilterSettings, reason: str) -> None:
    assert backtest_reason(filters, tags=("paper",), optimization_id="O-1") == reason


def test_backtest_of_unknown_age_is_outside_of_every_range() -> None:
    assert backtest_reason(FilterSettings(created_after="0001-01-01"), created="")
    assert backtest_reason(FilterSettings(created_before="9999-12-31"), created="")


def test_archived_backtest_is_wanted_when_its_project_is_too() -> None:
    entry = InventoryEntry(7, "b", project="Momentum", name="Calm Owl", outcome=Outcome.SAVED)
    assert Selection(FilterSettings(names=("calm*",))).wants(entry)
    assert not Selection(FilterSettings(exclude_projects=("7",))).wants(entry)
    assert not Selection(FilterSettings(names=("red*",))).wants(entry)
