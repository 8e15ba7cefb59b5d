from __future__ import annotations

import base64

import pytest

from harvester.report import unpack_report
from harvester.report.lifting import lift

GIF = b"GIF89a" + b"\1" * 9_000 + b"\x3b"
URI = "data:image/gif;base64," + base64.b64encode(GIF).decode()


def test_a_page_is_a_fraction_of_its_size_without_its_payloads() -> None:
    html = f'<p>before<img src="{URI}">after<img src="{URI}">'
    lifted = lift(html)
    assert len(lifted.html) < len(html) / 2
    assert lifted.contents == (GIF, GIF)
    assert lifted.restore(lifted.html) == html


@pytest.mark.parametrize(
    "html",
    [
        "<img src='%s'>",
        '<img src="%s',
        '<img src="%s*">',
        '<img src=" %s">',
        "<img src=%s>",
    ],
)
def test_what_is_embedded_in_another_way_stays(html: str) -> None:
    assert lift(html % URI).html == html % URI


@pytest.mark.parametrize("quote", ["'", ""])
def test_the_short_way_gives_what_the_long_way_gives(quote: str) -> None:
    page = "<h2>Chart</h2><img alt=x src={0}" + URI + "{0}><p>Some text</p>"
    assert unpack_report(page.format('"')) == unpack_report(page.format(quote))


def test_a_payload_in_the_text_comes_back_into_the_text() -> None:
    text = f'<pre>src="{URI}"</pre>'
    assert URI in unpack_report(text).offline_html


def test_text_around_an_address_makes_it_another_address() -> None:
    html = f"<img src='data:,src=\"{URI}\" and more'>"
    assert unpack_report(html).warnings == (
        "image 1 (image) was left in the HTML: bytes that are no known image",
    )


def test_a_page_that_has_every_mark_is_read_the_long_way() -> None:
    html = f'lifted0x lifted1x lifted2x lifted3x <img src="{URI}">'
    assert lift(html).html == html
    assert unpack_report(html).images[0].content == GIF
