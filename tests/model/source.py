"""An account with reports of a few bytes, served from a thread of its own while commands run in this one."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from anyio.from_thread import BlockingPortal, start_blocking_portal

from harvester.report import unpack_report
from harvester.simulator import BacktestSpec, ProjectSpec, Scenario, Simulator
from harvester.simulator.account import Account

Key = tuple[int, str]
"""Project id and backtest id."""

PROJECTS = (101, 102)


class SmallAccount(Account):
    """Reports are text and one picture, both drawn from the backtest's seed and nothing else."""

    def report_html(self, project_id: int, backtest_id: str) -> str:
        return html_of(self.projects[project_id].backtests[backtest_id].spec)


def html_of(spec: BacktestSpec) -> str:
    """The report of a backtest; another seed gives another text and another picture."""
    mark = f"{spec.backtest_id} {spec.seed}"
    pixel = base64.b64encode(_GIF + mark.encode()).decode()
    return (
        f"<html><body><h1>{mark}</h1><table><tr><th>Returns</th></tr>"
        f'<tr><td><img src="data:image/gif;base64,{pixel}"></td></tr></table></body></html>'
    )


_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@cache
def contents_of(html: str) -> dict[str, str]:
    """The files that a report is archived as, with their digests; `report.json` is the run's own."""
    unpacked = unpack_report(html)
    return {
        "report.html": sha256(html.encode()),
        "offline.html": sha256(unpacked.offline_html.encode()),
        **{f"images/{image.record.name}": sha256(image.content) for image in unpacked.images},
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_account() -> SmallAccount:
    """Two projects with two backtests each."""
    projects = tuple(
        ProjectSpec(
            project_id=project_id,
            name=f"Project {project_id}",
            backtests=tuple(make_backtest(10 * number + n) for n in range(2)),
        )
        for number, project_id in enumerate(PROJECTS)
    )
    return SmallAccount(Scenario(projects=projects), clock=time.monotonic)


def make_backtest(number: int) -> BacktestSpec:
    return BacktestSpec(backtest_id=f"{number:032x}", name=f"Backtest {number}", seed=number)


@dataclass(frozen=True)
class Server:
    """The simulator, and the thread it is in."""

    simulator: Simulator
    portal: BlockingPortal

    def serve(self, account: Account) -> None:
        """Serve this account from now on."""
        self.portal.call(setattr, self.simulator, "account", account)


@contextmanager
def serving() -> Iterator[Server]:
    """A server for one account after another."""
    with start_blocking_portal() as portal:
        simulator = Simulator(Scenario())
        with portal.wrap_async_context_manager(simulator):
            yield Server(simulator, portal)
