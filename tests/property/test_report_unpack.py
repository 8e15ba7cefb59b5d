"""Whatever the text, taking it apart gives an answer; what was embedded comes out again."""

from __future__ import annotations

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import ReportError
from harvester.report import parse_figure, unpack_report
from harvester.report.detach import detach_payloads
from harvester.report.titles import file_name

_GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00"


@given(st.lists(st.tuples(st.text(max_size=80), st.binary(max_size=40)), max_size=6))
def test_what_was_embedded_comes_out_again_in_order(charts: list[tuple[str, bytes]]) -> None:
    contents = [_GIF + content + b"\x3b" for _, content in charts]
    html = "".join(
        f"<h2>{title}</h2><img src='data:image/gif;base64,{base64.b64encode(content).decode()}'>"
        for (title, _), content in zip(
            [(re.sub(r"[<&\x00\r]", "", t), c) for t, c in charts], contents, strict=True
        )
    )
    found = unpack_report(html).images
    assert [image.content for image in found] == contents
    assert len({image.record.name for image in found}) == len(contents)


@given(st.text(max_size=300), st.integers(1, 3000), st.sampled_from(["png", "svg"]))
def test_names_are_safe_on_any_file_system(title: str, number: int, extension: str) -> None:
    name = file_name(number, 3000, title, extension)
    assert re.fullmatch(r"\d{4}-[a-z0-9][a-z0-9-]{0,60}\.(png|svg)", name)


@given(st.text(alphabet=st.sampled_from("<>/='\" \n&;timgsrcdaba64,+-%thdvscrp:#0123456789"), max_size=400))
def test_arbitrary_markup_is_answered(html: str) -> None:
    try:
        found = unpack_report(html)
    except ReportError:
        return
    assert "<script" not in found.offline_html.lower()


@given(st.text(max_size=60))
def test_arbitrary_figures_are_numbers_or_nothing(text: str) -> None:
    figure = parse_figure(text)
    assert figure is None or figure.unit in {"", "%", "USD"}


_PIECES = st.sampled_from(
    ['src="data:image/', "png;base64,", "png", ";base64,", "A" * 4_000, "B" * 5_000, "=", '"', "'", "<img ",
     ">", "detached0x", "0x", "detached1x", "detached2x", "\n"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_detached_payloads_can_be_restored(html: str) -> None:
    detached = detach_payloads(html)
    assert detached.restore(detached.html) == html
    assert len(detached.contents) == len(detached.ranges)
