"""What bodies mean: every documented and every odd shape of the API's answers."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest

from harvester.api.rows import BadRow, parse_backtests, parse_projects, parse_state, parse_time, redact
from harvester.api.wire import Answer, Meaning, Pending, RepairedText, classify, parse_answer, parse_report
from harvester.errors import ProtocolError, TransportError
from harvester.model import Backtest, BacktestState, Project

PROJECT: dict[str, Any] = {
    "projectId": 23456789,
    "organizationId": "0123456789abcdef",
    "name": "Momentum",
    "modified": "2024-03-21 20:45:48",
    "created": "2024-03-20 10:00:00",
    "ownerId": 123456,
    "language": "Py",
    "collaborators": [{"uid": None, "email": "a@example.org", "profileImage": "https://x", "bio": None}],
    "description": "12-1",
    "channelId": "P23456789-0",
    "parameters": [],
    "grid": None,
    "sharingTokenBacktest": "s" * 64,
}
BACKTEST: dict[str, Any] = {
    "backtestId": "26c7bb06b8487cff1c7b3c44652b30f1",
    "status": "Completed.",
    "name": "Logical Red Monkey",
    "created": "2026-10-08 19:45:10",
    "completed": True,
    "progress": 1.0,
    "optimizationId": "O-401d3d40b5a0e9f8c46c954a303f3ddd",
    "snapshotId": 7,
    "tags": ["live"],
    "sharpeRatio": 1.25,
    "drawdown": "12.5",
    "alpha": None,
    "parameterSet": [],
}


def parsed(**fields: Any) -> Answer:
    return parse_answer(msgspec.json.encode({"success": True} | fields), endpoint="x")


def backtests(*rows: Any, **fields: Any) -> list[Any]:
    return parse_backtests(parsed(**({"backtests": list(rows)} | fields)), 1, endpoint="x")


def backtest(**fields: Any) -> Any:
    return backtests(BACKTEST | fields)[0]


# -- reports -------------------------------------------------------------------------------------


@pytest.mark.parametrize("success", [True, False, None])
def test_a_report_is_ready_whatever_success_says(success: bool | None) -> None:
    assert parse_report(parsed(report="<html>\u20ac", success=success), endpoint="x") == "<html>\u20ac"


@pytest.mark.parametrize(
    "fields",
    [
        {"generating": True},
        {"generating": True, "success": False},
        {"status": "loading", "progress": 0.0},
        {"report": ""},
        {"report": " \n"},
        {"report": None},
        {},
    ],
)
def test_what_holds_no_report_is_pending(fields: dict[str, Any]) -> None:
    assert parse_report(parsed(**fields), endpoint="x") == Pending()


@pytest.mark.parametrize("report", [42, True, ["<html>"], {"html": "x"}, 1.5])
def test_a_report_that_is_no_text_is_named(report: Any) -> None:
    with pytest.raises(ProtocolError, match=r"x: `report` is a (int|bool|list|dict|float), not a text"):
        parse_report(parsed(report=report), endpoint="x")


def test_escaped_slashes_and_unknown_fields_are_no_matter() -> None:
    answer = parse_answer(rb'{"report":"<\/html>","new":{"field":[1]},"success":true}', endpoint="x")
    assert parse_report(answer, endpoint="x") == "</html>"


# -- projects ------------------------------------------------------------------------------------


def test_a_row_of_a_project_is_read() -> None:
    assert parse_projects(parsed(projects=[PROJECT], versions=[{"id": 1}]), endpoint="x") == [
        Project(
            23456789,
            "Momentum",
            organization_id="0123456789abcdef",
            created="2024-03-20T10:00:00Z",
            modified="2024-03-21T20:45:48Z",
            language="Py",
            description="12-1",
        )
    ]


def test_only_the_id_of_a_project_is_needed() -> None:
    assert parse_projects(parsed(projects=[{"projectId": "42"}]), endpoint="x") == [Project(42, "")]
    nulls = dict.fromkeys(["name", "organizationId", "created", "language", "description"])
    assert parse_projects(parsed(projects=[{"projectId": 42} | nulls]), endpoint="x") == [Project(42, "")]


def test_one_leading_slash_of_a_name_is_dropped() -> None:
    row = {"projectId": 1, "name": "/Library/Pairs"}
    assert parse_projects(parsed(projects=[row]), endpoint="x")[0].name == "Library/Pairs"


def test_a_name_that_is_no_text_becomes_one() -> None:
    assert parse_projects(parsed(projects=[{"projectId": 1, "name": 2024}]), endpoint="x")[0].name == "2024"


@pytest.mark.parametrize("empty", [[], {}])
def test_an_empty_list_comes_in_both_of_phps_forms(empty: Any) -> None:
    assert parse_projects(parsed(projects=empty), endpoint="x") == []
    assert parse_backtests(parsed(backtests=empty), 1, endpoint="x") == []


@pytest.mark.parametrize(
    ("projects", "words"),
    [
        (None, "`projects` is missing, not a list"),
        (42, "`projects` is int, not a list"),
        ({"0": {}}, "`projects` is dict, not a list"),
    ],
)
def test_what_is_no_list_of_projects_is_named(projects: Any, words: str) -> None:
    with pytest.raises(ProtocolError, match=f"x: {words}") as caught:
        parse_projects(parsed(projects=projects), endpoint="x")
    assert len(str(caught.value)) < 200


NO_IDS = [None, "", "x", "abc", "1.5", "-1", 1.5, 4.0, -5, True, [1], 2**63, "9" * 20, "9" * 5000, "\u0663"]


@pytest.mark.parametrize("wrong", [*NO_IDS, "no object"])
def test_a_project_without_a_usable_id_costs_its_row(wrong: Any) -> None:
    row = "x" if wrong == "no object" else {"projectId": wrong}
    first, bad, last = parse_projects(
        parsed(projects=[{"projectId": 1}, row, {"projectId": 2}]), endpoint="x", first=10
    )
    assert (first, last) == (Project(1, ""), Project(2, ""))
    assert isinstance(bad, BadRow)
    assert re.match(r"`projects\[11\](` is not an object|.projectId` is .*, not an id)", bad.text)
    assert len(bad.text) < 200


# -- backtests -----------------------------------------------------------------------------------


def test_a_row_of_a_backtest_is_read() -> None:
    found = backtest()
    assert (found.project_id, found.backtest_id) == (1, "26c7bb06b8487cff1c7b3c44652b30f1")
    assert (found.name, found.created) == ("Logical Red Monkey", "2026-10-08T19:45:10Z")
    assert (found.status, found.state) == ("Completed.", BacktestState.FINISHED)
    assert found.optimization_id == "O-401d3d40b5a0e9f8c46c954a303f3ddd"
    assert found.tags == ("live",)
    assert found.statistics == {"sharpeRatio": 1.25, "drawdown": 12.5}
    assert found.row == BACKTEST


def test_backtests_are_read_under_both_names_of_their_list() -> None:
    answer = parsed(backtest=[BACKTEST], count=1)
    assert parse_backtests(answer, 1, endpoint="x")[0].name == "Logical Red Monkey"


def test_only_the_id_of_a_backtest_is_needed() -> None:
    found = backtests({"backtestId": "a"})[0]
    assert (found.name, found.created, found.tags, found.statistics) == ("", "", (), {})


def test_a_backtest_that_is_listed_twice_counts_once() -> None:
    assert [row.name for row in backtests(BACKTEST, BACKTEST | {"name": "again"})] == ["Logical Red Monkey"]


@pytest.mark.parametrize("count", [None, 1, 1.0, "1", []])
def test_a_count_that_agrees_or_says_nothing_is_fine(count: Any) -> None:
    assert len(backtests(BACKTEST, count=count)) == 1


def test_a_count_that_disagrees_means_that_the_listing_is_not_whole() -> None:
    with pytest.raises(TransportError, match="project 1 lists 1 of 2 backtests"):
        backtests(BACKTEST, count=2)


@pytest.mark.parametrize("wrong", [None, "", " ", 5, ["a"]])
def test_a_backtest_without_a_usable_id_costs_its_row(wrong: Any) -> None:
    first, bad, last = backtests(BACKTEST, {"backtestId": wrong}, {"backtestId": "b"})
    assert (first.backtest_id, last.backtest_id) == (BACKTEST["backtestId"], "b")
    assert re.match(r"`backtests\[1\].backtestId` is .*, not an id", bad.text)


def test_rows_that_are_no_objects_are_counted_one_by_one() -> None:
    assert backtests(None, None, count=2) == [
        BadRow("`backtests[0]` is not an object"),
        BadRow("`backtests[1]` is not an object"),
    ]


@pytest.mark.parametrize("tags", [None, "live", {}, 5])
def test_tags_that_are_no_list_are_none(tags: Any) -> None:
    assert backtest(tags=tags).tags == ()


def test_figures_that_are_no_numbers_are_left_out() -> None:
    found = backtest(
        sharpeRatio=True, alpha="n/a", beta=[1], psr="nan", winRate="inf", trades=10**400, lossRate=0
    )
    assert found.statistics == {"drawdown": 12.5, "lossRate": 0.0}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "Runtime Error"},
        {"completed": False},
        {"snapshotId": 8},
        {"sharpeRatio": 1.3},
        {"drawdown": None},
    ],
)
def test_what_makes_it_another_backtest_changes_its_key(fields: dict[str, Any]) -> None:
    assert backtest(**fields).change_key != backtest().change_key


@pytest.mark.parametrize(
    "fields", [{"name": "Renamed"}, {"tags": []}, {"progress": 1}, {"note": "x"}, {"status": "Completed. "}]
)
def test_what_does_not_make_it_another_backtest_keeps_its_key(fields: dict[str, Any]) -> None:
    assert backtest(**fields).change_key == backtest().change_key


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Completed.", BacktestState.FINISHED),
        ("completed", BacktestState.FINISHED),
        ("Runtime Error", BacktestState.BROKEN),
        ("RuntimeError", BacktestState.BROKEN),
        ("Running: 42%", BacktestState.RUNNING),
        ("Running", BacktestState.RUNNING),
        ("In Progress...", BacktestState.RUNNING),
        ("InProgress", BacktestState.RUNNING),
        ("In Queue...", BacktestState.QUEUED),
        ("InQueue", BacktestState.QUEUED),
        ("Queued", BacktestState.QUEUED),
        ("Stopped", BacktestState.UNKNOWN),
        ("", BacktestState.UNKNOWN),
    ],
)
def test_statuses_are_an_open_set(status: str, state: BacktestState) -> None:
    assert parse_state(status) is state


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"status": "In Progress...", "completed": True, "progress": 1}, BacktestState.RUNNING),
        ({"status": "In Queue...", "completed": False}, BacktestState.QUEUED),
        ({"status": "Completed.", "completed": False}, BacktestState.RUNNING),
        ({"status": "Completed.", "completed": 0}, BacktestState.RUNNING),
        ({"status": "Completed.", "completed": "no"}, BacktestState.FINISHED),
        ({"status": "Completed.", "progress": 0}, BacktestState.FINISHED),
        ({"status": "Completed.", "completed": False, "error": "boom"}, BacktestState.FINISHED),
        ({"status": "Stopped.", "completed": True, "progress": 0.4}, BacktestState.UNKNOWN),
        ({"status": "Stopped.", "progress": 0.4}, BacktestState.UNKNOWN),
        ({"status": "Stopped.", "completed": False, "progress": 0.4}, BacktestState.RUNNING),
        ({"status": "Warming up", "progress": 0.4}, BacktestState.RUNNING),
        ({"status": "Warming up", "progress": True}, BacktestState.UNKNOWN),
        ({"status": "Warming up", "progress": 1}, BacktestState.UNKNOWN),
        ({"status": "Warming up", "completed": True, "progress": 0.4}, BacktestState.UNKNOWN),
        ({"status": "Warming up", "completed": False, "error": "boom"}, BacktestState.BROKEN),
        ({"status": "Runtime Error", "completed": False}, BacktestState.RUNNING),
        ({"status": "Runtime Error", "completed": False, "error": "boom"}, BacktestState.BROKEN),
        ({"status": "Runtime Error", "completed": True}, BacktestState.BROKEN),
    ],
)
def test_a_row_that_says_not_completed_is_not_finished_whatever_its_status(
    row: dict[str, Any], state: BacktestState
) -> None:
    without = dict.fromkeys(("completed", "progress", "error"))
    assert backtest(**(without | row)).state is state


def test_an_error_without_a_status_is_a_failed_backtest() -> None:
    assert parse_state("", error="boom") is BacktestState.BROKEN
    assert parse_state("Completed.", error="boom") is BacktestState.FINISHED
    assert backtest(status=None, error="boom").state is BacktestState.BROKEN


# -- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-02 09:30:00", "2024-05-02T09:30:00Z"),
        ("2021-11-26T15:18:27.693Z", "2021-11-26T15:18:27Z"),
        ("2021-11-26T15:18:27+02:00", "2021-11-26T13:18:27Z"),
        (" 2024-05-02 ", "2024-05-02T00:00:00Z"),
        ("0999-01-01 00:00:00", "0999-01-01T00:00:00Z"),
        ("0000-00-00 00:00:00", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("yesterday", ""),
        ("", ""),
        (None, ""),
        (1700000000, ""),
        ("9" * 9999, ""),
    ],
)
def test_times_come_to_utc_or_to_nothing(text: Any, expected: str) -> None:
    assert parse_time(text) == expected


# -- what is never kept --------------------------------------------------------------------------


def test_what_is_personal_or_secret_is_dropped_at_any_depth() -> None:
    row = {
        "name": "kept",
        "collaborators": [{"email": "a@example.org"}],
        "deep": [{"er": {"profileImage": "x", "profile_image": "x", "email": "x", "kept": 1}}],
        "sharingToken": "x",
        "sharingTokenBacktest": "x",
        "apiKey": "x",
        "encryptionKey": {"id": 1},
        "bio": "x",
        "publicId": 5,
        "ownerName": "x",
        "channelId": "x",
        "password": "x",
        "clientSecret": "x",
    }
    assert redact(row) == {"name": "kept", "deep": [{"er": {"kept": 1}}]}
    assert backtest(collaborators=[{"uid": 1}], token="x").row == BACKTEST


@pytest.mark.parametrize("value", [None, 1, 1.5, True, "email", [], {}])
def test_values_that_hold_nothing_private_stay_as_they_are(value: Any) -> None:
    assert redact(value) == value


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a":', b'{"report": "\xff"}', b"\xef\xbb\xbf{", b'{"x":' + b"[" * 9000]
)
def test_what_is_not_json_is_worth_another_try(body: bytes) -> None:
    with pytest.raises(TransportError, match="x: the answer is not JSON but"):
        parse_answer(body, endpoint="x")


def test_the_opening_of_a_gateways_page_is_shown() -> None:
    with pytest.raises(TransportError, match="<title>Maintenance</title>"):
        parse_answer(b"<html><title>Maintenance</title>" + b"x" * 9999, endpoint="x")


def test_a_listing_can_be_spooled_and_comes_back_the_same() -> None:
    rows = backtests(BACKTEST, {"backtestId": "b", "snapshotId": 10**30, "created": None})
    assert msgspec.json.decode(msgspec.json.encode(rows), type=list[type(rows[0])]) == rows


@pytest.mark.parametrize("nested", [b"[" * 600 + b"]" * 600, b'{"a":' * 600 + b"1" + b"}" * 600])
@pytest.mark.parametrize("key", [b"parameterSet", b"completed", b"name"])
def test_a_row_that_nests_without_end_is_kept_but_for_its_depths(nested: bytes, key: bytes) -> None:
    body = b'{"success":true,"backtests":[{"backtestId":"b1","%s":%s}]}' % (key, nested)
    found = parse_backtests(parse_answer(body, endpoint="x"), 1, endpoint="x")
    stored = msgspec.json.encode(found)
    assert msgspec.json.decode(stored, type=list[Backtest]) == found


def test_an_id_that_nests_without_end_is_named_by_its_kind() -> None:
    body = b'{"success":true,"projects":[{"projectId":%s}]}' % (b"[" * 600 + b"]" * 600)
    (bad,) = parse_projects(parse_answer(body, endpoint="x"), endpoint="x")
    assert bad == BadRow("`projects[0].projectId` is list, not an id")


@pytest.mark.parametrize(
    ("body", "report", "repairs"),
    [
        (rb'{"report":"cut \ud83d"}', "cut \ufffd", "half surrogate pairs in the answer became U+FFFD: 1"),
        (
            rb'{"report":"\ude00\ud83dx"}',
            "\ufffd\ufffdx",
            "half surrogate pairs in the answer became U+FFFD: 2",
        ),
        (
            rb'{"report":"\ud83d\ud83d\ude00"}',
            "\ufffd\U0001f600",
            "half surrogate pairs in the answer became U+FFFD: 1",
        ),
        (
            rb'{"report":"\ud83d \\ud83d \\\ud83d"}',
            "\ufffd \\ud83d \\\ufffd",
            "half surrogate pairs in the answer became U+FFFD: 2",
        ),
        (b'{"report":"NaN","x":[NaN,-Infinity]}', "NaN", "NaN or Infinity in the answer became null: 2"),
        (b'\xef\xbb\xbf{"report":"x"}', "x", "a byte order mark was dropped from the answer"),
    ],
)
def test_small_faults_of_an_encoder_are_repaired_and_said(body: bytes, report: str, repairs: str) -> None:
    found = parse_report(parse_answer(body, endpoint="x"), endpoint="x")
    assert isinstance(found, RepairedText)
    assert (found, found.repairs) == (report, (repairs,))


def test_a_sound_answer_has_no_repairs_whatever_it_claims() -> None:
    found = parse_report(parse_answer(b'{"report":"x","(repairs)":["forged"]}', endpoint="x"), endpoint="x")
    assert not isinstance(found, RepairedText)


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\"', b"\\u", b"NaN"])
def test_a_hostile_body_is_searched_for_repairs_in_linear_time(piece: bytes) -> None:
    started = time.process_time()
    with pytest.raises(TransportError):
        parse_answer(b"{" + piece * 40_000, endpoint="x")
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (b'{"report":"<html>","success":false,"generating":true}', Meaning.READY),
        (b'{"report":" \\n","generating":true}', Meaning.GENERATING),
        (b'{"report":"","status":"loading","success":false}', Meaning.GENERATING),
        (b'{"generating":"yes","success":true}', Meaning.OK),
        (b'{"report":null,"success":true}', Meaning.OK),
        (b'{"success":"true"}', Meaning.FAILURE),
        (b'{"report":7,"success":false}', Meaning.FAILURE),
        (b"{}", Meaning.FAILURE),
    ],
)
def test_answer_is_classified_by_the_first_case_that_fits(body: bytes, meaning: Meaning) -> None:
    assert classify(parse_answer(body, endpoint="x")) is meaning
