"""Keys, packs, entries, leases, locks and plans, for whatever values come."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import zipfile
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvester.bucket.entries import Chain, Entry, missing_lines, parse_entry, render_entry
from harvester.bucket.keys import (
    is_pack_key,
    is_record_key,
    ledger_key,
    pack_key,
    parse_ledger_key,
    parse_snapshot_key,
    parse_timestamp_key,
    record_key,
    snapshot_key,
    timestamp_key,
)
from harvester.bucket.lease import judge_lease, new_lease, parse_lease, render_lease
from harvester.bucket.packs import (
    PackLine,
    StoredObject,
    build_pack,
    check_pack,
    open_pack,
    pack_bytes,
    pack_version,
    parse_lines,
    render_line,
)
from harvester.bucket.prune import YOUNGEST, HeldObjects, plan_bucket_prune
from harvester.bucket.retention import is_locked, needs_extension, parse_lock_end, parse_retention
from harvester.bucket.store import ObjectInfo
from harvester.bucket.verify import in_part
from harvester.errors import BucketConflictError, ConfigError, CorruptBucketError
from harvester.format import ManifestBlock, manifest_line
from harvester.format.ledger import FIRST as FIRST_LINE
from harvester.format.ledger import LedgerLine
from harvester.text import render_moment

_SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
_NAME = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\%.\x7f", min_codepoint=32), min_size=1, max_size=20
)
_FILES = st.dictionaries(
    st.one_of(st.just("report.json"), _NAME.map(lambda name: f"images/{name}"), _NAME),
    st.binary(max_size=200),
    min_size=1,
    max_size=6,
)
_MOMENT = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
)


@given(st.integers(1, 999_999_999))
def test_ledger_keys_sort_as_their_numbers(number: int) -> None:
    assert parse_ledger_key(ledger_key(number)) == number
    assert (ledger_key(number) < ledger_key(5)) == (number < 5)


@given(st.integers(-(10**15), 10**15), st.text(max_size=80), _SHA)
@example(1, "../../lease", "0" * 64)
def test_keys_of_reports_stay_in_their_place(project_id: int, backtest_id: str, sha256: str) -> None:
    pack = pack_key(project_id, backtest_id, sha256[:32])
    record = record_key(project_id, backtest_id, sha256)
    assert is_pack_key(pack)
    assert is_record_key(record)
    assert not is_pack_key(record)
    assert pack.isascii()
    assert pack.count("/") == 3
    assert ".." not in pack


@given(st.text(max_size=60))
def test_no_other_text_is_taken_for_a_key(text: str) -> None:
    for parse in (parse_ledger_key, parse_snapshot_key, parse_timestamp_key):
        found = parse(text)
        assert found is None or text.isascii()
    with pytest.raises(ValueError, match="not the key"):
        snapshot_key(text, "nothex")


def test_keys_of_dates_and_tokens_are_read_back() -> None:
    key = parse_snapshot_key(snapshot_key("2026-11-22.2", "0123456789abcdef"))
    assert key is not None
    assert (key.snapshot, key.push_id) == ("2026-11-22.2", "0123456789abcdef")
    assert parse_timestamp_key(timestamp_key("000012.digicert.tsr")) == (12, "000012.digicert.tsr")
    assert parse_snapshot_key("snapshots/2026-11-22.1/0123456789abcdef.zip") is None


@given(_FILES)
def test_a_pack_depends_on_its_files_alone(files: dict[str, bytes]) -> None:
    pack = build_pack(list(files.items()))
    assert pack == build_pack(list(reversed(files.items())))
    assert open_pack(pack, "key") == files
    assert len(pack) == pack_bytes(files, sum(map(len, files.values())))
    with zipfile.ZipFile(io.BytesIO(pack)) as file:  # and anybody can open it
        assert {name: file.read(name) for name in file.namelist()} == files
        assert file.testzip() is None


@given(_FILES, st.integers(0, 2**31), st.integers(0, 7))
def test_a_damaged_pack_is_never_taken_for_the_report(files: dict[str, bytes], place: int, bit: int) -> None:
    pack = bytearray(build_pack(list(files.items())))
    pack[place % len(pack)] ^= 1 << bit
    wanted = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    try:
        found = check_pack(bytes(pack), wanted, "key")
    except CorruptBucketError:
        return
    found.pop("report.json", None)  # an earlier one is allowed, and its caller looks at it
    assert found == {name: content for name, content in files.items() if name != "report.json"}


@given(st.binary(max_size=300))
def test_no_foreign_bytes_are_taken_for_a_pack(content: bytes) -> None:
    with suppress(CorruptBucketError):
        assert isinstance(open_pack(content, "key"), dict)


def test_a_compressed_pack_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("report.html", b"0" * 10**6)
    with pytest.raises(CorruptBucketError, match="members that no pack"):
        open_pack(buffer.getvalue(), "key")


@given(st.dictionaries(_NAME, _SHA, min_size=1), _SHA)
def test_a_version_does_not_depend_on_the_record(files: dict[str, str], sha256: str) -> None:
    version = pack_version(files)
    assert version == pack_version({**files, "report.json": sha256})
    assert version != pack_version({**files, "one more": sha256})
    lines = [manifest_line(f"data/p_1/b_2/{name}", digest) for name, digest in files.items()]
    assert ManifestBlock("data/p_1/b_2", lines).files() == files


def _stored(key: str, sha256: str = "0" * 64, until: str = "") -> StoredObject:
    return StoredObject(key, 5, sha256, '"tag"', retained_until=until)


def test_lines_of_packs_are_read_back() -> None:
    line = PackLine(
        "data/p_1/b_2", _stored(pack_key(1, "b", "0" * 32)), "1" * 64, _stored(record_key(1, "b", "2" * 64))
    )
    assert list(parse_lines(io.BytesIO(render_line(line) * 2), "packs")) == [line, line]


@given(st.sampled_from(["../../etc", "data/one", "/data/p/b"]), st.sampled_from(["lease.json", "reports/x"]))
def test_lines_that_lead_elsewhere_are_refused(path: str, key: str) -> None:
    sound = PackLine("data/p_1/b_2", _stored(pack_key(1, "b", "0" * 32)), "1" * 64)
    for line in (
        msgspec.structs.replace(sound, path=path),
        msgspec.structs.replace(sound, pack=_stored(key)),
        msgspec.structs.replace(sound, record=_stored(key)),
    ):
        with pytest.raises(CorruptBucketError):
            list(parse_lines(io.BytesIO(render_line(line)), "packs"))


def _ledger(names: list[str]) -> list[bytes]:
    """The lines of an Archive's Ledger."""
    lines: list[bytes] = []
    previous = FIRST_LINE
    for n, name in enumerate(names, start=1):
        line = LedgerLine(1, n, "2026-11-22T03:00:00Z", "commit", name, "0" * 64, previous)
        lines.append(msgspec.json.encode(line) + b"\n")
        previous = hashlib.sha256(lines[-1]).hexdigest()
    return lines


def _entries(names: list[str]) -> list[bytes]:
    """The entries of a Bucket with these Snapshots."""
    found: list[bytes] = []
    for n, line in enumerate(_ledger(names), start=1):
        entry = Entry(
            format=1,
            n=n,
            previous_sha256=hashlib.sha256(found[-1]).hexdigest() if found else FIRST_LINE,
            account="a",
            push_id="0" * 16,
            line=line[:-1].decode(),
            snapshot=_stored(snapshot_key(names[n - 1], "0" * 16)),
            lines=n,
            lines_sha256=hashlib.sha256(line).hexdigest(),
        )
        found.append(render_entry(entry))
    return found


_NAMES = [f"2026-11-{day:02d}" for day in range(1, 8)]


def _read(entries: list[bytes | None]) -> Chain:
    chain = Chain()
    for n, content in enumerate(entries, start=1):
        chain.add(n, content)
    return chain


def test_a_sound_chain_gives_the_ledger_byte_for_byte() -> None:
    chain = _read([*_entries(_NAMES)])
    assert chain.faults == []
    assert chain.find_gaps() == []
    assert chain.lines == _ledger(_NAMES)
    assert list(chain.snapshots) == _NAMES


@given(st.integers(0, 6), st.data())
def test_no_change_of_an_entry_but_the_newest_goes_unseen(at: int, data: Any) -> None:
    entries: list[bytes | None] = [*_entries(_NAMES)]
    content = entries[at]
    assert content is not None
    kind = data.draw(st.sampled_from(["byte", "missing", "swap", "copy"]))
    other = data.draw(st.integers(0, 6).filter(lambda number: number != at))
    if kind == "byte":
        place = data.draw(st.integers(0, len(content) - 1))
        entries[at] = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    elif kind == "missing":
        entries[at] = None
    elif kind == "swap":
        entries[at], entries[other] = entries[other], content
    else:
        entries[at] = entries[other]
    # Of the newest nothing in the chain has the digest: its Snapshot's zip, and the lease, have.
    assert _read(entries).faults or at == 6


def test_a_commit_with_the_zip_of_another_date_is_named() -> None:
    entries = _entries(_NAMES[:2])
    zip_key = snapshot_key(_NAMES[0], "0" * 16)
    entry = msgspec.structs.replace(parse_entry(entries[1], 2), snapshot=_stored(zip_key))
    assert [fault.text for fault in _read([entries[0], render_entry(entry)]).faults] == [
        "commits 2026-11-02 with the zip of 2026-11-01"
    ]


def test_a_commit_without_a_zip_is_a_gap_unless_it_was_pruned() -> None:
    entries = _entries(_NAMES[:1])
    entry = msgspec.structs.replace(parse_entry(entries[0], 1), snapshot=None)
    assert [fault.text for fault in _read([render_entry(entry)]).find_gaps()] == [
        "commits 2026-11-01 without its zip: it was pruned before it was pushed"
    ]


@given(st.integers(0, 7), st.integers(0, 7))
def test_only_lines_that_the_bucket_lacks_are_missing(here: int, there: int) -> None:
    lines = _ledger(_NAMES)[:here]
    newest = parse_entry(_entries(_NAMES)[there - 1], there) if there else None
    if there > here:
        with pytest.raises(BucketConflictError, match="older copy"):
            missing_lines(lines, newest)
    else:
        assert list(missing_lines(lines, newest)) == lines[there:]


def test_another_history_is_refused() -> None:
    newest = parse_entry(_entries(_NAMES)[2], 3)
    with pytest.raises(BucketConflictError, match="line 3 of the ledger is another one"):
        missing_lines(_ledger(["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04"]), newest)


@given(st.sampled_from(["held", "released"]), st.booleans(), st.booleans(), st.none() | st.floats(0, 10_000))
def test_a_lease_is_taken_only_when_its_writer_is_gone(
    state: Any, here: bool, alive: bool, age_s: float | None
) -> None:
    lease = new_lease("run", 900, state=state)
    machine = lease.machine if here else "elsewhere"
    verdict = judge_lease(lease, machine=machine, alive=alive, age_s=age_s)
    gone = state == "released" or (here and not alive) or (age_s is not None and age_s >= 900)
    assert (verdict == "take") == gone
    assert (verdict == "ask-age") == (not gone and age_s is None)


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_an_edited_lease_is_named(place: int, bit: int) -> None:
    content = bytearray(render_lease(new_lease("run", 900)))
    assert parse_lease(bytes(content)).run_id == "run"
    content[place % len(content)] ^= 1 << bit
    try:
        lease = parse_lease(bytes(content))
    except (CorruptBucketError, BucketConflictError):
        return
    pytest.fail(f"taken for sound: {lease}")


@given(_MOMENT, st.integers(1, 10_000))
def test_locks_last_longer_than_is_asked_for(now: dt.datetime, days: int) -> None:
    policy = parse_retention(f"governance:{days}d")
    assert policy is not None
    until = render_moment(policy.until(now))
    fresh = _stored("key", until=until)
    assert is_locked(until, now)
    assert not needs_extension(fresh, policy, now)
    assert needs_extension(fresh, policy, now + policy.period / 7 + dt.timedelta(seconds=2))
    assert needs_extension(_stored("key"), policy, now)
    assert parse_lock_end(until) == policy.until(now)


@pytest.mark.parametrize(
    "text", ["7y", "governance", "governance:", "governance:0d", "worm:7y", "compliance:999y"]
)
def test_retentions_that_are_none_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"bucket\.retention"):
        parse_retention(text)


def test_an_empty_retention_is_none() -> None:
    assert parse_retention("") is None


@given(st.text(max_size=50), st.integers(1, 9))
def test_the_parts_of_a_bucket_cover_each_key_once(key: str, parts: int) -> None:
    assert sum(in_part(key, (part, parts)) for part in range(1, parts + 1)) == 1


_DAYS = st.lists(
    st.sets(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=6), min_size=1, max_size=6
)


@given(_DAYS, st.sets(st.integers(0, 5)), st.booleans())
def test_prune_leaves_every_kept_snapshot_whole(
    days: list[set[tuple[int, int]]], wanted: set[int], drop_superseded: bool
) -> None:
    """Whatever is wanted: what is needed stays, and no report loses its last copy."""
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    held = []
    for number, reports in enumerate(days):
        keys = [pack_key(1, f"b{backtest}", f"{version:032x}") for backtest, version in reports]
        name = f"2026-11-{number + 1:02d}"
        held.append(
            HeldObjects(name, _stored(snapshot_key(name, "0" * 16)), {key: _stored(key) for key in keys})
        )
    listing = [
        ObjectInfo(key, 5, '"tag"', now - YOUNGEST)
        for key in sorted(
            {key for item in held for key in (*item.objects, item.zip.key)} | {"foreign", "lease.json"}
        )
    ]
    names = [held[number].name for number in wanted if number < len(held)]
    plan = plan_bucket_prune(held, names, listing, now, drop_superseded=drop_superseded)
    kept = [item for item in held if item.name not in plan.remove]
    assert held[-1] in kept
    assert set(plan.remove) <= set(names)
    for item in kept:
        assert not {item.zip.key, *item.objects} & set(plan.keys)

    def report(key: str) -> str:
        return key.rpartition("/")[0] if drop_superseded else key

    assert {report(key) for item in held for key in item.objects} == {
        report(key) for item in kept for key in item.objects
    }
    assert not {"foreign", "lease.json"} & set(plan.keys)


def test_prune_keeps_the_zip_of_a_locked_snapshot() -> None:
    now = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    pack = pack_key(1, "b", "0" * 32)
    held = [
        HeldObjects(
            "2026-11-01",
            _stored(snapshot_key("2026-11-01", "0" * 16), until="2027-01-01T00:00:00Z"),
            {pack: _stored(pack)},
        ),
        HeldObjects("2026-11-02", _stored(snapshot_key("2026-11-02", "0" * 16)), {pack: _stored(pack)}),
    ]
    plan = plan_bucket_prune(held, ["2026-11-01"], [], now)
    assert plan.refused == {"2026-11-01": "it is locked until 2027-01-01T00:00:00Z"}
