from __future__ import annotations

import pytest

from harvester.format.layout import (
    backtest_dir,
    is_file_name,
    is_inside,
    is_report_path,
    is_snapshot_name,
    next_name,
    parse_partial_name,
    partial_name,
    project_dir,
    report_path,
    safe_id,
    slug,
    snapshot_order,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Logical Red Monkey", "logical-red-monkey"),
        ("  EMA / RSI (v2) -- final!  ", "ema-rsi-v2-final"),
        ("Größe Ünï", "größe-ünï"),
        ("戦略 7", "戦略-7"),
        ("A\u030angstro\u0308m", "ångström"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("🚀🚀", "unnamed"),
        ("", "unnamed"),
        ("a\x00b\nc", "a-b-c"),
        ("x" * 300, "x" * 60),
        ("戦" * 300, "戦" * 24),
        ("é" + "한" * 300, "é" + "한" * 23),
        ("\ud800", "unnamed"),
    ],
)
def test_slug_keeps_letters_and_digits_of_any_script(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_directories_are_slug_and_id() -> None:
    assert project_dir(23456789, "Momentum") == "momentum_23456789"
    assert (
        backtest_dir("26c7bb06b8487cff1c7b3c44652b30f1", "Logical Red Monkey")
        == "logical-red-monkey_26c7bb06b8487cff1c7b3c44652b30f1"
    )
    assert report_path(1, "P", "b" * 32, "") == f"data/p_1/unnamed_{'b' * 32}"


@pytest.mark.parametrize("name", ["한" * 40, "x" * 300, "🚀é" * 200, "\U00020000" * 99])
@pytest.mark.parametrize("backtest_id", ["b" * 32, "b" * 64, "b" * 65, "한" * 65])
def test_names_fit_an_encrypted_file_system(name: str, backtest_id: str) -> None:
    longest = 143 - len("..part")
    assert len(backtest_dir(backtest_id, name).encode()) <= longest
    assert len(project_dir(2**63, name).encode()) <= longest


@pytest.mark.parametrize("hostile", ["../x", "", "a/b", "x" * 300, "A", "a b", "ü", "a~b", ".", "\x00"])
def test_an_id_that_is_not_plain_becomes_a_digest(hostile: str) -> None:
    safe = safe_id(hostile)
    assert "~" in safe
    assert is_file_name(safe)
    assert len(safe) <= 64


def test_ids_that_differ_only_in_case_do_not_meet() -> None:
    ids = ["abc", "ABC", "Abc", safe_id("ABC")]
    assert len({safe_id(text).casefold() for text in ids}) == len(ids)


@pytest.mark.parametrize("name", ["2026-11-22", "2026-11-22.2", "2026-11-22.17"])
def test_a_date_with_or_without_a_number_is_a_snapshot_name(name: str) -> None:
    assert is_snapshot_name(name)
    assert parse_partial_name(partial_name(name)) == name


@pytest.mark.parametrize(
    "name", ["2026-11-22.1", "2026-11-22.02", "2026-11-2", "latest", "2026-11-22/x", "..", "2026-11-22\n"]
)
def test_anything_else_is_no_snapshot_name(name: str) -> None:
    assert not is_snapshot_name(name)
    assert parse_partial_name(f".{name}.partial") is None


def test_snapshots_of_one_day_are_in_order_of_their_numbers() -> None:
    names = ["2026-11-22.10", "2026-11-23", "2026-11-22", "2026-11-22.2"]
    assert sorted(names, key=snapshot_order) == ["2026-11-22", "2026-11-22.2", "2026-11-22.10", "2026-11-23"]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], "2026-11-22"),
        (["2026-11-21"], "2026-11-22"),
        (["2026-11-21", "2026-11-22"], "2026-11-22.2"),
        (["2026-11-22", "2026-11-22.2"], "2026-11-22.3"),
        (["2026-11-25"], "2026-11-25.2"),
    ],
    ids=["first", "next day", "second of the day", "third of the day", "the clock went back"],
)
def test_a_name_comes_after_all_that_were_given(taken: list[str], expected: str) -> None:
    assert next_name("2026-11-22", taken) == expected


@pytest.mark.parametrize("path", ["data/p_1/b_2", "data/ü_1/戦_2"])
def test_data_project_and_backtest_make_a_report_path(path: str) -> None:
    assert is_report_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "data/p",
        "data/p/b/c",
        "/data/p/b",
        "data/../b",
        "data/p/..",
        "etc/p/b",
        "data//b",
        "data/p/.b",
        "data/p\\q/b",
    ],
)
def test_anything_else_is_no_report_path(path: str) -> None:
    assert not is_report_path(path)


@pytest.mark.parametrize("path", ["a", "data/p/b/images/1.png", "a..b", "..a"])
def test_a_path_below_its_directory_is_inside(path: str) -> None:
    assert is_inside(path)


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../a", "a/../../b", "a/.."])
def test_a_path_that_may_leave_its_directory_is_not_inside(path: str) -> None:
    assert not is_inside(path)
