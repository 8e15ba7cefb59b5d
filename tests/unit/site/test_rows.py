from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.values import make_entry

from harvester.model import Outcome
from harvester.site.rows import COLUMNS, FIGURES, page_name, parts_of, row_of, thumbnail_of

IMAGES = ("01-monthly-returns.png", "02-cumulative-returns.png", "03-annual-returns.png")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SAVED, "new"),
        (Outcome.UPDATED, "changed"),
        (Outcome.CARRIED, "kept"),
        (Outcome.UNCHANGED, "kept"),
        (Outcome.FAILED, "failed"),
        (Outcome.SKIPPED, "skipped"),
        (Outcome.PENDING, "pending"),
        (Outcome.UNAVAILABLE, "unavailable"),
    ],
)
def test_every_outcome_has_a_state(outcome: Outcome, state: str) -> None:
    assert row_of(make_entry(outcome=outcome), ()).state == state


def test_what_is_gone_says_so_whatever_its_outcome() -> None:
    row = row_of(make_entry(outcome=Outcome.CARRIED, listed=False, gone_since="2026-11-22"), IMAGES)
    assert (row.state, row.mood) == ("gone", "warn")


def test_figures_are_text_for_people_and_absent_ones_are_empty() -> None:
    entry = make_entry(statistics={"sharpeRatio": 1.256, "netProfit": 12345.67, "trades": 4238.0})
    row = row_of(entry, IMAGES)
    assert dict(zip((figure.label for figure in COLUMNS), row.columns, strict=True)) == {
        "Sharpe": "1.26", "CAGR": "", "Drawdown": "", "Net profit": "12,345.7%", "PSR": "", "Trades": "4,238",
    }  # fmt: skip
    assert len(row.values) == len(FIGURES)


def test_a_status_is_told_only_when_it_says_more_than_that_it_is_finished() -> None:
    assert row_of(make_entry(status="Completed."), ()).status == ""
    assert row_of(make_entry(status="Runtime Error"), ()).status == "Runtime Error"


def test_a_reason_has_the_words_of_the_run_and_of_the_api() -> None:
    entry = make_entry(outcome=Outcome.UNAVAILABLE, reason="the API refuses it for good", error="no such")
    assert row_of(entry, ()).reason == "the API refuses it for good: no such"


def test_a_backtest_without_files_has_no_links() -> None:
    row = row_of(make_entry(path=""), ())
    assert (row.report, row.thumbnail, row.read) == ("", "", "")


def test_the_thumbnail_is_the_cumulative_returns_or_else_the_first_image() -> None:
    assert thumbnail_of(IMAGES) == "02-cumulative-returns.png"
    assert thumbnail_of(("01-return-histogram.png", "02-drawdown.png")) == "01-return-histogram.png"


@given(count=st.integers(1, 50_000))
def test_every_backtest_is_on_one_page_and_no_page_is_long(count: int) -> None:
    parts = parts_of(count)
    assert list(chain(*parts)) == list(range(count))
    assert max(map(len, parts)) < 2000


@given(count=st.integers(1, 20_000), more=st.integers(0, 3000))
def test_full_pages_stay_as_they_are_when_backtests_are_added(count: int, more: int) -> None:
    before, after = parts_of(count), parts_of(count + more)
    assert after[: len(before) - 1] == before[:-1]


def test_the_newest_page_has_the_name_that_links_use() -> None:
    assert [page_name(7, part, 3) for part in (1, 2, 3)] == ["7-1.html", "7-2.html", "7.html"]
