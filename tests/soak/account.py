"""An account as it lives through a year: what it holds each night, drawn from a seed and nothing else."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import msgspec
from soak.troubles import draw_faults, draw_kills, draw_moment

from harvester.model import RECYCLE_BIN
from harvester.simulator import BacktestSpec, Change, ChangeKind, Drawing, ProjectSpec, ReportKind, Scenario
from harvester.simulator.account import Account
from harvester.simulator.sample import backtest_name

Key = tuple[int, str]
"""Project id and backtest id."""

FIRST_DATE = date(2026, 1, 1)
_PROJECT_SIZE = 40
"""Backtests a project grows to; with the largest one memory may grow, so there is a largest one."""
_DRAWING = Drawing(years=1, small=True, distinct=60)
"""So many curves the simulator remembers, charts and all; no two reports are the same even so."""
_TIME_SCALE = 1000.0


@dataclass(frozen=True)
class Growth:
    """How long the account is watched, and how many backtests it has on the first and on the last night."""

    nights: int = 365
    first: int = 500
    last: int = 5000
    month: int = 30
    """Nights from one prune to the next."""
    calm: int = 9
    """Nights without faults at the end: all that was missed is read, for a refusal is believed for a week."""

    def wanted(self, night: int) -> int:
        """Backtests on a night, counted from 1: as many more each night as the account is large."""
        share = (night - 1) / (self.nights - 1)
        return round(self.first * math.pow(self.last / self.first, share))


@dataclass(frozen=True)
class Night:
    """One night: what is served, and what goes wrong."""

    number: int
    at: datetime
    scenario: Scenario
    kills: tuple[float, ...]
    """Attempts that are killed, each after this share of the time that a run usually takes."""


class LivingAccount:
    """Gives one night after another; the same for the same seed."""

    def __init__(self, seed: int, growth: Growth) -> None:
        self._seed = seed
        self._growth = growth
        self._dice = random.Random(seed)
        self._account = Account(Scenario(), clock=lambda: 0.0)
        self._made = 0
        self._newest = 0
        self._unfinished: list[Key] = []

    def nights(self) -> Iterator[Night]:
        """Every night of the year, the first one with the account as it stands."""
        for number in range(1, self._growth.nights + 1):
            if number == 1 or self._dice.random() > 0.1:  # else nobody has worked since yesterday
                self._live_a_day(number)
            night = self._night(number)
            yield night
            for change in night.scenario.changes:
                self._account.apply(change)

    def wanted(self) -> set[Key]:
        """What a run without trouble has in its Snapshot, or gets into it."""
        return {
            (project.project_id, backtest.backtest_id)
            for project, backtest in self._account.backtests()
            if backtest.status == "Completed."
            and backtest.report is ReportKind.NORMAL
            and not project.name.startswith(RECYCLE_BIN)
        }

    def _night(self, number: int) -> Night:
        calm = number > self._growth.nights - self._growth.calm
        projects = tuple(
            msgspec.structs.replace(live.spec, backtests=tuple(item.spec for item in live.backtests.values()))
            for live in self._account.projects.values()
        )
        scenario = Scenario(
            seed=self._seed + number,
            time_scale=_TIME_SCALE,
            projects=projects,
            drawing=_DRAWING,
            faults=() if calm else draw_faults(self._dice),
            changes=() if calm else self._changes(),
        )
        day = FIRST_DATE + timedelta(days=number - 1)
        return Night(number, datetime.combine(day, time(3)), scenario, draw_kills(self._dice))

    def _changes(self) -> tuple[Change, ...]:
        """What happens to the account in some nights while it is read."""
        at_request = draw_moment(self._dice)
        if not at_request:
            return ()
        project_id, backtest_id = self._any_backtest()
        kinds = (ChangeKind.DELETE_BACKTEST, ChangeKind.RENAME_PROJECT, ChangeKind.RECYCLE_PROJECT)
        kind = self._dice.choices(kinds, (0.6, 0.3, 0.1))[0]
        name = backtest_name(self._dice)
        return (
            Change(
                at_request=at_request, kind=kind, project_id=project_id, backtest_id=backtest_id, name=name
            ),
        )

    # -- what happens in a day ----------------------------------------------------------------------

    def _live_a_day(self, number: int) -> None:
        self._finish_what_was_running()
        if number > 1:
            self._change_minds()
        here = sum(1 for _ in self._account.backtests())
        for _ in range(self._growth.wanted(number) - here):
            self._start_backtest(number)

    def _finish_what_was_running(self) -> None:
        for project_id, backtest_id in self._unfinished:
            if self._account.find(project_id, backtest_id):
                self._account.change_backtest(
                    project_id, backtest_id, status="Completed.", report=ReportKind.NORMAL
                )
        self._unfinished.clear()

    def _change_minds(self) -> None:
        dice, account = self._dice, self._account
        for _ in range(dice.randrange(3)):
            account.change_backtest(*self._any_backtest(), name=backtest_name(dice))
        for _ in range(dice.randrange(3)):
            account.delete_backtest(*self._any_backtest())
        if dice.random() < 0.2:  # run again without another result
            account.change_backtest(*self._any_backtest(), snapshot_id=dice.randrange(2, 10**6))
        if dice.random() < 0.2:  # and with one
            self._made += 1
            account.change_backtest(
                *self._any_backtest(), snapshot_id=dice.randrange(2, 10**6), seed=self._made
            )
        if dice.random() < 0.3:
            account.rename_project(self._any_project(), f"{backtest_name(dice)} 策略 / v{dice.randrange(9)}")
        if dice.random() < 0.02:
            account.recycle_project(self._any_project())
        if dice.random() < 0.01:
            account.delete_project(self._any_project())

    def _start_backtest(self, number: int) -> None:
        dice = self._dice
        self._made += 1
        kind = dice.choices(("done", "running", "stuck"), (0.95, 0.04, 0.01))[0]
        spec = BacktestSpec(
            backtest_id=f"{dice.getrandbits(128):032x}",
            name=backtest_name(dice),
            created=(datetime.combine(FIRST_DATE, time(9)) + timedelta(days=number - 2)).isoformat(" "),
            status="Running: 42%" if kind == "running" else "Completed.",
            report=ReportKind.FOREVER if kind == "stuck" else ReportKind.NORMAL,
            generation_s=dice.uniform(10, 60) if dice.random() < 0.5 else 0.0,
            seed=self._made,
        )
        project_id = self._project_with_room()
        self._account.add_backtest(project_id, spec)
        if kind != "done":
            self._unfinished.append((project_id, spec.backtest_id))

    def _project_with_room(self) -> int:
        """The newest project, or another one when it is full."""
        newest = self._account.projects.get(self._newest)
        if newest and len(newest.backtests) < _PROJECT_SIZE and not newest.spec.name.startswith(RECYCLE_BIN):
            return self._newest
        self._newest += self._dice.randrange(1, 999)
        self._account.add_project(ProjectSpec(project_id=self._newest, name=backtest_name(self._dice)))
        return self._newest

    def _any_project(self) -> int:
        return self._dice.choice(list(self._account.projects))

    def _any_backtest(self) -> Key:
        project_id = self._dice.choice(
            [project_id for project_id, live in self._account.projects.items() if live.backtests]
        )
        return project_id, self._dice.choice(list(self._account.projects[project_id].backtests))
