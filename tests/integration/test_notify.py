"""Who else is told of a run: a service that counts nights, a webhook, a monitor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.cli import Done, harvester_beside
from support.servers.listener import Listener, listening

from harvester.simulator import Identity, Simulator


async def run(cwd: Path, listener: Listener, token: str = TOKEN, **environ: str) -> Done:
    scenario = make_scenario(make_backtests(2), identity=Identity())
    async with Simulator(scenario) as simulator:
        asked = {
            "HARVESTER_API_BASE_URL": simulator.base_url,
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "HARVESTER_NOTIFY_HEALTHCHECKS_URL": f"{listener.url}/ping/secret-uuid",
            "HARVESTER_NOTIFY_WEBHOOK_URL": f"{listener.url}/hook/secret-path",
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "QUANTCONNECT_API_TOKEN": token,
        }
        return await harvester_beside("run", cwd=cwd, environ=asked | environ)


async def test_a_run_is_announced_and_its_end_comes_with_code_and_summary(tmp_path: Path) -> None:
    async with listening() as listener:
        done = await run(tmp_path, listener)
    assert done.code == 0
    paths = [path for path, _ in listener.told]
    assert paths == ["/ping/secret-uuid/start", "/ping/secret-uuid/0", "/hook/secret-path"]
    summary = json.loads(listener.told[-1][1])
    assert (summary["exit_code"], summary["snapshot"]["listed"]) == (0, 2)


async def test_a_run_that_fails_is_told_with_its_code_and_without_secrets(tmp_path: Path) -> None:
    async with listening() as listener:
        done = await run(tmp_path, listener, token="wrong0token0canary")
    assert done.code == 12
    assert [path for path, _ in listener.told][1] == "/ping/secret-uuid/12"
    summary = json.loads(listener.told[-1][1])
    assert summary["exit"] == "auth"
    assert "check the user id and the API token" in summary["errors"][0]
    assert "canary" not in str(listener.told) + done.out + done.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret", "not a url/secret"])
async def test_trouble_with_a_notification_is_said_and_spoils_nothing(tmp_path: Path, url: str) -> None:
    async with listening() as listener:
        listener.status = 500
        done = await run(tmp_path, listener, HARVESTER_NOTIFY_WEBHOOK_URL=url)
    assert done.code == 0
    assert "the ping failed: HTTP 500; the run is not affected" in done.err
    assert "the webhook failed" in done.err
    assert "secret" not in done.out + done.err


async def test_a_monitor_reads_how_the_run_went(tmp_path: Path) -> None:
    textfile = tmp_path / "harvester.prom"
    async with listening() as listener:
        await run(tmp_path, listener, HARVESTER_METRICS_TEXTFILE=str(textfile))
    families = {family.name: family for family in text_string_to_metric_families(textfile.read_text())}
    assert families["harvester_last_run_complete"].samples[0].value == 1
    outcomes = {sample.labels["outcome"]: sample.value for sample in families["harvester_backtests"].samples}
    assert outcomes["saved"] == 2
    assert [path.name for path in tmp_path.glob(".*.part")] == []


async def test_a_metrics_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    async with listening() as listener:
        done = await run(tmp_path, listener, HARVESTER_METRICS_TEXTFILE=str(tmp_path / "no" / "such.prom"))
    assert done.code == 0
    assert "was not written" in done.err


@pytest.mark.parametrize(
    ("token", "when", "told"),
    [
        (TOKEN, "trouble", []),
        (TOKEN, "always", ["harvester: the run ended with 0 (ok)"]),
        ("wrong0token0canary", "trouble", ["harvester: the run ended with 12 (auth)"]),
    ],
)
async def test_messages_are_sent_when_somebody_has_to_look_or_always(
    tmp_path: Path, token: str, when: str, told: list[str]
) -> None:
    async with listening() as listener:
        chat = listener.url.replace("http://", "json://") + "/chat-secret"
        environ = {"HARVESTER_NOTIFY_APPRISE_URLS": chat, "HARVESTER_NOTIFY_APPRISE_WHEN": when}
        done = await run(tmp_path, listener, token=token, **environ)
    messages = [json.loads(body) for path, body in listener.told if path == "/chat-secret"]
    assert [message["title"] for message in messages] == told
    if when == "always":
        assert "listed      2 = 2 saved" in messages[0]["message"]
    elif told:
        assert "check the user id and the API token" in messages[0]["message"]
    assert "canary" not in str(listener.told)
    assert "chat-secret" not in done.out + done.err


async def test_messages_that_cannot_be_sent_are_said_by_their_place_and_spoil_nothing(tmp_path: Path) -> None:
    async with listening() as listener:
        listener.status = 500
        addresses = f"nonsense://secret,{listener.url.replace('http://', 'json://')}/secret"
        environ = {"HARVESTER_NOTIFY_APPRISE_URLS": addresses, "HARVESTER_NOTIFY_APPRISE_WHEN": "always"}
        done = await run(tmp_path, listener, **environ)
    assert done.code == 0
    assert "notify.apprise_urls: address 1 is not recognised by apprise" in done.err
    assert "notify.apprise_urls: the message to address 2 could not be delivered" in done.err
    assert "secret" not in done.out + done.err


async def test_a_run_that_finds_no_credentials_is_told_too(tmp_path: Path) -> None:
    async with listening() as listener:
        environ = {"HARVESTER_NOTIFY_HEALTHCHECKS_URL": f"{listener.url}/ping"}
        done = await harvester_beside("run", cwd=tmp_path, environ=environ)
    assert done.code == 2
    assert [path for path, _ in listener.told] == ["/ping/start", "/ping/2"]


async def test_metrics_of_a_run_that_fails_keep_the_last_success(tmp_path: Path) -> None:
    textfile = tmp_path / "harvester.prom"
    async with listening() as listener:
        await run(tmp_path, listener, HARVESTER_METRICS_TEXTFILE=str(textfile))
        well = samples(textfile)
        await run(tmp_path, listener, token="wrong0token", HARVESTER_METRICS_TEXTFILE=str(textfile))
    refused = samples(textfile)
    success = "harvester_last_success_timestamp_seconds"
    assert well["harvester_last_run_exit_code"] == 0
    assert refused["harvester_last_run_exit_code"] == 12
    assert refused[success] == well[success]
    assert refused["harvester_last_run_timestamp_seconds"] >= well["harvester_last_run_timestamp_seconds"]
    assert "harvester_last_run_complete" not in refused


def samples(textfile: Path) -> dict[str, float]:
    families = text_string_to_metric_families(textfile.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_the_demo_tells_nobody_and_knows_no_filter_of_the_user(tmp_path: Path) -> None:
    async with listening() as listener:
        environ = {
            "HARVESTER_NOTIFY_HEALTHCHECKS_URL": f"{listener.url}/ping",
            "HARVESTER_NOTIFY_WEBHOOK_URL": f"{listener.url}/hook",
            "HARVESTER_METRICS_TEXTFILE": str(tmp_path / "mine.prom"),
            "HARVESTER_FILTERS_PROJECTS": "nothing",
        }
        words = ("demo", "--projects", "1", "--backtests", "2", "--json")
        done = await harvester_beside(*words, cwd=tmp_path, environ=environ)
    assert done.code == 0
    assert done.document()["snapshot"]["counts"]["saved"] >= 2
    assert listener.told == []
    assert not (tmp_path / "mine.prom").exists()
