"""A project's page, used with mouse and keyboard from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.archives import Night, make_reports, open_archive
from support.pages import HOSTILE, Opened

from harvester.site import write_pages

_SHARPES = "rows => rows.filter((row) => !row.hidden).map((row) => Number(row.cells[4].textContent))"
_NAMES = "rows => rows.filter((row) => !row.hidden).map((row) => row.querySelector('.name bdi').textContent)"


@pytest.fixture
def project(opened: Opened, snapshot: Path) -> Opened:
    """Project 102: 30 backtests with a tag, one brand new, one changed, one gone."""
    opened.go(snapshot / "site" / "102.html")
    return opened


def sharpes(opened: Opened) -> list[float]:
    found: list[float] = opened.page.eval_on_selector_all("tbody tr", _SHARPES)
    return found


def test_hostile_names_show_as_text_and_run_nothing(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "site" / "101.html")
    assert page.eval_on_selector_all("tbody tr", _NAMES) == list(reversed(HOSTILE))
    for row in page.locator("tbody tr").all():
        row.locator("button.open").click()
        assert page.inner_text("dialog h2") == row.locator(".name bdi").first.text_content()
        page.keyboard.press("Escape")
    assert page.evaluate("window.ran") is None
    assert opened.quiet


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", 31),
        ("brand", 1),
        ("BRAND new", 1),
        ('"brand new"', 1),
        ("-brand", 30),
        ("tag:live", 30),
        ("-tag:live", 1),
        ("tag:LIVE", 30),
        ("tag:liv", 0),
        ('tag:"', 31),
        ("is:new", 1),
        ("is:saved", 1),
        ("is:gone", 1),
        ("is:kept -is:gone", 28),
        ("created>2025", 0),
        ("created>=2024-05 created<2024-06", 31),
        ("read>2020", 31),
        ("sharpe>", 31),
        ("sharpe>-100", 31),
        ("sortino<-100", 0),
        (f"{12:032x}", 1),
        ("no such", 0),
    ],
)
def test_the_filter_shows_what_matches(project: Opened, query: str, shown: int) -> None:
    page = project.page
    page.keyboard.press("/")
    page.keyboard.type(query)
    assert page.inner_text("#count") == f"{shown} of 31"
    assert page.locator("tbody tr:visible").count() == shown
    assert page.is_visible("#none") == (shown == 0)
    page.keyboard.press("Escape")
    assert page.inner_text("#count") == "31 of 31"
    assert project.quiet


def test_figures_filter_by_comparison(project: Opened) -> None:
    page = project.page
    everything = sharpes(project)
    page.fill("#filter", "sharpe>0.5 drawdown<90%")
    assert sorted(sharpes(project)) == sorted(value for value in everything if value > 0.5)


def test_a_heading_sorts_and_sorts_back_by_keyboard(project: Opened) -> None:
    page = project.page
    page.get_by_role("button", name="Sharpe").focus()
    page.keyboard.press("Enter")
    found = sharpes(project)
    assert found == sorted(found, reverse=True)
    assert page.get_attribute("th[data-key=sharpe]", "aria-sort") == "descending"
    assert page.input_value("#sort") == "sharpe"
    page.keyboard.press("Enter")
    assert sharpes(project) == sorted(found)


def test_figures_without_a_column_sort_from_the_list(project: Opened) -> None:
    page = project.page
    page.select_option("#sort", "alpha")
    first, last = (page.locator("tbody tr").nth(at) for at in (0, -1))
    alphas = []
    for row in (first, last):
        row.locator("button.open").click()
        alphas.append(float(page.locator("dl div", has_text="Alpha").locator("dd").inner_text()))
        page.keyboard.press("Escape")
    assert alphas[0] >= alphas[1]
    page.select_option("#sort", "")
    # A row out of sight is not laid out, so that it has no inner text.
    assert page.text_content("tbody tr:first-child .name a") == "Brand new"


def test_names_sort_as_people_count(project: Opened) -> None:
    page = project.page
    page.get_by_role("button", name="Backtest", exact=True).click()
    found = page.eval_on_selector_all("tbody tr", _NAMES)
    assert found[:2] == ["Backtest 10", "Backtest 11"]


def test_a_facet_is_put_into_the_filter_and_taken_out(project: Opened) -> None:
    page = project.page
    facet = page.locator("#facets button", has_text="new 1")
    facet.click()
    assert page.input_value("#filter") == "is:new"
    assert page.inner_text("#count") == "1 of 31"
    assert facet.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.input_value("#filter") == ""
    assert facet.get_attribute("aria-pressed") == "false"


@pytest.fixture
def tagged(opened: Opened, tmp_path: Path) -> Opened:
    """Six backtests, whose tags have one another's names in theirs."""
    tags = [
        ("Live", "live-candidate"),
        ("live", "LIVE"),
        ("live",),
        ("live-candidate",),
        ('"live" soon',),
        ("",),
    ]
    reports = [replace(report, tags=each) for report, each in zip(make_reports(1, 6), tags, strict=True)]
    snapshot = Night(open_archive(tmp_path / "archive")).run(reports, pages=write_pages)
    opened.go(snapshot.path / "site" / "101.html")
    return opened


@pytest.mark.parametrize(
    ("query", "pressed", "left"),
    [
        ("tag:live tag:live-candidate", "#live 3", "tag:live-candidate"),
        ("backtest tag:Live", "#live 3", "backtest"),
        ('tag:"live"  "two  words"', "#live 3", '"two  words"'),
        ("-tag:live-candidate tag:live tag:LIVE", "#live 3", "-tag:live-candidate"),
        ('tag:"""live"" soon" back', '#"live" soon 1', "back"),
    ],
)
def test_a_facet_takes_out_its_own_words_and_no_others(
    tagged: Opened, query: str, pressed: str, left: str
) -> None:
    page = tagged.page
    page.fill("#filter", query)
    facet = page.locator("#facets").get_by_role("button", name=pressed, exact=True)
    assert facet.get_attribute("aria-pressed") == "true"
    facet.click()
    assert page.input_value("#filter") == left
    assert facet.get_attribute("aria-pressed") == "false"


def test_a_facet_shows_as_many_rows_as_it_says(tagged: Opened) -> None:
    page = tagged.page
    facets = page.locator("#facets button").all()
    assert sorted(facet.inner_text() for facet in facets if "#" in facet.inner_text()) == [
        '#"live" soon 1',
        "#live 3",
        "#live-candidate 2",
    ]
    for facet in facets:
        facet.click()
        assert page.locator("tbody tr:visible").count() == int(facet.inner_text().rpartition(" ")[2])
        facet.click()
        assert page.input_value("#filter") == ""
    assert tagged.quiet


def test_a_facet_follows_words_whose_quote_is_still_open(tagged: Opened) -> None:
    page = tagged.page
    page.fill("#filter", '"backtest 3')
    page.locator("#facets").get_by_role("button", name="#live 3", exact=True).click()
    assert page.input_value("#filter") == '"backtest 3" tag:live'
    assert page.locator("tbody tr:visible").count() == 1


def test_a_comparison_can_be_chosen_instead_of_typed(project: Opened) -> None:
    page = project.page
    page.click("summary")
    page.select_option("#field", "sharpe")
    page.select_option("#sign", "<=")
    page.fill("#value", "0.5")
    page.click("#add")
    assert page.input_value("#filter") == "sharpe<=0.5"
    assert max(sharpes(project)) <= 0.5


def test_what_was_asked_for_stands_in_the_address(project: Opened) -> None:
    page = project.page
    page.fill("#filter", "tag:live sharpe>0")
    page.get_by_role("button", name="Drawdown").click()
    page.get_by_role("button", name="Charts", exact=True).click()
    found = page.eval_on_selector_all("tbody tr", _NAMES)
    page.reload()
    assert page.input_value("#filter") == "tag:live sharpe>0"
    assert page.eval_on_selector_all("tbody tr", _NAMES) == found
    assert page.get_attribute("[data-view=tiles]", "aria-pressed") == "true"
    page.locator("tbody tr:visible .name a").first.click()
    page.go_back()
    assert page.eval_on_selector_all("tbody tr", _NAMES) == found


def test_the_gallery_opens_steps_and_closes_by_keyboard(project: Opened) -> None:
    page = project.page
    page.fill("#filter", "backtest")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    first = page.inner_text("dialog h2")
    assert page.locator("dialog figure").count() >= 11
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth > 0")
    assert page.locator("dialog dt", has_text="Sortino").count() == 1
    page.keyboard.press("ArrowRight")
    second = page.inner_text("dialog h2")
    assert second != first
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("dialog h2") == first
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog")
    # The dialog hands the focus back in a task of its own.
    focused = "label => document.activeElement.getAttribute('aria-label') === label"
    page.wait_for_function(focused, arg=f"Charts of {second}")
    assert project.quiet


def test_the_gallery_opens_steps_and_closes_by_mouse(project: Opened) -> None:
    page = project.page
    page.click("tbody tr:nth-child(2) button.open")
    assert "2 of 31" in page.inner_text("#gallery-place")
    page.click("#previous")
    assert page.inner_text("dialog h2") == "Brand new"
    assert page.is_disabled("#previous")
    page.click("#next")
    page.click("#close")
    assert not page.is_visible("dialog")
    page.click("tbody tr:nth-child(1) button.open")
    page.click("#open-report")
    page.wait_for_url("**/offline.html")


def test_the_gallery_shows_only_what_the_filter_has_left(project: Opened) -> None:
    page = project.page
    page.fill("#filter", "brand")
    page.click("tbody tr:visible button.open")
    assert "1 of 1" in page.inner_text("#gallery-place")
    assert page.is_disabled("#next")


def test_thumbnails_show_cumulative_returns_and_load_when_seen(project: Opened) -> None:
    page = project.page
    images = page.locator("tbody tr img")
    assert "cumulative-returns" in str(images.first.get_attribute("src"))
    page.wait_for_function("() => document.querySelector('tbody img').naturalWidth > 0")
    assert images.last.get_attribute("loading") == "lazy"


def test_a_report_that_failed_says_why(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "site" / "103.html")
    row = page.locator("tbody tr", has=page.locator(".badge.bad"))
    assert "the server says no with HTTP 500" in (row.locator(".state").text_content() or "")
    assert row.locator("a").count() == 0


def test_a_phone_shows_tiles_that_fit_its_width(project: Opened) -> None:
    page = project.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_selector("#backtests.tiled")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 740})
    page.wait_for_selector("#backtests:not(.tiled)")


def test_without_scripts_the_table_and_its_links_are_there(browser: Browser, snapshot: Path) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((snapshot / "site" / "102.html").as_uri())
    assert page.locator("tbody tr").count() == 31
    assert page.locator("tbody .name a").first.is_visible()
    assert not page.is_visible("#tools")
    context.close()
