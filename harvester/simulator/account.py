"""The simulated account while it is served: what is in it, what is being generated, what changes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harvester.errors import ConfigError
from harvester.simulator.drawing import draw_report
from harvester.simulator.rows import parameters_of
from harvester.simulator.scenario import (
    BacktestSpec,
    Change,
    ChangeKind,
    Generation,
    ProjectSpec,
    ReportKind,
    Scenario,
)

_PER_PROJECT = 6
_NOT_FOUND = "Backtest not found"
_REFUSED = "Unable to generate a report for this backtest"


@dataclass
class LiveBacktest:
    """One backtest and the state of its report."""

    spec: BacktestSpec
    added_at: float
    ready_at: float | None = None
    """None: nobody has asked for the report yet."""
    loading: dict[str, float] = field(default_factory=dict)
    """When the chart, the orders or the log were requested first."""
    refused: int = 0
    """How many of the refusals that come before the report have been sent."""


@dataclass
class LiveProject:
    """One project and its backtests by id."""

    spec: ProjectSpec
    backtests: dict[str, LiveBacktest] = field(default_factory=dict)


class Account:
    """Projects by id; every method that changes something is for tests and for scenarios."""

    def __init__(
        self, scenario: Scenario, *, clock: Callable[[], float], reports_dir: Path | None = None
    ) -> None:
        self._scenario = scenario
        self._clock = clock
        self._files: dict[str, Path] = {}
        self._busy_until: list[float] = []
        self.projects: dict[int, LiveProject] = {}
        specs = _from_files(reports_dir, self._files) if reports_dir else scenario.projects
        for spec in specs:
            self.add_project(spec)

    def backtests(self) -> Iterator[tuple[ProjectSpec, BacktestSpec]]:
        """Every backtest with its project."""
        for project in self.projects.values():
            for backtest in project.backtests.values():
                yield project.spec, backtest.spec

    def find(self, project_id: int, backtest_id: str) -> LiveBacktest | None:
        """One backtest, if it exists."""
        project = self.projects.get(project_id)
        return project.backtests.get(backtest_id) if project else None

    def listed(self, project: LiveProject) -> list[BacktestSpec]:
        """What the listing shows: a new backtest comes into it late."""
        scale, now = self._scenario.time_scale, self._clock()
        return [
            live.spec
            for live in project.backtests.values()
            if live.spec.listed and now - live.added_at >= live.spec.listed_after_s / scale
        ]

    def report_html(self, project_id: int, backtest_id: str) -> str:
        """The report as it is served when it is ready."""
        live = self.projects[project_id].backtests[backtest_id]
        path = self._files.get(backtest_id)
        if path is not None:
            return path.read_bytes().decode("utf-8")
        drawing = self._scenario.drawing
        if live.spec.report is ReportKind.PARTIAL:
            drawing = msgspec.structs.replace(drawing, years=max(1, drawing.years // 2))
        return draw_report(live.spec, drawing, parameters_of(live.spec))

    def refusal(self, live: LiveBacktest) -> str:
        """Why a request for the report is refused, in the server's words; empty when it is not."""
        spec = live.spec
        if live.refused < spec.not_found_first + spec.refused_first:
            live.refused += 1
            return _NOT_FOUND if live.refused <= spec.not_found_first else _REFUSED
        return _REFUSED if spec.report is ReportKind.REFUSED else ""

    def is_loading(self, live: LiveBacktest, what: str) -> bool:
        """Whether chart, orders or log are still being prepared, which the first request starts."""
        now = self._clock()
        since = live.loading.setdefault(what, now)
        return now - since < self._scenario.generation.loading_s / self._scenario.time_scale

    def is_ready(self, live: LiveBacktest) -> bool:
        """Whether the report can be sent; the first question starts its generation."""
        now, generation = self._clock(), self._scenario.generation
        if live.spec.report is ReportKind.FOREVER:
            return False
        forgotten_s = generation.forgotten_after_s / self._scenario.time_scale
        if live.ready_at is not None and forgotten_s and now - live.ready_at >= forgotten_s:
            live.ready_at = None
        if live.ready_at is None:
            live.ready_at = self._start(now, live.spec.generation_s / self._scenario.time_scale, generation)
        return now >= live.ready_at

    def _start(self, now: float, takes_s: float, generation: Generation) -> float:
        """When a generation that is asked for now is done: it may have to wait for others."""
        if not takes_s or not generation.parallel:
            return now + takes_s
        start = now
        if len(self._busy_until) >= generation.parallel:
            start = max(now, heapq.heappop(self._busy_until))
        heapq.heappush(self._busy_until, start + takes_s)
        return start + takes_s

    # -- changes ----------------------------------------------------------------------------------

    def add_project(self, spec: ProjectSpec) -> None:
        """A new project, with its backtests."""
        live = LiveProject(spec)
        self.projects[spec.project_id] = live
        for backtest in spec.backtests:
            live.backtests[backtest.backtest_id] = LiveBacktest(backtest, self._clock() - 1e9)

    def rename_project(self, project_id: int, name: str) -> None:
        """Another name for a project."""
        live = self.projects[project_id]
        live.spec = msgspec.structs.replace(live.spec, name=name)

    def change_project(self, project_id: int, **fields: object) -> None:
        """Change fields of a project's `ProjectSpec`, except its backtests."""
        live = self.projects[project_id]
        live.spec = msgspec.structs.replace(live.spec, **fields)

    def recycle_project(self, project_id: int) -> None:
        """A project is deleted softly: it moves into the recycle bin."""
        self.rename_project(project_id, f"Recycle Bin/{self.projects[project_id].spec.name}")

    def delete_project(self, project_id: int) -> None:
        """A project is gone."""
        del self.projects[project_id]

    def add_backtest(self, project_id: int, spec: BacktestSpec) -> None:
        """A new backtest."""
        self.projects[project_id].backtests[spec.backtest_id] = LiveBacktest(spec, self._clock())

    def delete_backtest(self, project_id: int, backtest_id: str) -> None:
        """A backtest is gone."""
        self.projects[project_id].backtests.pop(backtest_id, None)

    def change_backtest(self, project_id: int, backtest_id: str, **fields: object) -> None:
        """Other values for fields of a `BacktestSpec`."""
        live = self.projects[project_id].backtests[backtest_id]
        live.spec = msgspec.structs.replace(live.spec, **fields)

    def apply(self, change: Change) -> None:
        """A change of the scenario; one to something that is gone already changes nothing."""
        if change.project_id not in self.projects:
            return
        match change.kind:
            case ChangeKind.RENAME_PROJECT:
                self.rename_project(change.project_id, change.name)
            case ChangeKind.RECYCLE_PROJECT:
                self.recycle_project(change.project_id)
            case ChangeKind.DELETE_PROJECT:
                self.delete_project(change.project_id)
            case ChangeKind.DELETE_BACKTEST:
                self.delete_backtest(change.project_id, change.backtest_id)
            case ChangeKind.ADD_BACKTEST:
                spec = BacktestSpec(backtest_id=change.backtest_id, name=change.name or "Added")
                self.add_backtest(change.project_id, spec)


def _from_files(directory: Path, files: dict[str, Path]) -> list[ProjectSpec]:
    """One backtest for each HTML file of a directory, a few in a project."""
    paths = sorted(directory.glob("*.html")) if directory.is_dir() else []
    if not paths:
        raise ConfigError(f"{directory} holds no *.html file")
    specs = []
    for number, path in enumerate(paths):
        backtest_id = f"{number + 1:032x}"
        files[backtest_id] = path
        specs.append(BacktestSpec(backtest_id=backtest_id, name=path.stem, seed=number))
    return [
        ProjectSpec(
            project_id=23_456_789 + n, name=f"Reports {n + 1}", backtests=tuple(specs[at : at + _PER_PROJECT])
        )
        for n, at in enumerate(range(0, len(specs), _PER_PROJECT))
    ]
