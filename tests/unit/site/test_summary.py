from __future__ import annotations

from typing import Any

from support.values import make_entry

from harvester.model import Outcome
from harvester.site.rows import row_of
from harvester.site.summary import ProjectSummary, Summary


def summarize(*given: dict[str, Any]) -> tuple[Summary, ProjectSummary]:
    summary, project = Summary("2026-11-22"), ProjectSummary(1, "P1", "1.html")
    for number, fields in enumerate(given):
        entry = make_entry(f"b{number}", **fields)
        summary.add(entry, row_of(entry, ()), project, "1.html")
    summary.projects.append(project)
    return summary, project


def test_what_is_new_changed_and_gone_stands_in_lists_of_its_own() -> None:
    summary, project = summarize(
        {"outcome": Outcome.SAVED},
        {"outcome": Outcome.UPDATED},
        {"outcome": Outcome.CARRIED},
        {"outcome": Outcome.CARRIED, "listed": False, "gone_since": "2026-11-22"},
        {"outcome": Outcome.CARRIED, "listed": False, "gone_since": "2026-11-01"},
    )
    found = [
        [item.row.name for item in shown.items] for shown in (summary.fresh, summary.changed, summary.gone)
    ]
    assert found == [["b0"], ["b1"], ["b3"]]
    assert (project.archived, project.fresh, project.gone) == (5, 2, 2)


def test_reasons_that_differ_in_an_amount_are_one() -> None:
    missed = summarize(
        {"outcome": Outcome.SKIPPED, "reason": "not finished: Running: 42%", "path": ""},
        {"outcome": Outcome.SKIPPED, "reason": "not finished: Running: 43%", "path": ""},
        {"outcome": Outcome.FAILED, "error": "HTTP 502", "path": ""},
        {"outcome": Outcome.FAILED, "error": "HTTP 500", "path": ""},
        {"outcome": Outcome.FAILED, "error": "HTTP 500", "path": ""},
    )[0].missed
    assert [(each.outcome, each.reason, each.found.count) for each in missed] == [
        ("failed", "HTTP 500", 2),
        ("failed", "HTTP 502", 1),
        ("skipped", "not finished: Running: 42%", 2),
    ]


def test_a_report_that_could_not_be_read_again_is_not_missing() -> None:
    assert summarize({"outcome": Outcome.FAILED, "error": "x"})[1].missing == 0
    assert summarize({"outcome": Outcome.FAILED, "error": "x", "path": ""})[1].missing == 1


def test_lists_stay_short_and_count_on() -> None:
    summary, _ = summarize(*[{"outcome": Outcome.SAVED}] * 250)
    assert (summary.fresh.count, len(summary.fresh.items), summary.fresh.more) == (250, 100, 150)


def test_reasons_beyond_all_measure_are_counted_together() -> None:
    reasons = [
        {"outcome": Outcome.FAILED, "error": f"error {chr(97 + n % 26)}{n}x", "path": ""} for n in range(200)
    ]
    missed = summarize(*reasons)[0].missed
    assert len(missed) == 41
    assert missed[0].reason == "for other reasons"
    assert sum(each.found.count for each in missed) == 200


def test_the_best_sharpe_is_that_of_an_archived_report() -> None:
    _, project = summarize(
        {"statistics": {"sharpeRatio": 1.5}},
        {"statistics": {"sharpeRatio": -2.0}},
        {"statistics": {"sharpeRatio": 9.0}, "path": ""},
        {},
    )
    assert project.sharpe == 1.5
