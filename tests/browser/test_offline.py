"""Offline pages open from disk, load nothing, run nothing and show every chart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.builders import REPORTS
from support.pages import EVIL, Opened, write_offline

from harvester.simulator import BacktestSpec, Drawing
from harvester.simulator.drawing import draw_report

_REAL = sorted(REPORTS.glob("*.html")) if REPORTS.is_dir() else []
_DRAWN_SOUND = """
    () => [...document.images].every((image) => image.complete && image.naturalWidth > 0)
"""


def assert_sound(opened: Opened, path: Path, images: int) -> None:
    page = opened.go(path)
    page.wait_for_function(_DRAWN_SOUND)
    assert page.evaluate("document.images.length") == images
    assert page.evaluate("document.scripts.length") == 0
    assert opened.quiet, (opened.outside, opened.failed, opened.said)


@pytest.mark.skipif(not _REAL, reason="the real reports are not at hand")
@pytest.mark.parametrize("path", _REAL, ids=[path.stem for path in _REAL])
def test_every_real_report_opens_without_network(opened: Opened, tmp_path: Path, path: Path) -> None:
    unpacked = write_offline(tmp_path, path.read_bytes().decode("utf-8"))
    assert_sound(opened, tmp_path / "offline.html", len(unpacked.images))
    assert "{{$" not in opened.page.inner_text("body")


def test_a_drawn_report_opens_without_network(opened: Opened, tmp_path: Path) -> None:
    spec = BacktestSpec(backtest_id="1", name="<b>Bold</b> & \u202edlrow", seed=3)
    unpacked = write_offline(tmp_path, draw_report(spec, Drawing(small=True), {}))
    assert_sound(opened, tmp_path / "offline.html", len(unpacked.images))


def test_each_page_of_a_report_prints_on_one_sheet(opened: Opened, tmp_path: Path) -> None:
    spec = BacktestSpec(backtest_id="1", name="Plain", seed=3)
    write_offline(tmp_path, draw_report(spec, Drawing(small=True), {}))
    page = opened.go(tmp_path / "offline.html")
    pages = page.locator(".page:visible").count()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == pages > 1


def test_nothing_in_a_hostile_report_runs_or_loads(opened: Opened, tmp_path: Path) -> None:
    write_offline(tmp_path, EVIL)
    page = opened.go(tmp_path / "offline.html")
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.scripts.length") == 0
    assert opened.outside == []
    page.click("#bait", force=True)
    assert page.evaluate("window.ran") is None


def test_leftover_placeholders_and_hidden_pages_stay_hidden(opened: Opened, tmp_path: Path) -> None:
    spec = BacktestSpec(backtest_id="1", name="Plain", seed=3)
    write_offline(tmp_path, draw_report(spec, Drawing(small=True), {}))
    page = opened.go(tmp_path / "offline.html")
    assert "{{$" not in page.inner_text("body")
    assert not page.is_visible("#parameters")
