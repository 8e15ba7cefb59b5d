"""What is written down is read back as it was; what is not ours is refused, never a surprise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import CorruptArchiveError
from harvester.format.bag import parse_bag_info, render_bag_info
from harvester.format.layout import report_path
from harvester.format.ledger import parse_ledger
from harvester.format.manifest import manifest_line, parse_manifest_line

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
TEXT = st.text(max_size=80)
PATHS = st.builds(report_path, st.integers(), TEXT, TEXT, TEXT)


@given(PATHS, DIGESTS)
def test_a_manifest_line_is_read_back(path: str, digest: str) -> None:
    assert parse_manifest_line(manifest_line(path, digest), where="m:1") == (path, digest)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_an_error_of_ours(line: bytes) -> None:
    try:
        path, digest = parse_manifest_line(line, where="m:1")
    except CorruptArchiveError:
        return
    assert manifest_line(path, digest) == line


@given(st.dictionaries(st.text("ABCdef-", min_size=1), TEXT))
def test_bag_info_is_read_back_but_for_white_space(fields: dict[str, str]) -> None:
    expected = {label: " ".join(value.split()) for label, value in fields.items() if value.strip()}
    assert parse_bag_info(render_bag_info(fields.items())) == expected


@given(st.binary(max_size=400))
def test_any_bytes_are_a_ledger_with_faults(content: bytes) -> None:
    ledger = parse_ledger(content)
    assert ledger.whole_bytes == content.rfind(b"\n") + 1
    assert len(ledger.lines) + len({fault.number for fault in ledger.faults}) >= content.count(b"\n")
