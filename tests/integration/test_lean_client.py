"""QuantConnect's own client takes the simulator for the real thing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.builders import TOKEN, USER_ID, make_backtests, make_scenario
from support.served import ROOT, ask_judge, served, why_not

from harvester.config.credentials import find_credentials
from harvester.config.settings import CredentialSettings
from harvester.simulator import Simulator, sample_scenario

_PORT = 5612
"""Fixed in the client, for `QC_API=local`."""
_ENVIRONMENT = ".venv-lean"
_DONE, _FAILED, _UNDER_WAY, _QUEUED = (f"{number:032x}" for number in (1, 2, 3, 4))
_OPTIMIZATION = f"O-{1:032x}"


def _port_is_free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", _PORT)) != 0


pytestmark = pytest.mark.skipif(bool(why_not(_ENVIRONMENT)), reason=why_not(_ENVIRONMENT))


def _without_network(home: Path) -> None:
    """A home in which the client has just looked for news, and an environment with the list that it wants."""
    cache = home / ".lean" / "cache"
    cache.parent.mkdir()
    moment = datetime.now(UTC).timestamp()
    cache.write_text(json.dumps({f"last-update-check-{what}": moment for what in ("cli", "announcements")}))
    modules = next((ROOT / _ENVIRONMENT / "lib").glob("python*/site-packages/lean")) / "modules-1.14.json"
    if not modules.exists():  # the client wants a list from a CDN; an empty one is as good
        whole = modules.with_suffix(f".{os.getpid()}")
        whole.write_text('{"modules": []}')
        whole.replace(modules)


def _lean(home: Path, *args: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "QC_API": "local", "NO_PROXY": "*"}
    command = [str(ROOT / _ENVIRONMENT / "bin" / "lean"), *args]
    done = subprocess.run(
        command, cwd=home, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(not _port_is_free(), reason=f"port {_PORT} is taken")
def test_quantconnects_own_client_logs_in_and_pulls_every_project(tmp_path: Path) -> None:
    _without_network(tmp_path)
    with served(Simulator(sample_scenario(backtests=4), port=_PORT)) as simulator:
        said = _lean(tmp_path, "login", "--user-id", str(USER_ID), "--api-token", TOKEN)
        assert "Successfully logged in" in said
        assert "logged in as Somebody (somebody@example.org)" in _lean(tmp_path, "whoami")
        organization = simulator.scenario.projects[0].organization_id
        settings = {"organization-id": organization, "data-folder": "data"}
        (tmp_path / "lean.json").write_text(json.dumps(settings))
        (tmp_path / "data").mkdir()
        _lean(tmp_path, "cloud", "pull")
    names = [project.spec.name for project in simulator.account.projects.values()]
    pulled = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("main.py")}
    assert pulled == set(names)
    assert [record.answer for record in simulator.requests if record.answer == "no"] == []
    # And what it writes down at login is where harvester finds its credentials.
    found = find_credentials(CredentialSettings(), {}, home=tmp_path)
    assert found.user_id == simulator.scenario.user_id
    assert found.token.reveal() == simulator.scenario.token


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client makes of each answer."""
    home = tmp_path_factory.mktemp("home")
    _without_network(home)
    statuses = ("Completed.", "Runtime Error", "In Progress...", "In Queue...")
    backtests = [make_backtests(1, first=n, status=status)[0] for n, status in enumerate(statuses, 1)]
    backtests += make_backtests(2, first=5, optimization_id=_OPTIMIZATION)
    with served(Simulator(make_scenario(tuple(backtests), ()))) as simulator:
        return ask_judge(
            _ENVIRONMENT,
            "lean_client.py",
            simulator.base_url,
            str(USER_ID),
            TOKEN,
            about={
                "project_id": 101,
                "backtest_ids": [_DONE, _FAILED, _UNDER_WAY, _QUEUED],
                "optimization_ids": [_OPTIMIZATION],
            },
            environ={"HOME": str(home)},
        )


def test_its_client_reads_the_account_and_its_organizations(understood: dict[str, Any]) -> None:
    assert understood["authenticated"] is True
    (organization,) = understood["organizations"]
    assert (organization["ownerName"], organization["preferred"]) == ("You", True)
    assert understood["organization"]["id"] == understood["account"]["organizationId"] == organization["id"]
    assert [row["name"] for row in understood["environments"]] == ["Default"]


def test_its_client_reads_projects_and_files(understood: dict[str, Any]) -> None:
    assert [row["projectId"] for row in understood["projects"]] == [101, 102]
    assert understood["project"] == understood["projects"][0]
    assert understood["files"][0]["content"] == understood["file"]["content"]


def test_its_client_reads_backtests_in_every_state(understood: dict[str, Any]) -> None:
    assert sorted(understood["listed"])[:4] == [_DONE, _FAILED, _UNDER_WAY, _QUEUED]
    done, failed, under_way, queued = understood["backtests"]
    assert understood["complete"] == [True, True, False, False]
    assert done["statistics"]["Total Orders"] == str(understood["orders"]["length"])
    assert failed["error"] == "Division by zero &lt;module&gt;"
    assert [(row["statistics"], row["runtimeStatistics"]) for row in (under_way, queued)] == [([], None)] * 2


def test_its_client_waits_for_chart_orders_and_log(understood: dict[str, Any]) -> None:
    results, orders = understood["results"], understood["orders"]
    assert results["finished"] is True
    assert results["equity"][0][1] == pytest.approx(100_000, rel=0.1)
    assert len(orders["page"]) == 100 < orders["length"]
    assert {order["status"] for order in orders["page"]} == {"Filled"}
    assert len(understood["log"]) == 1 + orders["length"] // 2


def test_its_client_reads_an_optimization_with_its_backtests(understood: dict[str, Any]) -> None:
    (optimization,) = understood["optimizations"]
    assert (optimization["projectId"], optimization["status"]) == (101, "completed")
    children = [f"{number:032x}" for number in (5, 6)]
    assert sorted(optimization["backtests"]) == children
    assert {child["exitCode"] for child in optimization["backtests"].values()} == {0}
    assert set(children) < set(understood["listed"])
