"""The index of a Snapshot, used with mouse and keyboard from disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.pages import HOSTILE, Opened

from harvester.format.layout import partial_name
from harvester.site import write_pages


def shown_links(opened: Opened) -> list[str]:
    return opened.page.locator("#found li a").all_inner_texts()


def test_the_index_says_what_is_new_changed_gone_and_failed_and_why(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    new = page.inner_text("#new")
    assert "Brand new" in new
    assert "Changed\n" in new
    assert "Gone from QuantConnect, kept here" in new
    missed = page.inner_text("#missed")
    assert "failed 1 backtest: backtests/read/report: the server says no with HTTP 500" in missed
    proof = " ".join(str(page.text_content(".terms")).split())
    assert proof == "40 listed = 1 saved + 1 updated + 37 carried + 1 failed"
    assert "1 more is no longer listed at QuantConnect and kept here." in page.inner_text("main")
    assert page.inner_text(".lead .badge") == "incomplete"
    assert opened.quiet


def test_the_pictures_of_what_is_new_are_drawn(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    page.locator(".tiles img").first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.tiles img').naturalWidth > 0")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("brand", ["Brand new"]),
        (f"{55:032x}", ["Backtest 55"]),
        ('"project 3" backtest', [f"Backtest {n}" for n in (55, 54, 53, 52, 51, 50)]),
        ("tag:live brand", []),
        ("no such", []),
    ],
)
def test_search_finds_backtests_of_all_projects(
    opened: Opened, snapshot: Path, words: str, found: list[str]
) -> None:
    page = opened.go(snapshot / "index.html")
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.wait_for_function("() => document.querySelector('#found h2').textContent")
    assert page.inner_text("#found h2").startswith(f"{len(found)} backtest")
    assert sorted(shown_links(opened)) == sorted(found)
    page.keyboard.press("Escape")
    assert not page.is_visible("#found")
    assert opened.quiet


def test_enter_goes_to_the_row_of_the_first_hit(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    page.fill("#search", "Backtest 11")
    page.wait_for_selector("#found li a")
    page.press("#search", "Enter")
    page.wait_for_url("**/site/102.html#*")
    row = page.locator("tr:target")
    assert row.locator(".name a").inner_text() == "Backtest 11"
    assert row.is_visible()


def test_search_narrows_the_projects_as_well(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    page.fill("#search", "project 2")
    assert page.locator("#projects tbody tr:visible").all_inner_texts()[0].startswith("Project 2")
    assert page.locator("#projects tbody tr:visible").count() == 1


def test_projects_sort_by_every_heading(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    reports = "rows => rows.map((row) => Number(row.cells[1].textContent))"
    page.get_by_role("button", name="Reports").click()
    found = page.eval_on_selector_all("#projects tbody tr", reports)
    assert found == sorted(found, reverse=True)
    page.keyboard.press("Enter")
    assert page.eval_on_selector_all("#projects tbody tr", reports) == sorted(found)
    assert page.get_attribute("#projects th:nth-child(2)", "aria-sort") == "ascending"
    page.get_by_role("button", name="Size").click()
    assert page.locator("#projects tbody tr").first.inner_text().startswith("Project 2")


def test_hostile_names_show_as_text_in_search(opened: Opened, snapshot: Path) -> None:
    page = opened.go(snapshot / "index.html")
    page.fill("#search", "script")
    page.wait_for_selector("#found li a")
    assert shown_links(opened) == [HOSTILE[3], HOSTILE[0]]
    page.fill("#search", "onerror")
    assert shown_links(opened) == [HOSTILE[1]]
    assert page.evaluate("window.ran") is None
    assert opened.quiet


def test_snapshots_that_stand_side_by_side_are_linked(opened: Opened, snapshot: Path) -> None:
    earlier = snapshot.parent / snapshot.name.removesuffix(".2")
    page = opened.go(snapshot / "index.html")
    page.get_by_role("link", name=earlier.name).click()
    page.wait_for_url(f"**/{earlier.name}/index.html")
    page.get_by_role("link", name="Newest Snapshot").click()
    page.wait_for_url("**/latest/index.html")
    assert page.inner_text("h1") == f"Snapshot {snapshot.name}"
    page.get_by_role("link", name=earlier.name).wait_for()
    assert not page.get_by_role("link", name="Newest Snapshot").is_visible()


def test_a_snapshot_that_is_no_longer_there_is_not_linked(
    opened: Opened, snapshot: Path, tmp_path: Path
) -> None:
    shutil.copytree(snapshot, tmp_path / snapshot.name)
    page = opened.go(tmp_path / snapshot.name / "index.html")
    page.wait_for_load_state("networkidle")
    assert page.locator("nav a:visible").count() == 0


def test_an_export_stands_alone(opened: Opened, snapshot: Path, tmp_path: Path) -> None:
    shutil.copytree(snapshot, tmp_path / "export")
    write_pages(tmp_path / "export")
    page = opened.go(tmp_path / "export" / "index.html")
    assert "Exported from the Snapshot" in page.inner_text(".lead")
    assert page.locator("nav a").count() == 0
    assert "harvester verify" not in page.inner_text("main")
    assert opened.quiet


def test_every_link_of_the_pages_leads_to_a_file(opened: Opened, snapshot: Path) -> None:
    for path in [snapshot / "index.html", *(snapshot / "site").glob("*.html")]:
        page = opened.go(path)
        found = page.eval_on_selector_all("a[href]", "links => links.map((link) => [link.href, link.hash])")
        for link, anchor in found:
            assert link.startswith("file:")
            target = Path(link.removeprefix("file://").removesuffix(anchor))
            assert target.is_file(), link


def test_pages_without_news_are_linked_to_those_before(snapshot: Path) -> None:
    before = snapshot.parent / snapshot.name.removesuffix(".2") / "site"
    same = {path.name for path in before.iterdir() if path.samefile(snapshot / "site" / path.name)}
    assert {"style.css", "table.js", "icon.svg"} < same
    assert {"102.html", "backtests.js", "snapshot.js"}.isdisjoint(same)
    subprocess.run(["sha256sum", "--check", "--quiet", "tagmanifest-sha256.txt"], cwd=snapshot, check=True)


def test_pages_that_are_written_again_are_the_same(snapshot: Path, tmp_path: Path) -> None:
    partial = tmp_path / partial_name(snapshot.name)
    shutil.copytree(snapshot, partial)
    write_pages(partial)
    for path in [snapshot / "index.html", *(snapshot / "site").iterdir()]:
        assert (partial / path.relative_to(snapshot)).read_bytes() == path.read_bytes()
