"""`harvester demo`: the main job against the built-in simulator."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harvester.cli import options
from harvester.cli.console import Session, leave

if TYPE_CHECKING:
    from harvester.app import Ended, Job
    from harvester.archive import Archive
    from harvester.simulator import Scenario

_ACCOUNT = (123456, "aaaabbbbccccdddd")
"""A user id and a token that exist nowhere but in the simulator."""
_DIRECTORY = Path("demo-archive")


def demo(
    context: typer.Context,
    archive: Annotated[Path, typer.Option(metavar="DIR", help="Where the Snapshot goes.")] = _DIRECTORY,
    projects: Annotated[int, typer.Option(min=1, max=50, help="Projects of the account.")] = 4,
    backtests: Annotated[int, typer.Option(min=1, max=2000, help="Backtests of the account.")] = 24,
    seed: Annotated[int, typer.Option(help="Another number draws another account.")] = 1,
    open_index: options.Open = False,
    json: options.Json = False,
) -> None:
    """Run the main job against a simulated account; no credentials and no network are needed.

    The simulator speaks QuantConnect's protocol on localhost and draws its own reports; half of them are
    generated only when they are first asked for.

    \b
    Examples:
      harvester demo --open                              and look at it in a browser
      harvester demo --projects 20 --backtests 500       a larger account

    \b
    Exit codes:
      those of `harvester run`
    """
    from harvester.app import Job, perform_as
    from harvester.config import (
        ArchiveSettings,
        Credentials,
        PaceSettings,
        ReportSettings,
        Settings,
        with_home,
    )
    from harvester.secrets import Secret
    from harvester.simulator import sample_scenario
    from harvester.text import Duration

    session: Session = context.obj
    # Nothing of the user's own: neither filters nor who is told of runs have to do with this account.
    settings = Settings(
        archive=ArchiveSettings(dir=with_home(str(archive))),
        pace=PaceSettings(rate_per_min=1200.0, workers=4),
        reports=ReportSettings(first_poll=Duration(2)),
    )
    user_id, token = _ACCOUNT
    account = Credentials(user_id, Secret(token), "the demo")
    job = Job(session, settings, account, json=json, open_index=open_index, share_pace=False)
    scenario = sample_scenario(
        seed=seed, projects=projects, backtests=backtests, generate_share=0.5, generation_s=3.0
    )
    leave(perform_as(job, lambda archive: _simulated(job, scenario, archive)).code)


async def _simulated(job: Job, scenario: Scenario, archive: Archive) -> Ended:
    """One run against a simulator that lives as long as the run."""
    import msgspec

    from harvester.app import run_once
    from harvester.simulator import Simulator

    async with Simulator(scenario) as simulator:
        _reach_directly(simulator.base_url)
        api = msgspec.structs.replace(job.settings.api, base_url=simulator.base_url)
        settings = msgspec.structs.replace(job.settings, api=api)
        return await run_once(replace(job, settings=settings), archive)


def _reach_directly(url: str) -> None:
    """Except a host from the proxies of this process's environment: none reaches our own localhost."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies_environment, proxy_bypass

    host = urlsplit(url).hostname or ""
    if not proxy_bypass(host):
        excepted = getproxies_environment().get("no", "")
        os.environ["no_proxy"] = f"{excepted},{host}" if excepted else host
