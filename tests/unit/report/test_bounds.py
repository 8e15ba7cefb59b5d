"""What would cost a parser quadratic time or memory is refused; what people write is not."""

from __future__ import annotations

import contextlib
import time

import pytest
from support.builders import REPORTS

from harvester.errors import ReportError
from harvester.report.bounds import check_bounds

_FONTS = "".join(f"<font a={n}>" for n in range(2000))
_BOLDS = "".join(f"<b a={n}><div>" for n in range(5000))
_ATTRIBUTES = " ".join(f"a{n}" for n in range(300))


@pytest.mark.parametrize(
    ("html", "what"),
    [
        ("<p>" * 25_001, "25000 tags"),
        (f"<p>{_FONTS}" + "<p>x" * 3000, "formatting"),
        (f"{_BOLDS}" + "</b>" * 5000, "formatting"),
        ("".join(f'<i a="1>{n}">' for n in range(2000)) + "<p>x" * 3000, "formatting"),
        (f"<a {_ATTRIBUTES}>", "attributes"),
        (f"<a {_ATTRIBUTES.replace(' ', '/')}>", "attributes"),
        (f"<!-- <p title='>'><script><IMG {_ATTRIBUTES}", "attributes"),
        ("<a " + "".join(f"a{n}='>'b{n}=\">\"" for n in range(150)) + ">", "attributes"),
        ("<a b<c " + " <".join(f"a{n} b{n}" for n in range(150)) + ">", "attributes"),
        ("".join(f"<body a{n}=1>" for n in range(200)), "<body>"),
        ("".join(f"<HTML a{n}=1>" for n in range(200)), "<html>"),
    ],
)
def test_markup_that_costs_quadratic_time_is_refused(html: str, what: str) -> None:
    with pytest.raises(ReportError, match=what):
        check_bounds(html)


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>" + "a < b and c<d, " * 30 + "</p>",
        "<p><i class='fa fa-check'></i><b>bold</b> text</p>" * 3000,
        "<script>for (let i = 0; i<n; i++) { if (a[i]>b) c += 'x' }</script>" * 500,
        "<tr>" + "<td>12.3%</td>" * 10_000 + "</tr>",
        '<img src="data:image/png;base64,' + "ab/+" * 1_000_000 + '">',
        "<img src=data:image/png;base64," + "ab/+" * 1_000_000 + ">",
    ],
)
def test_markup_that_people_write_passes(html: str) -> None:
    check_bounds(html)


@pytest.mark.parametrize(
    "html",
    [
        "<a" * 24_000 + "b" * 10_000_000,
        "<a<" * 12_000 + " x='" + "b" * 10_000_000 + "'",
        "<a " * 24_000 + " " * 10_000_000,
        "<a x=" * 24_000 + " " * 10_000_000,
        "<a x='" * 24_000 + "b" * 10_000_000,
        "<a x='<b y=\"" * 12_000 + "b" * 10_000_000,
        "<i " * 24_000 + " " * 10_000_000,
        '<i a="' * 24_000 + "b" * 10_000_000,
        "<a x=\"'" * 24_000 + "b" * 10_000_000,
        '<img src="data:,' + "b" * 10_000_000,
    ],
)
def test_the_scan_itself_takes_no_quadratic_time(html: str) -> None:
    started = time.process_time()
    with contextlib.suppress(ReportError):
        check_bounds(html)
    assert time.process_time() - started < 10


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the real reports are not at hand")
def test_no_real_report_is_near_the_bounds() -> None:
    for path in REPORTS.glob("*.html"):
        check_bounds(path.read_bytes().decode() * 8)
