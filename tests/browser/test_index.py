"""The pages of a Snapshot, used with mouse and keyboard from disk."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from browser_pages import Opened
from builders import SMALL, Asked, make_backtests, make_scenario, run_against

from harvester.simulator import Scenario, Simulator
from harvester.site import write_pages

_AXE = Path(__file__).parents[2] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
_HOSTILE = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2">',
    "\u202edlrow",
    "'; --",
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second night: one project with hostile names, something new, something gone."""
    archive = tmp_path_factory.mktemp("archive")
    named = tuple(make_backtests(1, first=n + 1, name=name)[0] for n, name in enumerate(_HOSTILE))
    plain = make_backtests(30, first=10, tags=("live",)) + make_backtests(6, first=50)
    scenario = make_scenario(named, plain, drawing=SMALL)

    async def nights(scenario: Scenario) -> Path:
        async with Simulator(scenario) as simulator:
            await run_against(simulator, archive, Asked(pages=write_pages))
            simulator.account.add_backtest(102, make_backtests(1, first=90, name="Brand new")[0])
            simulator.account.delete_backtest(102, f"{10:032x}")
            return (await run_against(simulator, archive, Asked(pages=write_pages))).path

    with ThreadPoolExecutor(1) as threads:  # Playwright's loop has this one
        return threads.submit(anyio.run, nights, scenario).result()


def test_the_index_says_what_is_new_and_what_is_gone(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    text = page.inner_text("main")
    assert "New: 1" in text
    assert "Brand new" in text
    assert "No longer listed at QuantConnect, kept here: 1" in text
    assert "40 listed = 1 saved + 39 carried" in text
    assert opened.quiet


def test_hostile_names_show_as_text_and_run_nothing(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "site" / "101.html")
    names = page.eval_on_selector_all("tbody tr", "rows => rows.map((row) => row.dataset.name)")
    assert names == list(_HOSTILE)
    assert page.inner_text("tbody tr:first-child td.name a") == _HOSTILE[0]
    page.click("tbody tr:first-child [data-open-gallery]")
    assert page.inner_text("dialog h2") == _HOSTILE[0]
    assert page.evaluate("window.ran") is None
    opened.go(snapshot / "index.html").fill("#search", "script")
    page.wait_for_selector("#found li a")
    assert page.inner_text("#found li a") == _HOSTILE[0]
    assert page.evaluate("window.ran") is None
    assert opened.outside == []
    assert opened.said == []


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", 37),
        ("brand", 1),
        ("tag:live", 30),
        ("is:new", 1),
        ("is:gone", 1),
        ("created>2025", 0),
        ("no such", 0),
    ],
)
def test_the_filter_shows_what_matches(opened: Opened, snapshot: Path, query: str, shown: int) -> None:
    page = opened.go(snapshot / "site" / "102.html")
    page.keyboard.press("/")
    page.keyboard.type(query)
    assert page.inner_text("#count") == f"{shown} of 37"
    assert page.locator("tbody tr:visible").count() == shown
    page.keyboard.press("Escape")
    assert page.inner_text("#count") == "37 of 37"


def test_figures_filter_and_sort(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "site" / "102.html")
    read = "rows => rows.filter((row) => !row.hidden).map((row) => Number(row.dataset.sharpe))"
    page.fill("#filter", "sharpe>0.5")
    found = page.eval_on_selector_all("tbody tr", read)
    assert found
    assert min(found) > 0.5
    page.fill("#filter", "")
    page.focus("button[data-key=sharpe]")
    page.keyboard.press("Enter")
    found = page.eval_on_selector_all("tbody tr", read)
    assert found == sorted(found, reverse=True)
    page.keyboard.press("Enter")
    assert page.eval_on_selector_all("tbody tr", read) == sorted(found)
    assert page.get_attribute("th:has(button[data-key=sharpe])", "aria-sort") == "ascending"


def test_the_gallery_opens_steps_and_closes_by_keyboard(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "site" / "102.html")
    page.focus("tbody tr:nth-child(2) [data-open-gallery]")
    page.keyboard.press("Enter")
    first = page.inner_text("dialog h2")
    assert page.locator("dialog figure").count() >= 11
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth > 0")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("dialog h2") != first
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("dialog h2") == first
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog")
    assert opened.quiet


def test_every_link_of_the_pages_leads_to_a_file(opened: Opened, snapshot: Path) -> None:
    for path in [snapshot / "index.html", *(snapshot / "site").glob("*.html")]:
        page = opened.go(path)
        links = page.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)")
        for link in links:
            assert link.startswith("file:")
            target = Path(link.removeprefix("file://").split("#")[0])
            assert target.exists() or link.endswith("#"), link


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not _AXE.exists(), reason="`make test` installs axe-core where npm is")
def test_axe_finds_no_serious_violation(opened: Opened, snapshot: Path, scheme: str) -> None:
    for name in ("index.html", "site/102.html"):
        page = opened.go(snapshot / name)
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.evaluate(_AXE.read_text())
        found = page.evaluate("() => axe.run()")["violations"]
        serious = [(rule["id"], rule["help"]) for rule in found if rule["impact"] in {"serious", "critical"}]
        assert serious == []


def test_pages_without_news_are_linked_to_those_before(snapshot: Path) -> None:
    before = snapshot.parent / snapshot.name.removesuffix(".2") / "site"
    assert (before / "style.css").stat().st_ino == (snapshot / "site" / "style.css").stat().st_ino
    subprocess.run(["sha256sum", "--check", "--quiet", "tagmanifest-sha256.txt"], cwd=snapshot, check=True)
