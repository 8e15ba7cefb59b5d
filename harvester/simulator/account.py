"""The simulated account while it is served: its contents, the reports being generated, and its changes."""

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
    """None: the report has not been requested yet."""
    loading: dict[str, float] = field(default_factory=dict)
    """When the chart, the orders or the log were first requested, by their name."""
    refused: int = 0
    """How many of the refusals that precede the report have been sent."""


@dataclass
class LiveProject:
    """One project and its backtests by id."""

    spec: ProjectSpec
    backtests: dict[str, LiveBacktest] = field(default_factory=dict)


class Account:
    """Projects by id. The methods that change them are for tests and for the changes of a scenario."""

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
        """The backtests that the listing shows; a new one appears in it late."""
        scale, now = self._scenario.time_scale, self._clock()
        return [
            live.spec
            for live in project.backtests.values()
            if live.spec.listed and now - live.added_at >= live.spec.listed_after_s / scale
        ]

    def report_html(self, project_id: int, backtest_id: str) -> str:
        """The report as it is served once it is ready."""
        live = self.projects[project_id].backtests[backtest_id]
        path = self._files.get(backtest_id)
        if path is not None:
            return path.read_bytes().decode("utf-8")
        drawing = self._scenario.drawing
        if live.spec.report is ReportKind.PARTIAL:
            drawing = msgspec.structs.replace(drawing, years=max(1, drawing.years // 2))
        return draw_report(live.spec, drawing, parameters_of(live.spec))

    def next_refusal(self, live: LiveBacktest) -> str:
        """Count a request for the report; why it is refused, in the server's words, empty if it is not."""
        spec = live.spec
        if live.refused < spec.not_found_first + spec.refused_first:
            live.refused += 1
            return _NOT_FOUND if live.refused <= spec.not_found_first else _REFUSED
        return _REFUSED if spec.report is ReportKind.REFUSED else ""

    def poll_loading(self, live: LiveBacktest, what: str) -> bool:
        """Start to prepare chart, orders or log at the first call; whether they are still loading."""
        now = self._clock()
        since = live.loading.setdefault(what, now)
        return now - since < self._scenario.generation.loading_s / self._scenario.time_scale

    def poll_report(self, live: LiveBacktest) -> bool:
        """Start the generation at the first call; whether the report can be sent."""
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
        """When a generation that is requested now will be done: it may have to wait for others."""
        if not takes_s or not generation.parallel:
            return now + takes_s
        start = now
        if len(self._busy_until) >= generation.parallel:
            start = max(now, heapq.heappop(self._busy_until))
        heapq.heappush(self._busy_until, start + takes_s)
        return start + takes_s

    # -- changes ----------------------------------------------------------------------------------

    def add_project(self, spec: ProjectSpec) -> None:
        """Add a project with its backtests, which are listed at once."""
        live = LiveProject(spec)
        self.projects[spec.project_id] = live
        for backtest in spec.backtests:
            live.backtests[backtest.backtest_id] = LiveBacktest(backtest, self._clock() - 1e9)

    def rename_project(self, project_id: int, name: str) -> None:
        """Rename a project."""
        live = self.projects[project_id]
        live.spec = msgspec.structs.replace(live.spec, name=name)

    def change_project(self, project_id: int, **fields: object) -> None:
        """Change fields of a project's `ProjectSpec`, except its backtests."""
        live = self.projects[project_id]
        live.spec = msgspec.structs.replace(live.spec, **fields)

    def recycle_project(self, project_id: int) -> None:
        """Move a project into the recycle bin."""
        self.rename_project(project_id, f"Recycle Bin/{self.projects[project_id].spec.name}")

    def delete_project(self, project_id: int) -> None:
        """Delete a project with its backtests."""
        del self.projects[project_id]

    def add_backtest(self, project_id: int, spec: BacktestSpec) -> None:
        """Add a backtest, which may be listed only later."""
        self.projects[project_id].backtests[spec.backtest_id] = LiveBacktest(spec, self._clock())

    def delete_backtest(self, project_id: int, backtest_id: str) -> None:
        """Delete a backtest, if it exists."""
        self.projects[project_id].backtests.pop(backtest_id, None)

    def change_backtest(self, project_id: int, backtest_id: str, **fields: object) -> None:
        """Change fields of a `BacktestSpec`."""
        live = self.projects[project_id].backtests[backtest_id]
        live.spec = msgspec.structs.replace(live.spec, **fields)

    def apply(self, change: Change) -> None:
        """Make a change of the scenario; nothing happens if its project no longer exists."""
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
    """Projects with one backtest for each HTML file of a directory; adds the paths to `files`."""
    paths = sorted(directory.glob("*.html")) if directory.is_dir() else []
    if not paths:
        raise ConfigError(f"{directory} contains no *.html file; name a directory with reports")
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
