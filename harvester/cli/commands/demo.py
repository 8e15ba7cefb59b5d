"""`harvester demo`: the main job against the built-in simulator."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import msgspec
import typer

from harvester.app import RunOrder, make_snapshot
from harvester.cli.commands.run import display_of, report_end
from harvester.cli.options import with_options
from harvester.cli.session import Session, leave
from harvester.config import ArchiveSettings, Credentials, PaceSettings, ReportSettings, Settings, with_home
from harvester.secrets import Secret
from harvester.simulator import Simulator, sample_scenario
from harvester.text import Duration

_USER_ID: Final = 123456
_TOKEN: Final = "aaaabbbbccccdddd"  # exists in the simulator only
_DIRECTORY = Path("demo-archive")


@with_options("open_index", "json")
def demo(
    context: typer.Context,
    archive: Annotated[Path, typer.Option(metavar="DIR", help="Where the Snapshot goes.")] = _DIRECTORY,
    projects: Annotated[int, typer.Option(min=1, max=50, help="Projects with reports; three have none.")] = 4,
    backtests: Annotated[
        int, typer.Option(min=1, max=2000, help="Reports in them; four backtests are skipped.")
    ] = 24,
    seed: Annotated[int, typer.Option(help="Another number draws another account.")] = 1,
) -> None:
    """Run the main job against a simulated account; no credentials and no network are needed.

    The simulator speaks QuantConnect's protocol on localhost and draws its own reports; half of them are
    generated only when they are first asked for.

    \b
    Examples:
      harvester demo --open                         and look at it in a browser
      harvester demo --projects 20 --backtests 500  a larger account

    \b
    Exit codes:
      those of `harvester run`
    """
    session = Session.of(context)
    # Ignore the user's settings: filters and notifications do not apply to the demo.
    settings = Settings(
        archive=ArchiveSettings(dir=with_home(str(archive))),
        pace=PaceSettings(rate_per_min=1200.0, workers=4),
        reports=ReportSettings(first_poll=Duration(2)),
    )
    order = RunOrder(settings, Credentials(_USER_ID, Secret(_TOKEN), "the demo"), share_pace=False)
    scenario = sample_scenario(
        seed=seed, projects=projects, backtests=backtests, generate_share=0.5, generation_s=3.0
    )

    @asynccontextmanager
    async def simulated(order: RunOrder) -> AsyncIterator[RunOrder]:
        async with Simulator(scenario) as simulator:
            _bypass_proxy(simulator.base_url)
            api = msgspec.structs.replace(settings.api, base_url=simulator.base_url)
            yield replace(order, settings=msgspec.structs.replace(settings, api=api))

    finished = make_snapshot(order, session.log, display_of(session, order), around=simulated)
    leave(report_end(session, finished).code)


def _bypass_proxy(url: str) -> None:
    """Add the simulator's host to `no_proxy`."""
    host = urlsplit(url).hostname or ""
    if not proxy_bypass(host):
        excepted = getproxies_environment().get("no", "")
        os.environ["no_proxy"] = f"{excepted},{host}" if excepted else host
