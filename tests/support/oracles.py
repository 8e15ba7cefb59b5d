"""What must hold whatever bytes come from outside: one check a kind of reader, for fuzzing of every sort.

A check gets bytes and a directory of its own, and returns when all is well. An error of harvester's own is
well; any other one, and a value that breaks a promise, is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from harvester.api.answers import check_answer, retry_after_s, server_time
from harvester.api.rows import BadRow, parse_backtests, parse_projects, parse_time
from harvester.api.wire import Answer, Meaning, classify, parse_answer, parse_report
from harvester.archive.lock import LockOwner
from harvester.archive.partial import ListingHead, PartialState
from harvester.config.load import load_settings
from harvester.errors import ApiError, ConfigError, CorruptArchiveError, ProtocolError, ReportError
from harvester.format.bag import parse_bag_info
from harvester.format.inventory import load_inventory
from harvester.format.layout import (
    is_file_name,
    is_report_path,
    is_snapshot_name,
    parse_partial_name,
    report_path,
    safe_id,
    slug,
)
from harvester.format.ledger import load_ledger
from harvester.format.manifest import ManifestCursor, load_manifest
from harvester.format.reading import load_record
from harvester.format.records import ArchiveRecord
from harvester.model import Backtest, ReportRecord, SnapshotRecord
from harvester.report import Unpacked, parse_figure, unpack_report
from harvester.report.datauri import decode_data_uri
from harvester.report.offline import local_css
from harvester.report.sniff import sniff
from harvester.report.titles import file_name
from harvester.simulator.scenario import load_scenario
from harvester.text import parse_duration, parse_moment, parse_rate

Check = Callable[[bytes, Path], None]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# -- answers of the API --------------------------------------------------------------------------


def check_wire(data: bytes, _: Path) -> None:
    """Any body is an answer to go on with, or an error that harvester explains."""
    with suppress(ApiError):
        _read_answer(parse_answer(data, endpoint="x"))
    for status in (200, 307, 429, 500):
        with suppress(ApiError):
            answer = check_answer(status, {"Retry-After": "7"}, data, endpoint="x", now=0.0)
            assert classify(answer) is not Meaning.FAILURE
    text = _text(data[:100])
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?", parse_time(text))
    assert (retry_after_s({"Retry-After": text}, now=1e9) or 0) >= 0
    server_time({"Date": text})


def _read_answer(answer: Answer) -> None:
    assert all(len(text) <= 500 for text in answer.texts)
    with suppress(ProtocolError):
        parse_report(answer, endpoint="x")
    with suppress(ApiError):
        for project in parse_projects(answer, endpoint="x"):
            assert isinstance(project, BadRow) or 0 <= project.project_id < 2**63
            msgspec.json.encode(project)
    with suppress(ApiError):
        rows = parse_backtests(answer, 1, endpoint="x")
        found = [row for row in rows if isinstance(row, Backtest)]
        assert len({row.backtest_id for row in found}) == len(found)
        assert msgspec.json.decode(msgspec.json.encode(found), type=list[Backtest]) == found


# -- reports -------------------------------------------------------------------------------------


def check_report(data: bytes, _: Path) -> None:
    """Any page is taken apart or refused; what comes out is small, safe to name and cannot run or load."""
    html = _text(data)
    try:
        found = unpack_report(html)
    except ReportError:
        return
    for image in found.images:
        assert re.fullmatch(r"\d{2,}-[a-z0-9-]+\.[a-z]+", image.record.name)
        assert len(image.record.title) <= 200
    assert all(len(part) <= 100 for figure in found.figures.items() for part in figure)
    assert len(found.warnings) <= 101
    _check_offline(found)


_RUNS: Final = "script, iframe, frame, object, embed, applet, base, link, audio, video, meta[http-equiv]"


def _check_offline(found: Unpacked) -> None:
    """Read as a browser reads it: the policy stands before everything, and nothing is left to obey."""
    page = LexborHTMLParser(found.offline_html)
    assert page.head is not None
    first = page.head.first_child
    assert first is not None
    assert first.attributes.get("http-equiv") == "Content-Security-Policy"
    assert [node.mem_id for node in page.css(_RUNS)] == [first.mem_id]
    names = {f"images/{image.record.name}" for image in found.images}
    for node in page.css("*"):
        _check_element(node, names)


def _check_element(node: LexborNode, images: set[str]) -> None:
    for name, value in node.attributes.items():
        assert not name.lower().startswith("on"), name
        if name.lower() in {"src", "srcset", "background", "poster", "data", "action", "formaction"}:
            assert value in images, (name, value)


def check_images(data: bytes, _: Path) -> None:
    """A data URI gives bytes that it had room for, and bytes are a known image, or a `ValueError`."""
    text = data.decode("latin-1")
    with suppress(ValueError):
        content = decode_data_uri(text)
        assert 0 < len(content) <= len(text.encode())
        sniff(content)
    with suppress(ValueError):
        kind = sniff(data)
        assert re.fullmatch("[a-z]{2,4}", kind.extension)
        assert (kind.width or 0) >= 0
        assert (kind.height or 0) >= 0


_ESCAPE: Final = re.compile(r"\\(?:([0-9a-f]{1,6})(?:\r\n|[ \t\r\n\f])?|([^\r\n\f0-9a-f]))", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"@import|url\(\s*+(?!['\"]?\s*+data:)|image-set\(", re.IGNORECASE)


def check_styles(data: bytes, _: Path) -> None:
    """No rule that is left names an address, also for who reads CSS escapes."""

    def plain(match: re.Match[str]) -> str:
        char = match[2] or chr(min(int(match[1], 16), 0x10FFFF))
        return char if char.isascii() and char.isalpha() else "?"  # an escaped bracket opens nothing

    left = local_css(_text(data))
    assert not _ADDRESS.search(_ESCAPE.sub(plain, left)), left


# -- names and settings --------------------------------------------------------------------------


def check_names(data: bytes, _: Path) -> None:
    """Names and ids from outside become paths that stay inside, are short, and differ by their ids."""
    project, _sep, rest = _text(data).partition("\n")
    backtest_id, _sep, name = rest.partition("\n")
    path = report_path(len(data), project, backtest_id, name)
    assert is_report_path(path)
    assert path.isprintable()
    assert path != report_path(len(data), project, backtest_id + "x", name)
    assert len(slug(name)) <= 60
    assert len(slug(name).encode()) <= 120
    assert safe_id(backtest_id).casefold() != safe_id(backtest_id + "X").casefold()
    assert is_file_name(file_name(1, 1, name, "png"))
    assert not is_snapshot_name(name) or re.fullmatch(r"[\d.-]+", name)
    assert parse_partial_name(f".{name}.partial") in {None, name}
    figure = parse_figure(name)
    assert figure is None or figure.unit in {"", "%", "USD"}


def check_settings(data: bytes, place: Path) -> None:
    """Any file is settings, or an error that says what is wrong with it; the same for a scenario."""
    for name, load in (
        ("harvester.toml", lambda path: load_settings(path=path, environ={}, overrides={}, places=())),
        ("scenario.toml", load_scenario),
        ("scenario.json", load_scenario),
    ):
        (place / name).write_bytes(data)
        with suppress(ConfigError):
            load(place / name)
    for parse in (parse_duration, parse_rate, parse_moment):
        with suppress(ValueError):
            parse(_text(data[:100]))


# -- records of the Archive ----------------------------------------------------------------------

RECORDS: Final = (ArchiveRecord, SnapshotRecord, ReportRecord, PartialState, ListingHead, LockOwner)


def check_records(data: bytes, place: Path) -> None:
    """Any file in an Archive is what it should be, or damage that is named."""
    path = place / "ledger.jsonl"
    path.write_bytes(data)
    ledger = load_ledger(place)
    assert all(map(is_snapshot_name, [*ledger.names, *ledger.committed, *ledger.pruned]))
    assert ledger.whole_bytes == data.rfind(b"\n") + 1
    for kind in RECORDS:
        with suppress(CorruptArchiveError):
            msgspec.json.encode(load_record(path, kind))
    with suppress(CorruptArchiveError):
        for entry in load_inventory(path):
            assert not entry.path or is_report_path(entry.path)
    with suppress(CorruptArchiveError):
        for name, digest in load_manifest(path):
            assert len(digest) == 64
            assert "\0" not in name
    with suppress(CorruptArchiveError):
        ManifestCursor(path).take("data/nothing/has_this_name", {"data/p_1/b_1"})
    parse_bag_info(data)


CHECKS: Final[dict[str, Check]] = {
    "wire": check_wire,
    "report": check_report,
    "images": check_images,
    "styles": check_styles,
    "names": check_names,
    "settings": check_settings,
    "records": check_records,
}
