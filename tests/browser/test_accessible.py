"""The pages judged by axe-core: every view, light and dark, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.pages import Opened


@pytest.fixture(params=["light", "dark"])
def themed(opened: Opened, request: pytest.FixtureRequest) -> Opened:
    opened.page.emulate_media(color_scheme="dark" if request.param == "dark" else "light")
    return opened


def violations(opened: Opened) -> list[str]:
    """What axe calls serious or critical, with the first element that it names."""
    return [
        f"{rule['id']}: {rule['help']}: {rule['nodes'][0]['html']}"
        for rule in Axe().run(opened.page).response["violations"]
        if rule["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_index_has_no_serious_violation(themed: Opened, snapshot: Path, width: int) -> None:
    themed.page.set_viewport_size({"width": width, "height": 900})
    page = themed.go(snapshot / "index.html")
    page.fill("#search", "backtest")
    page.wait_for_selector("#found li a")
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(themed) == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["101.html", "102.html", "103.html"])
def test_a_project_page_has_no_serious_violation(
    themed: Opened, snapshot: Path, name: str, width: int
) -> None:
    themed.page.set_viewport_size({"width": width, "height": 900})
    page = themed.go(snapshot / "site" / name)
    page.click("summary")
    assert violations(themed) == []


def test_tiles_facets_and_an_empty_filter_have_no_serious_violation(themed: Opened, snapshot: Path) -> None:
    page = themed.go(snapshot / "site" / "102.html")
    page.get_by_role("button", name="Charts", exact=True).click()
    page.locator("#facets button").first.click()
    assert violations(themed) == []
    page.fill("#filter", "no such")
    assert violations(themed) == []


def test_the_gallery_has_no_serious_violation(themed: Opened, snapshot: Path) -> None:
    page = themed.go(snapshot / "site" / "102.html")
    page.click("button.open >> nth=0")
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth > 0")
    assert violations(themed) == []
