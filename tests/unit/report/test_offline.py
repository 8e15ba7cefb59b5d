"""Offline pages keep what is harmless and lose what loads or runs."""

from __future__ import annotations

import time

import pytest
from selectolax.lexbor import LexborHTMLParser

from harvester.report import unpack_report


def offline(html: str) -> str:
    return unpack_report(html).offline_html


def test_the_policy_is_the_first_thing_in_the_head() -> None:
    page = LexborHTMLParser(offline("<title>x</title><meta charset='windows-1252'><p>text"))
    assert page.head is not None
    first = page.head.first_child
    assert first is not None
    assert first.attributes["http-equiv"] == "Content-Security-Policy"
    assert (first.attributes["content"] or "").startswith("default-src 'none';")


@pytest.mark.parametrize(
    "rule",
    [
        "background: url(http://evil.example/x.png)",
        "background: URL( 'http://evil.example/x.png' )",
        'background: url("http://evil.example/a)b.png")',
        "background: u\\72l(http://evil.example/x.png)",
        "background: \\000075\\72 l(//evil.example/x.png)",
        "background: u\\rl(file://evil.example/share/x.png)",
        "background: \\U\\RL(file://evil.example/share/x.png)",
        "background: url(file://evil.example/share/x.png)",
        "background: url(   //evil.example/x.png",
        "background: image-set('http://evil.example/x.png' 1x)",
        "src: url(//evil.example/font.woff2)",
    ],
)
def test_no_rule_names_an_address_to_load(rule: str) -> None:
    for page in (
        offline(f"<style>p {{ {rule} }}</style>"),
        offline(f"<p style='{rule.replace(chr(39), '&#39;')}'>"),
    ):
        style = page.split("</style>", 1)[1]
        for call in ("url(", "image-set("):
            assert call not in style.lower(), style


@pytest.mark.parametrize("rule", ["@import 'http://evil.example/x.css';", "@\\69mport url(//evil.example/x)"])
def test_no_stylesheet_is_imported(rule: str) -> None:
    assert "@import" not in offline(f"<style>{rule}</style>")


@pytest.mark.parametrize("rule", ["\\5c 75 rl(x)", "u\\\\rl(x)", "a\\7d b", "\\\\75 rl"])
def test_an_escape_that_hides_nothing_is_not_made_to_mean_more(rule: str) -> None:
    assert f"p {{ {rule} }}" in offline(f"<style>p {{ {rule} }}</style>")


def test_what_a_stylesheet_embeds_stays() -> None:
    rule = "p { background: url(data:image/gif;base64,R0lGODlh); content: '\\f00c \\2714' }"
    assert rule in offline(f"<style>{rule}</style>")


@pytest.mark.parametrize(
    "css", ["url(" * 300_000, "url(" + " " * 300_000 + "x", "@import " * 100_000, "\\0" * 500_000]
)
def test_hostile_stylesheets_take_no_quadratic_time(css: str) -> None:
    started = time.process_time()
    offline(f"<style>{css}</style><p style='{css}'>")
    assert time.process_time() - started < 10


def test_links_that_a_person_follows_stay_and_scripts_in_links_go() -> None:
    page = offline(
        "<a href='https://www.example.org/'>a</a><a href=' jAvascript:alert(1)'>b</a><a href='#x'>c</a>"
    )
    assert 'href="https://www.example.org/"' in page
    assert 'href="#x"' in page
    assert "alert" not in page


@pytest.mark.parametrize("tag", ["style", "xmp", "noembed", "noframes", "plaintext"])
@pytest.mark.parametrize("around", ["svg", "math", "svg><g", "math><mtext><table><mglyph"])
def test_no_element_comes_into_being_when_the_page_is_read_again(around: str, tag: str) -> None:
    page = LexborHTMLParser(offline(f"<{around}><{tag}>&lt;img src=x onerror=alert(1)&gt;</{tag}>"))
    assert not page.css("img, [onerror]")


def test_the_style_of_a_drawing_stays() -> None:
    assert "<style>*{fill:red}</style>" in offline("<svg><defs><style>*{fill:red}</style></defs></svg>")


def test_remote_images_leave_nothing_behind() -> None:
    assert "<img" not in offline("<div><img src='https://cdn.example.org/logo.png'></div>")


LEAN = "https://cdnjs.cloudflare.com/ajax/libs/twitter-bootstrap/3.3.7/css/bootstrap.min.css"


@pytest.mark.parametrize(
    ("links", "layout", "frame"),
    [((), False, False), ((LEAN,), True, False), ((LEAN, "css/report.css"), True, True)],
)
def test_a_page_gets_the_styles_that_it_asked_for(links: tuple[str, ...], layout: bool, frame: bool) -> None:
    page = offline("".join(f"<link rel='stylesheet' href='{link}'>" for link in links))
    assert (".col-xs-4" in page, ".header-right" in page) == (layout, frame)
    assert "<link" not in page


def cells(*live: str) -> LexborHTMLParser:
    rows = "".join(f"<tr><td>x</td><td class='kpi-live'>{text}</td></tr>" for text in live)
    return LexborHTMLParser(offline(f"<table><tr><th></th><th class='kpi-live'>Live</th></tr>{rows}</table>"))


def test_the_live_column_of_a_backtest_is_hidden_with_its_heading() -> None:
    page = cells("{{$KPI-LIVE-SHARPE}}", "{{$KPI-LIVE-PSR}}", "Equity")
    assert all("hidden" in cell.attributes for cell in page.css(".kpi-live"))


def test_the_live_column_of_a_live_strategy_stays_without_its_leftovers() -> None:
    page = cells("{{$KPI-DAYS-LIVE}}", "0.45", "12%")
    assert [cell.text() for cell in page.css("td.kpi-live")] == ["", "0.45", "12%"]
    assert not page.css("[hidden]")


def test_charts_are_painted_as_soon_as_the_page_is() -> None:
    page = offline("<img src='data:image/gif;base64,R0lGODlhAQABAAAAADs=' loading='lazy' decoding='async'>")
    assert '<img src="images/01-image.gif">' in page
