"""What the simulator refuses, and for how long: windows, signatures, reports that are not there yet."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser
from support.asker import asking
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario

from harvester.api.signing import sign
from harvester.errors import ConfigError
from harvester.report.figures import key_figures
from harvester.simulator import Fault, FaultKind, Identity, ReportKind, Windows, load_scenario
from harvester.simulator.gate import Gatekeeper

_REPORT = "backtests/read/report"
_FIRST = {"projectId": 101, "backtestId": f"{1:032x}"}
_NOT_FOUND = {"errors": ["Backtest not found"], "success": False}
_LOCKED = {"errors": ["too many failed attempts for this user or ip"], "success": False}


@pytest.mark.parametrize(
    ("windows", "payload", "ids"),
    [
        (Windows(projects=2), {"start": 0, "end": 2}, [101, 102]),
        (Windows(projects=2), {"start": 1, "end": 4}, None),
        (Windows(projects=2), {"start": 1}, [102, 103]),
        (Windows(projects=2), {}, [101, 102, 103]),
        (Windows(projects=2, wider="clamp"), {"start": 0, "end": 3}, [101, 102]),
        (Windows(), {"start": 0, "end": 1000}, [101, 102, 103]),
        (Windows(), {"start": -1, "end": 1}, None),
    ],
)
async def test_a_window_that_is_too_wide_is_refused_or_clamped(
    windows: Windows, payload: dict[str, int], ids: list[int] | None
) -> None:
    async with asking(make_scenario((), (), (), windows=windows)) as asker:
        answer = await asker.ask("projects/read", payload)
    if ids is None:
        assert answer == {"errors": ["Invalid argument"], "success": False}
    else:
        assert [row["projectId"] for row in answer["projects"]] == ids


async def test_a_user_is_locked_out_after_failed_signatures_however_genuine_the_next_one_is() -> None:
    wrong = sign(USER_ID, "wrong", int(time.time()))
    async with asking(make_scenario(identity=Identity(locked_after=2))) as asker:
        assert (await asker.ask("authenticate"))["success"]
        refused = [await asker.ask("authenticate", headers=wrong) for _ in range(2)]
        assert all(answer["errors"][0].startswith("Hash doesn't match.") for answer in refused)
        assert await asker.ask("authenticate") == _LOCKED


def test_each_request_during_a_lock_out_prolongs_it() -> None:
    scenario = make_scenario(identity=Identity(locked_after=1, locked_s=100))
    keeper = Gatekeeper()
    answers = [
        keeper.check(sign(USER_ID, token, now), scenario, now=now)
        for now, token in [(1000, "wrong"), (1099, TOKEN), (1198, TOKEN), (1299, TOKEN)]
    ]
    assert answers[1:] == [_LOCKED, _LOCKED, None]


async def test_the_text_about_a_wrong_hash_can_repeat_user_id_and_signature() -> None:
    now = int(time.time())
    digest = hashlib.sha256(f"wrong:{now}".encode()).hexdigest()
    async with asking(make_scenario(identity=Identity(words="echo"))) as asker:
        answer = await asker.ask("authenticate", headers=sign(USER_ID, "wrong", now))
    assert answer["errors"] == [f"Hash doesn't match. UID: {USER_ID} Hash: {digest} Timestamp: ''"]


async def test_the_refusal_of_a_wrong_hash_can_have_a_code_and_other_words() -> None:
    async with asking(make_scenario(identity=Identity(words="code"))) as asker:
        answer = await asker.ask("authenticate", headers=sign(USER_ID, "wrong", int(time.time())))
    assert answer["errorCode"] == 10002
    assert "hash is not valid" in answer["errors"][0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FaultKind.HASH_ECHO, f"Hash doesn't match. UID: {USER_ID} Hash: "),
        (FaultKind.HASH_CODE, "The API token hash is not valid."),
        (FaultKind.LOCKED_OUT, "too many failed attempts"),
    ],
)
async def test_a_genuine_request_can_meet_each_refusal_of_a_signature(kind: FaultKind, words: str) -> None:
    async with asking(make_scenario(faults=(Fault(kind=kind, attempts=(1,)),))) as asker:
        refused = await asker.ask("authenticate")
        assert (await asker.ask("authenticate"))["success"]
    assert refused["errors"][0].startswith(words)


async def test_a_report_can_be_missing_and_then_refused_before_it_is_served() -> None:
    scenario = make_scenario(make_backtests(1, not_found_first=2, refused_first=1))
    async with asking(scenario) as asker:
        assert [await asker.ask(_REPORT, _FIRST) for _ in range(2)] == [_NOT_FOUND] * 2
        assert (await asker.ask(_REPORT, _FIRST))["errors"][0].startswith("Unable to generate")
        assert "report" in await asker.ask(_REPORT, _FIRST)


async def test_the_report_of_an_unfinished_run_covers_half_of_its_years() -> None:
    whole = make_backtests(1)[0]
    partial = make_backtests(1, report=ReportKind.PARTIAL)[0]
    days = []
    for spec in (whole, partial):
        async with asking(make_scenario((spec,))) as asker:
            html = (await asker.ask(_REPORT, _FIRST))["report"]
            days.append(int(key_figures(LexborHTMLParser(html))["Runtime Days"]))
    assert days[1] == pytest.approx(days[0] / 2, abs=10)


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({"status": "In Progress..."}, {"completed": False, "progress": 0.45, "error": None}),
        ({"status": "Running: 42%"}, {"completed": False, "progress": 0.42, "error": None}),
        ({"status": "In Queue..."}, {"completed": False, "progress": 0, "error": None}),
        ({"status": "Stopped."}, {"completed": True, "progress": 1, "error": None}),
        (
            {"status": "Runtime Error"},
            {"completed": True, "progress": 1, "error": "Division by zero &lt;module&gt;"},
        ),
        (
            {"status": "New words", "completed": False, "progress": 0.9, "error": "Out of memory"},
            {"completed": False, "progress": 0.9, "error": "Out of memory"},
        ),
    ],
)
async def test_a_row_says_how_far_its_run_is(fields: dict[str, Any], row: dict[str, Any]) -> None:
    async with asking(make_scenario(make_backtests(1, **fields))) as asker:
        (listed,) = (await asker.ask("backtests/list", {"projectId": 101}))["backtests"]
    assert {name: listed[name] for name in row} == row


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[windows]\nwider = "ignore"', "ignore"),
        ("[windows]\nprojects = -1", "projects"),
        ('[identity]\nwords = "loud"', "loud"),
        ('[shapes]\ndates = "unix"', "unix"),
        ("[identity]\nlocked_after = 1.5", "locked_after"),
    ],
)
def test_a_key_out_of_bounds_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_scenario(path)
