"""A process that serves one night after another, and says afterwards which reports it has sent."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from hashlib import sha256

import anyio
import anyio.to_thread
import msgspec
from soak.account import Key

from harvester.simulator import RequestRecord, Scenario, Simulator
from harvester.simulator.account import Account

_IMAGES = 1
"""A report has so many: the time of a year depends on it, what is to be shown does not."""
_IMAGE = re.compile(r'<img\b[^>]*src="data:image/png;base64,[^"]*"[^>]*>')
_GOOD = frozenset({"ok", "ready", "generating", "no"})


class Ask(msgspec.Struct, frozen=True):
    """Serve a scenario from now on; None: say what was asked since the last time."""

    scenario: Scenario | None = None


class Said(msgspec.Struct, frozen=True):
    """Where it is served, and what was asked."""

    base_url: str
    requests: int
    faults: dict[str, int]
    reports: list[tuple[int, str, str]]
    """Of every report that was sent whole: project id, backtest id, sha256."""

    @property
    def sent(self) -> dict[Key, str]:
        """The digest of each report that was sent."""
        return {(project_id, backtest_id): digest for project_id, backtest_id, digest in self.reports}


class _ThinAccount(Account):
    """Its reports have few images, and it remembers what they were."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario, clock=time.monotonic)
        self.digests: dict[Key, str] = {}

    def report_html(self, project_id: int, backtest_id: str) -> str:
        html = super().report_html(project_id, backtest_id)
        end = list(_IMAGE.finditer(html))[_IMAGES].start()
        html = html[:end] + _IMAGE.sub("", html[end:])
        self.digests[project_id, backtest_id] = sha256(html.encode()).hexdigest()
        return html


class _Night:
    """One simulator and what it was asked."""

    def __init__(self, scenario: Scenario) -> None:
        self.simulator = Simulator(scenario, record=self._record)
        self.simulator.account = self._account = _ThinAccount(scenario)
        self._requests = 0
        self._faults: Counter[str] = Counter()
        self._reports: list[tuple[int, str, str]] = []

    def _record(self, request: RequestRecord) -> None:
        self._requests += 1
        if request.answer not in _GOOD:
            self._faults[request.answer] += 1
        if request.answer == "ready":
            key = (request.project_id, request.backtest_id)
            self._reports.append((*key, self._account.digests[key]))

    def said(self) -> Said:
        said = Said(self.simulator.base_url, self._requests, dict(self._faults), self._reports)
        self._requests, self._faults, self._reports = 0, Counter(), []
        return said


async def _serve(scenario: Scenario) -> Scenario | None:
    """Serve one scenario until the next one comes; None: there is none."""
    night = _Night(scenario)
    async with night.simulator:
        _say(night.said())
        while line := await anyio.to_thread.run_sync(sys.stdin.buffer.readline):
            ask = msgspec.json.decode(line, type=Ask)
            if ask.scenario is not None:
                return ask.scenario
            _say(night.said())
    return None


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


async def main() -> None:
    """Serve until stdin ends."""
    scenario: Scenario | None = Scenario()
    while scenario is not None:
        scenario = await _serve(scenario)


if __name__ == "__main__":
    anyio.run(main)
