"""Images, their names and their bytes, out of all the markup that reports were seen to have."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import time
import zlib

import pytest
from PIL import Image
from support.builders import REPORTS

from harvester.errors import ReportError
from harvester.report import unpack_report, unpacked_without_images


def png(width: int = 2, height: int = 1, colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def other(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "blue").save(file, kind)
    return file.getvalue()


def uri(content: bytes, label: str = "image/png") -> str:
    return f"data:{label};base64,{base64.b64encode(content).decode()}"


def chart(title: str, content: bytes, **more: str) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in more.items())
    return (
        f"<table class='table compact'><thead><tr><th>{title}</th></tr></thead>"
        f"<tbody><tr><td><img src='{uri(content)}'{attributes}></td></tr></tbody></table>"
    )


def names(html: str) -> list[str]:
    return [image.record.name for image in unpack_report(html).images]


def test_charts_are_named_by_the_heading_of_their_own_table() -> None:
    html = chart("Monthly Returns", png()) + chart("Long-Short Exposure", png(3))
    found = unpack_report(html)
    assert names(html) == ["01-monthly-returns.png", "02-long-short-exposure.png"]
    assert [image.content for image in found.images] == [png(), png(3)]
    assert (found.images[1].record.width, found.images[1].record.height) == (3, 1)
    assert found.images[0].record.media_type == "image/png"


def test_equal_images_under_different_titles_keep_both_names() -> None:
    assert names(chart("Leverage", png()) + chart("Drawdown", png())) == [
        "01-leverage.png",
        "02-drawdown.png",
    ]


def test_copies_for_other_sites_do_not_count() -> None:
    html = f"<head><meta property='og:image' content='{uri(png())}'></head>" + chart("Drawdown", png())
    assert unpack_report(html).images_found == 1


def test_several_titles_then_several_images_belong_together_in_order() -> None:
    images = "".join(f"<img src='{uri(png(n))}'>" for n in (1, 2, 3))
    head = "<table><tr><th>First<sup>[1]</sup></th><th><a href='#'>Second</a></th><th>Third</th></tr></table>"
    assert names(f"{head}<p>{images}</p>") == ["01-first-1.png", "02-second.png", "03-third.png"]


def test_an_image_beside_key_figures_is_not_called_by_their_heading() -> None:
    html = f"<table><tr><th>Key Statistics</th></tr><tr><td>CAGR</td></tr></table><img src='{uri(png())}'>"
    assert names(html) == ["01-image.png"]


@pytest.mark.parametrize(
    ("html", "name"),
    [
        ("<figure><img src='{}'><figcaption>A caption</figcaption></figure>", "01-a-caption.png"),
        ("<img alt='Alternative' src='{}'>", "01-alternative.png"),
        ("<img title='Titled' src='{}'>", "01-titled.png"),
        ("<img id='monthly-plot' src='{}'>", "01-monthly-plot.png"),
        ("<h2>A heading</h2><p>text</p><img src='{}'>", "01-a-heading.png"),
        ("<img src='{}'>", "01-image.png"),
        ("<img alt='../../etc/passwd' src='{}'>", "01-etc-passwd.png"),
        ("<img alt='?*|&lt;&gt;' src='{}'>", "01-image.png"),
        ("<img alt='月次' src='{}'>", "01-image.png"),
    ],
)
def test_other_places_give_a_name_when_there_is_no_table(html: str, name: str) -> None:
    assert names(html.format(uri(png()))) == [name]


def test_more_than_a_hundred_images_stay_in_order() -> None:
    found = names("".join(chart("Same", png()) for _ in range(101)))
    assert (found[0], found[-1]) == ("001-same.png", "101-same.png")
    assert found == sorted(found)


@pytest.mark.parametrize(
    "source",
    [
        uri(png()).replace("data:image/png", "DATA:IMAGE/PNG"),
        uri(png()).replace(";base64", ";name=x.png;charset=utf-8;BASE64"),
        uri(png()).rstrip("="),
        uri(png()).replace("+", "-").replace("/", "_").replace("image_png", "image/png"),
        uri(png()).replace("=", "%3D").replace("+", "%2B"),
        " \n" + re.sub(r"(.{20})", r"\1\n ", uri(png())),
        uri(png()).replace("A", "&#65;"),
        f"data:;base64,{base64.b64encode(png()).decode()}",
    ],
)
def test_base64_is_read_leniently(source: str) -> None:
    assert [image.content for image in unpack_report(f'<img src="{source}">').images] == [png()]


@pytest.mark.parametrize(
    ("kind", "media_type", "extension", "sized"),
    [
        ("JPEG", "image/jpeg", "jpg", True),
        ("GIF", "image/gif", "gif", True),
        ("WEBP", "image/webp", "webp", False),
    ],
)
def test_the_extension_comes_from_the_bytes(kind: str, media_type: str, extension: str, sized: bool) -> None:
    record = unpack_report(f"<img src='{uri(other(kind), 'image/png')}'>").images[0].record
    assert (record.media_type, record.name) == (media_type, f"01-image.{extension}")
    assert (record.width == 3) == sized


def test_an_svg_is_kept_as_text() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>"
    quoted = svg.replace("<", "%3C").replace(">", "%3E").replace("'", "%27")
    found = unpack_report(f'<img src="data:image/svg+xml;utf8,{quoted}">').images
    assert [(image.record.name, image.content.decode()) for image in found] == [("01-image.svg", svg)]


@pytest.mark.parametrize(
    "source",
    [
        "data:,hello",
        "data:image/png;base64,",
        "data:image/png;base64",
        "data:image/png;base64,!!!not base64!!!",
        "data:image/png;base64,AAAAA",
        uri(png()[:-8]),
        uri(png()[:20]),
        uri(png()[:40] + b"\x00" + png()[41:]),
        uri(b"GIF89a"),
        uri(other("JPEG")[:15]),
        uri(other("WEBP")[:-4]),
        uri(other("BMP")),
        "data:text/plain;base64,aGVsbG8=",
    ],
)
def test_what_does_not_decode_is_a_warning_and_nothing_else_is_lost(source: str) -> None:
    html = f"<img alt='Broken' src='{source}'>" + chart("Fine", png())
    found = unpack_report(html)
    assert [image.record.title for image in found.images] == ["Fine"]
    assert found.images_found == 2
    assert len(found.warnings) == 1
    assert "Broken" in found.warnings[0]


@pytest.mark.parametrize(
    "source", ["", "logo.png", "https://example.org/logo.png", "C:\\logo.png", "{{$PLOT}}"]
)
def test_what_is_not_embedded_is_no_image_of_the_report(source: str) -> None:
    found = unpack_report(f"<img src='{source}'><img>")
    assert (found.images, found.images_found, found.warnings) == ((), 0, ())


def test_more_warnings_than_anyone_reads_are_counted() -> None:
    found = unpack_report("<img src='data:,x'>" * 150)
    assert len(found.warnings) == 101
    assert found.warnings[-1] == "50 more images were left in the HTML"


def test_images_in_comments_and_scripts_are_left_alone() -> None:
    html = f"<!-- <img src='{uri(png())}'> --><script>'<img src={uri(png())}>'</script>"
    assert unpack_report(html).images_found == 0


def test_a_decompression_bomb_is_never_unpacked() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10**7)) + chunk(b"IEND", b"")
    record = unpack_report(f"<img src='{uri(bomb)}'>").images[0].record
    assert record.width == 2**31 - 1


def test_more_tags_than_any_report_has_are_refused_before_they_are_parsed() -> None:
    started = time.process_time()
    with pytest.raises(ReportError, match="more than 25000 tags"):
        unpack_report("<div>" * 40_000_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("piece", ["<th>", "<td>", "<table><tr><th>x", "<figure>", "<h1>x", "<select>"])
def test_deep_nesting_within_the_bounds_takes_no_quadratic_time(piece: str) -> None:
    started = time.process_time()
    unpack_report(piece * (24_000 // piece.count("<")) + f"<img src='{uri(png())}'>")
    assert time.process_time() - started < 10


def test_a_report_that_was_cut_off_within_an_image_gives_the_ones_before() -> None:
    page = chart("Drawdown", png()) + '<p><img src="data:image/png;base64,' + "A" * 100_000
    assert names(page) == ["01-drawdown.png"]


LONG = "aa " * 2_000_000


@pytest.mark.parametrize(
    "html",
    [
        f"<figure><figcaption>{LONG}</figcaption>" + "<img src=x>" * 24_000,
        "<table id=key-characteristics><tr><td>x<td>" * 12 + LONG,
    ],
    ids=["one caption of many images", "one figure in many nested cells"],
)
def test_a_long_text_is_not_read_again_and_again(html: str) -> None:
    started = time.process_time()
    unpack_report(html)
    assert time.process_time() - started < 10


def test_the_digest_of_the_text_does_not_depend_on_where_it_is_cut_for_folding() -> None:
    words = ["a", "bc \t", "d\n\n", "  e"] * 150_000
    folded = " ".join("".join(words).split())
    assert unpack_report("".join(words)).text_sha256 == hashlib.sha256(folded.encode()).hexdigest()


def test_a_report_that_is_not_taken_apart_says_so_in_its_page() -> None:
    found = unpacked_without_images("<html>", "too <large>")
    assert "too &lt;large&gt;" in found.offline_html
    assert found.warnings == ("too <large>",)


def test_the_digest_of_the_text_tells_content_from_rendering() -> None:
    first = unpack_report("<p>Sharpe  0.8</p>" + chart("Drawdown", png()))
    redrawn = unpack_report("<p>Sharpe 0.8</p>" + chart("Drawdown", png(5)))
    changed = unpack_report("<p>Sharpe 0.9</p>" + chart("Drawdown", png()))
    assert first.text_sha256 == redrawn.text_sha256 != changed.text_sha256


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports are not at hand")
def test_real_reports_have_as_many_distinct_images_as_were_counted_by_hand() -> None:
    sources = (REPORTS / "SOURCES.md").read_text()
    rows = re.findall(r"^\| (lean-\S+\.html) \|.*?\| (\d+) \(\+\d, \d\) \| (\d+) \|", sources, re.MULTILINE)
    assert len(rows) == 18
    for name, images, distinct in rows:
        found = unpack_report((REPORTS / name).read_bytes().decode()).images
        assert (len(found), len({image.record.sha256 for image in found})) == (int(images), int(distinct)), (
            name
        )
