from __future__ import annotations

from harvester.config.lines import find_lines

TEXT = '''\
# [archive]
top = 1

[api]            # how
tries = 4
"base_url" = "https://example.org/#[pace]"
  read_timeout='1m'

[ pace ]
reports.tries = 2
[filters]
names = [
  "[run]",       # dir = 1
  "a = 1",
]
tags = """
[credentials]
user_id = 1
"""
created_after = ""
[credentials.inner]
key = 1
'''


def test_keys_are_found_below_their_tables() -> None:
    lines = find_lines(TEXT)
    assert lines[("api",)] == 4
    assert lines[("api", "tries")] == 5
    assert lines[("api", "base_url")] == 6
    assert lines[("api", "read_timeout")] == 7
    assert lines[("top",)] == 2


def test_dotted_keys_and_tables_count_for_each_of_their_parts() -> None:
    lines = find_lines(TEXT)
    assert lines[("pace", "reports")] == lines[("pace", "reports", "tries")] == 10
    assert lines[("credentials",)] == lines[("credentials", "inner")] == 21


def test_what_stands_in_values_and_comments_is_no_key() -> None:
    lines = find_lines(TEXT)
    assert lines[("filters", "names")] == 12
    assert lines[("filters", "created_after")] == 20
    assert ("run",) not in lines
    assert ("archive",) not in lines
    assert ("credentials", "user_id") not in lines


def test_windows_line_ends_do_not_count_twice() -> None:
    assert find_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}
