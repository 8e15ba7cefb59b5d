"""Whatever stands in arguments, environment and file: a value within its bounds, or one clear error."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.config.lines import find_lines
from harvester.config.load import load_settings
from harvester.config.settings import all_keys
from harvester.config.sources import FILE_NAME, PREFIX
from harvester.errors import ConfigError
from harvester.text import parse_duration, parse_moment, parse_rate, render_duration

NAMES = [name for name, _ in all_keys()]


def mistakes_of(path: Path | None, environ: dict[str, str]) -> tuple[str, ...]:
    """What is wrong; nothing when settings come out, of which each has an origin."""
    try:
        loaded = load_settings(path=path, environ=environ, overrides={}, places=())
    except ConfigError as error:
        return error.mistakes or ("",)
    return () if set(loaded.origins) == set(NAMES) else ("",)


@given(st.integers(0, 10**8) | st.floats(0, 10**8).map(lambda value: round(value, 3)))
def test_span_that_was_rendered_is_read_as_the_same(seconds: float) -> None:
    assert parse_duration(render_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_parts_of_a_span_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    assert (
        parse_duration(f"{days}d{hours}h{minutes}m{seconds}s")
        == ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    )


@given(st.text() | st.from_regex(r"[0-9.]{1,8}[a-z/ ]{0,4}[0-9]{0,4}[a-z]{0,3}", fullmatch=True))
def test_any_text_is_a_sensible_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_rate):
        try:
            number = parse(text)
        except ValueError:
            continue
        assert math.isfinite(number)
        assert number >= 0


@given(st.text() | st.datetimes().map(str) | st.dates().map(str))
def test_any_text_is_a_moment_in_utc_or_a_value_error(text: str) -> None:
    try:
        moment = parse_moment(text)
    except ValueError:
        return
    assert moment.utcoffset() is not None
    assert not moment.utcoffset()


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
)
def test_environment_gives_settings_or_names_each_variable_that_is_wrong(given_texts: dict[str, str]) -> None:
    environ = {PREFIX + name.replace(".", "_").upper(): text for name, text in given_texts.items()}
    for mistake in mistakes_of(None, environ):
        assert any(name in mistake for name in given_texts)


_SCALARS = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers(-(10**40), 10**40).map(str),
    st.sampled_from(
        [
            "nan",
            "-inf",
            "1e400",
            "2026-01-31",
            "08:00:00",
            "2026-01-31T08:00:00Z",
            '"90s"',
            "''",
            '"""a\nb"""',
        ]
    ),
)
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")


@given(st.dictionaries(st.sampled_from([*NAMES, "api.nonsense", "nonsense.tries"]), _VALUES))
def test_file_gives_settings_or_names_the_line_of_each_key(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / FILE_NAME
    text = "\n".join(f"{name} = {value}" for name, value in keys.items())
    path.write_text(text)
    lines = text.splitlines()
    for mistake in mistakes_of(path, {}):
        number = int(mistake.split(" line ")[1].split(":")[0])
        key = mistake.split(": ")[1].split()[2 if ": unknown" in mistake else 0].strip("[];")
        assert lines[number - 1].startswith(key), mistake


_KEY = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
_NOISE = st.sampled_from(["", "# a = 1", "  # [table]", "   "])
_TRICKY = st.sampled_from(
    [
        "1",
        '"x = 1"',
        "'[a]'",
        '"""\nb = 2\n[c]\n"""',
        "'''\n# d = 3\n'''",
        "[\n  1, # e = 1\n  2,\n]",
        '["]", "["]',
        "{ f = 1 }",
        '"\\" # no comment"',
        '""""quoted""""',
        '""" \\""" """',
        "2026-01-31 # [g]",
    ]
)


@given(st.lists(st.tuples(_KEY, st.lists(st.tuples(_KEY, _TRICKY, _NOISE), max_size=4)), max_size=4))
def test_every_key_is_found_on_its_own_line(tables: list[tuple[str, list[tuple[str, str, str]]]]) -> None:
    text, expected = "", {}
    for index, (table, keys) in enumerate(tables):
        expected[(f"{table}{index}",)] = text.count("\n") + 1
        text += f"[ {table}{index} ]\n"
        for number, (key, value, noise) in enumerate(keys):
            text += f"{noise}\n"
            expected[(f"{table}{index}", f"{key}{number}")] = text.count("\n") + 1
            text += f'  "{key}{number}" = {value}\n'
    tomllib.loads(text)
    assert find_lines(text) == expected


@given(st.binary(max_size=200))
def test_any_bytes_as_a_file_end_in_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = Path(tmp_path_factory.getbasetemp() / "bytes.toml")
    path.write_bytes(content)
    assert all(mistakes_of(path, {}))
