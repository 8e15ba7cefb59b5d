"""The words of design and code, as values."""

from __future__ import annotations

import msgspec
import pytest
from support.values import make_backtest, make_entry, make_missing

from harvester.model import Ending, InventoryEntry, Outcome, SnapshotRecord, account_fingerprint


def test_a_salted_fingerprint_is_another_one_in_every_archive_and_stays_what_it_is() -> None:
    assert account_fingerprint(123456, "00" * 16) == account_fingerprint(123456, "00" * 16)
    assert (
        len({account_fingerprint(user, salt) for user in (1, 2) for salt in ("", "00" * 16, "01" * 16)}) == 6
    )
    assert len(account_fingerprint(1, "00" * 16)) == 16


def test_a_fingerprint_tells_accounts_apart_and_says_nothing_of_them() -> None:
    found = account_fingerprint(123456)
    assert found != account_fingerprint(123457)
    assert len(found) == 16
    assert "123456" not in found


def test_an_archive_that_was_made_before_still_knows_its_account() -> None:
    assert account_fingerprint(123456) == "a6ec6a4713c9c309"


def test_an_entry_is_archived_when_it_has_a_path() -> None:
    assert make_entry().archived
    assert not make_missing().archived


def test_entries_are_ordered_by_project_creation_and_id() -> None:
    entries = [
        make_entry("b", project_id=2),
        make_entry("b"),
        make_entry("a"),
        make_entry("z", created="2020-01-01T00:00:00Z"),
    ]
    found = [(entry.project_id, entry.backtest_id) for entry in sorted(entries, key=lambda entry: entry.key)]
    assert found == [(1, "z"), (1, "a"), (1, "b"), (2, "b")]


def test_a_line_of_the_inventory_leaves_out_what_nobody_asks_about_and_comes_back_the_same() -> None:
    for entry in (make_entry(tags=("t",), statistics={"alpha": 0.5}), make_missing(error="x", failures=2)):
        line = msgspec.json.encode(entry)
        assert b"organization_id" not in line
        assert msgspec.json.decode(line, type=InventoryEntry) == entry


def test_fields_of_a_newer_harvester_are_ignored_and_wrong_ones_refused() -> None:
    line = b'{"project_id":1,"backtest_id":"a","project":"P","name":"a","outcome":"saved","new":[1]}'
    assert msgspec.json.decode(line, type=InventoryEntry).outcome is Outcome.SAVED
    with pytest.raises(msgspec.ValidationError, match="outcome"):
        msgspec.json.decode(line.replace(b'"saved"', b'"stolen"'), type=InventoryEntry)


def test_the_words_that_are_stored_are_those_of_the_documentation() -> None:
    assert [outcome.value for outcome in Outcome] == [
        "saved", "updated", "unchanged", "carried", "skipped", "pending", "unavailable", "failed", "lost",
    ]  # fmt: skip
    assert [ending.value for ending in Ending] == [
        "ok", "pending", "time", "partial", "throttled", "damaged",
    ]  # fmt: skip


def test_a_record_of_a_run_comes_back_the_same() -> None:
    record = SnapshotRecord(
        name="2026-11-22",
        run_id="r",
        account="a",
        version="0",
        started="s",
        finished="f",
        complete=True,
        ending=Ending.OK,
        listed=1,
        counts={"saved": 1},
    )
    assert msgspec.json.decode(msgspec.json.encode(record), type=SnapshotRecord) == record


def test_a_listed_row_comes_back_from_the_spool_the_same() -> None:
    backtest = make_backtest(row={"a": [1, {"b": None}]}, statistics={"alpha": 1.0})
    assert msgspec.json.decode(msgspec.json.encode(backtest), type=type(backtest)) == backtest
