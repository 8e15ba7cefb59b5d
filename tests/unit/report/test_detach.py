from __future__ import annotations

import base64

import pytest

from harvester.report import unpack_report
from harvester.report.detach import detach_payloads

GIF = b"GIF89a" + b"\1" * 9_000 + b"\x3b"
URI = "data:image/gif;base64," + base64.b64encode(GIF).decode()


def test_a_page_is_a_fraction_of_its_size_without_its_payloads() -> None:
    html = f'<p>before<img src="{URI}">after<img src="{URI}">'
    detached = detach_payloads(html)
    assert len(detached.html) < len(html) / 2
    assert detached.contents == (GIF, GIF)
    assert detached.restore(detached.html) == html


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
    assert detach_payloads(html % URI).html == html % URI


@pytest.mark.parametrize("quote", ["'", ""])
def test_a_page_unpacks_alike_whether_its_payloads_are_detached_or_not(quote: str) -> None:
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


def test_a_page_that_contains_every_marker_is_unpacked_without_detaching() -> None:
    html = f'detached0x detached1x detached2x detached3x <img src="{URI}">'
    assert detach_payloads(html).html == html
    assert unpack_report(html).images[0].content == GIF
