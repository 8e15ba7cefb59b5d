"""`harvester doctor` against the simulator, as a process of its own."""

from __future__ import annotations

from pathlib import Path

from support.builders import TOKEN, USER_ID, make_backtests, make_scenario, make_settings
from support.cli import Done, harvester, harvester_beside

from harvester.api.pace import limiter_for
from harvester.app.doctor.api import check_api
from harvester.app.exits import ExitCode
from harvester.config.credentials import Credentials
from harvester.secrets import Secret
from harvester.simulator import Fault, FaultKind, Scenario, Simulator

ALWAYS = {"HARVESTER_NOTIFY_APPRISE_WHEN": "always", "HARVESTER_PACE_RATE_PER_MIN": "60000"}


def environment(url: str, token: str = TOKEN) -> dict[str, str]:
    return {"HARVESTER_API_BASE_URL": url, "QC_USER_ID": str(USER_ID), "QC_API_TOKEN": token}


async def diagnose(scenario: Scenario, cwd: Path, *words: str, token: str = TOKEN) -> Done:
    async with Simulator(scenario) as simulator:
        return await harvester_beside(*words, cwd=cwd, environ=environment(simulator.base_url, token))


def statuses(done: Done) -> dict[str, str]:
    return {check["name"]: check["status"] for check in done.document()["checks"]}


async def test_everything_in_place_ends_with_0(tmp_path: Path) -> None:
    done = await diagnose(make_scenario(make_backtests(1)), tmp_path, "doctor", "--json")
    assert (done.code, done.err) == (0, "")
    found = statuses(done)
    found.pop("inodes", None)  # some file systems do not count them
    assert found == dict.fromkeys(
        (
            "configuration",
            "credentials",
            "authentication",
            "clock",
            "projects",
            "permissions",
            "links",
            "archive",
            "disk",
            "timer",
        ),
        "ok",
    )


async def test_quiet_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    done = await diagnose(make_scenario(make_backtests(1)), tmp_path, "-q", "doctor")
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_wrong_token_ends_with_12_and_says_what_to_do(tmp_path: Path) -> None:
    done = await diagnose(make_scenario(), tmp_path, "doctor", token="CANARY-wrong-token")
    assert done.code == 12
    assert "error    authentication" in done.out
    assert "check the user id and the API token" in done.out
    assert "CANARY" not in done.out + done.err


async def test_account_without_projects_is_a_warning(tmp_path: Path) -> None:
    done = await diagnose(Scenario(), tmp_path, "doctor", "--json")
    assert done.code == 0
    assert statuses(done)["projects"] == "warning"


async def test_listing_that_fails_is_an_error_of_its_own(tmp_path: Path) -> None:
    refused = Fault(kind=FaultKind.ERRORS, route="projects/read")
    done = await diagnose(make_scenario(faults=(refused,)), tmp_path, "doctor", "--json")
    assert done.code == 1
    assert (statuses(done)["authentication"], statuses(done)["projects"]) == ("ok", "error")


async def test_server_that_never_answers_is_waited_for_no_longer_than_a_person_would(tmp_path: Path) -> None:
    hanging = Fault(kind=FaultKind.HANG, route="authenticate")
    async with Simulator(make_scenario(faults=(hanging,))) as simulator:
        settings = make_settings(simulator.base_url, tmp_path, api={"read_timeout": 60, "total_timeout": 60})
        credentials, limiter = Credentials(USER_ID, Secret(TOKEN), "a test"), limiter_for(settings.pace)
        (found,) = await check_api(settings, credentials, limiter, 0.2)
    assert (found.name, found.code) == ("api", ExitCode.ERROR)


def test_server_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    done = harvester("doctor", "--json", cwd=tmp_path, environ=environment("http://127.0.0.1:9/api/v2"))
    assert done.code == 1
    assert statuses(done)["api"] == "error"
    assert statuses(done)["disk"] == "ok"


def test_without_credentials_the_machine_is_checked_all_the_same(tmp_path: Path) -> None:
    done = harvester("doctor", "--json", cwd=tmp_path)
    assert done.code == 2
    assert statuses(done)["credentials"] == "error"
    assert statuses(done)["links"] == "ok"


def test_wrong_configuration_is_told_mistake_by_mistake(tmp_path: Path) -> None:
    (tmp_path / "harvester.toml").write_text("[pace]\nworker = 4\nburst = 0\n")
    done = harvester("doctor", cwd=tmp_path)
    assert done.code == 2
    assert [line.split()[:2] for line in done.out.splitlines()] == [["error", "configuration"]] * 2


def test_credentials_that_others_can_read_are_a_warning_with_the_command(tmp_path: Path) -> None:
    lean = tmp_path / ".lean" / "credentials"
    lean.parent.mkdir()
    lean.write_text('{"user-id": "7", "api-token": "CANARY-of-lean"}')
    lean.chmod(0o644)
    environ = {"HOME": str(tmp_path), "HARVESTER_API_BASE_URL": "http://127.0.0.1:9/api/v2"}
    done = harvester("-q", "doctor", cwd=tmp_path, environ=environ)
    assert f"run: chmod 600 {lean}" in done.out
    assert "CANARY" not in done.out + done.err


async def test_messages_that_nothing_can_send_are_a_warning(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['apprise'] = None\n")
    environ = {"HARVESTER_NOTIFY_APPRISE_URLS": "json://x/CANARY", "PYTHONPATH": str(hidden)}
    async with Simulator(make_scenario(make_backtests(1))) as simulator:
        environ |= environment(simulator.base_url)
        told = await harvester_beside("doctor", "--json", cwd=tmp_path, environ=environ)
        ran = await harvester_beside("run", cwd=tmp_path, environ=environ | ALWAYS)
    assert (told.code, statuses(told)["messages"]) == (0, "warning")
    assert ran.code == 0
    for done in (told, ran):
        assert "pip install 'apprise>=1.9'" in done.out + done.err
        assert "CANARY" not in done.out + done.err
