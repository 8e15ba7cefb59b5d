"""Whatever names and ids come from outside, paths stay inside, short and apart."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from harvester.format.layout import (
    is_report_path,
    is_snapshot_name,
    next_name,
    report_path,
    safe_id,
    slug,
    snapshot_order,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
DATES = st.dates().map(str)
NAMES = st.builds(lambda date, n: date if n < 2 else f"{date}.{n}", DATES, st.integers(0, 30))


@given(TEXT)
def test_a_slug_is_short_and_plain(name: str) -> None:
    made = slug(name)
    assert 1 <= len(made) <= 60
    assert len(made.encode()) <= 72
    assert all(char.isalnum() or char == "-" for char in made)
    assert made == made.lower()
    assert unicodedata.is_normalized("NFC", made)


@given(TEXT)
def test_a_slug_of_a_slug_is_the_same(name: str) -> None:
    assert slug(slug(name)) == slug(name)


@given(st.integers(-(2**63), 2**63), TEXT, TEXT, TEXT)
def test_a_report_stays_below_its_snapshot(
    project_id: int, project: str, backtest_id: str, name: str
) -> None:
    path = report_path(project_id, project, backtest_id, name)
    assert is_report_path(path)
    assert ".." not in PurePosixPath(path).parts
    assert all(len(part.encode()) <= 230 for part in PurePosixPath(path).parts)


@given(st.lists(TEXT | st.text("aAbB-_~", max_size=4), unique=True, max_size=20))
def test_different_ids_never_meet_on_any_file_system(ids: list[str]) -> None:
    def folded(text: str) -> str:
        return unicodedata.normalize("NFD", safe_id(text).casefold())

    assert len({folded(text) for text in ids}) == len(ids)


@given(DATES, st.lists(NAMES))
def test_a_new_name_is_the_newest(date: str, taken: list[str]) -> None:
    name = next_name(date, taken)
    assert is_snapshot_name(name)
    assert all(snapshot_order(name) > snapshot_order(other) for other in taken)
    assert name >= date
