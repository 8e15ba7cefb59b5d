from __future__ import annotations

from harvester.cli.output.table import render_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = render_table(("name", "size"), [("a", "1"), ("longer", "1000")], right="size")
    assert list(lines) == ["name    size", "a          1", "longer  1000"]


def test_wide_characters_take_the_room_that_they_need() -> None:
    lines = render_table(("name", "x"), [("日本", "1"), ("é", "2")])
    assert list(lines) == ["name  x", "日本  1", "é     2"]


def test_nothing_is_cut_off() -> None:
    assert list(render_table(("name",), [("x" * 500,)]))[1] == "x" * 500
