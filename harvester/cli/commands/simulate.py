"""`harvester simulate`: serve the simulator."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated, TextIO

import anyio
import msgspec
import typer

from harvester.errors import ConfigError
from harvester.simulator import RequestRecord, Simulator, load_scenario, sample_scenario

_PORT = 5612
"""Where QuantConnect's own client looks for a local API (`QC_API=local`)."""


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any.")] = _PORT,
    reports: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Serve the HTML files found there as the reports.")
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A TOML file that describes the account and how its server behaves."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another number draws another account.")] = None,
    request_log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One JSON line for every request.")
    ] = None,
) -> None:
    """Serve a simulated QuantConnect API on this machine until it is interrupted.

    The base URL is printed on stdout, how to point harvester at it on stderr.

    \b
    Examples:
      harvester simulate                          a small account
      harvester simulate --reports ~/reports      your own HTML files as reports
      harvester simulate --scenario account.toml  one with faults and limits

    \b
    Exit codes:
      0 interrupted · 2 usage, or the port is in use
    """
    if scenario is not None and seed is not None:
        raise ConfigError("--seed and --scenario cannot be combined: a scenario describes the whole account")
    account = load_scenario(scenario) if scenario else sample_scenario(seed=1 if seed is None else seed)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(_opened(request_log)) if request_log else None

        def record(request: RequestRecord) -> None:
            if log is not None:
                log.write(msgspec.json.encode(request).decode() + "\n")
                log.flush()

        anyio.run(_serve, Simulator(account, port=port, reports_dir=reports, record=record))


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


async def _serve(server: Simulator) -> None:
    async with server as simulator:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            print(simulator.base_url, flush=True)
            print(
                f"export HARVESTER_API_BASE_URL={simulator.base_url}\n"
                f"export QUANTCONNECT_USER_ID={simulator.scenario.user_id}\n"
                f"export QUANTCONNECT_API_TOKEN={simulator.scenario.token}",
                file=sys.stderr,
                flush=True,
            )
            async for _ in signals:
                return
