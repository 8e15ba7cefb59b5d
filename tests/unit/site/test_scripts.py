from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from support.values import make_entry

from harvester.site.rows import FIGURES, row_of
from harvester.site.scripts import SearchIndex, SearchProject, figures_script, rows_json, script_json


@given(st.text())
def test_json_for_scripts_holds_nothing_that_ends_one(text: str) -> None:
    found = script_json([text])
    assert json.loads(found) == [text]
    assert not set("<>&\u2028\u2029\n\r") & set(found)


def test_rows_have_their_figures_in_the_order_that_the_scripts_know() -> None:
    known = json.loads(
        rows_json([row_of(make_entry(statistics={"sharpeRatio": 1.5, "trades": 12.0}), ("01-a.png",))])
    )
    [[images, *values]] = known["rows"]
    assert known["images"][images] == ["01-a.png"]
    keys = [
        figure["key"] for figure in json.loads(figures_script().decode().partition("= ")[2].rstrip(";\n"))
    ]
    assert keys == [figure.key for figure in FIGURES]
    assert {key: value for key, value in zip(keys, values, strict=True) if value is not None} == {
        "sharpe": 1.5, "trades": 12,
    }  # fmt: skip


def test_equal_lists_of_images_stand_in_a_page_once() -> None:
    rows = [row_of(make_entry(), images) for images in (("01-a.png",), (), ("01-a.png",), ("01-b.png",))]
    known = json.loads(rows_json(rows))
    assert known["images"] == [["01-a.png"], ["01-b.png"]]
    assert [row[0] for row in known["rows"]] == [0, -1, 0, 1]


def test_the_search_index_has_the_newest_first_and_names_the_page() -> None:
    index = SearchIndex()
    project = SearchProject(7, "</script>")
    project.add("7-1.html", [make_entry("a", tags=("t",)), make_entry("b")])
    project.add("7.html", [make_entry("c")])
    index.add(project)
    text = index.render().decode()
    assert "<" not in text
    assert json.loads(text.partition("= ")[2].rstrip(";\n")) == [
        [7, "</script>", [["7-1.html", [["b", "b"], ["a", "a", "t"]]], ["7.html", [["c", "c"]]]]]
    ]
