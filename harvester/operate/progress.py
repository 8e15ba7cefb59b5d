"""Shows the progress of a run: a bar on a terminal, a line a minute in a log. `Tally` counts for both."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from harvester.api import RequestEvent
from harvester.harvest import Event, Listed, Planned, ProjectPlaced, Rescheduled, Settled, Started, Stopping
from harvester.model import Outcome
from harvester.text import render_duration

if TYPE_CHECKING:
    from rich.progress import Progress

_WINDOW_S: Final = 60.0
_LINE_EVERY_S: Final = 60.0
_REQUESTS_EACH: Final = 2
"""Requests for a report that has to be generated: the estimate until some have been read."""


class Tally:
    """Counts the events of a run. Pure: times are arguments, in seconds of any one clock."""

    def __init__(self, rate_per_min: float) -> None:
        self.rate_per_min = rate_per_min
        self.stage = "listing"
        self.done = 0
        self.total = 0
        self.generating = 0
        self.requests = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.resumed = 0
        self._starts: deque[float] = deque()
        self._report_requests = 0
        self.held_until = 0.0
        self._due: dict[tuple[int, str], float] = {}
        """When each report that is being generated is requested again, by project and backtest id."""

    def request(self, event: RequestEvent, now: float) -> None:
        """Count a request that has ended."""
        self.requests += 1
        self._report_requests += self.stage == "reports"
        self._starts.append(now)
        if event.hold_s:
            self.held_until = now + event.hold_s

    def event(self, event: Event, now: float) -> None:
        """Count any other event."""
        match event:
            case Started():
                self.resumed = event.resumed_reports
            case Listed():
                self.done, self.total = self.done + (not event.error), event.projects
            case Planned():
                self._start_stage("reports", event.requests)
            case Rescheduled() | Settled():
                self._count_report(event, now)
            case ProjectPlaced():
                self._start_stage("filling", 0, done=event.done)
            case Stopping():
                self.stage = "stopping"
            case _:
                pass

    def _start_stage(self, stage: str, total: int, *, done: int = 0) -> None:
        self.stage, self.total, self.done = stage, total, done

    def _count_report(self, event: Rescheduled | Settled, now: float) -> None:
        self.generating = event.generating
        key = (event.project_id, event.backtest_id)
        if isinstance(event, Rescheduled):
            self._due[key] = now + event.wait_s
            return
        self._due.pop(key, None)
        self.done += 1
        self.outcomes[event.outcome] += 1

    def used_per_min(self, now: float) -> int:
        """Return the number of requests in the last minute."""
        while self._starts and self._starts[0] < now - _WINDOW_S:
            self._starts.popleft()
        return len(self._starts)

    def left_s(self, now: float) -> float | None:
        """Estimate the seconds until all reports are read; None while nothing can be estimated.

        The longer of two times: that of the requests still needed, at the allowed rate, and that until the
        last report that is being generated is requested again.
        """
        if self.stage != "reports" or not self.total:
            return None
        each = self._report_requests / self.done if self.done >= 5 else _REQUESTS_EACH
        asking_s = (self.total - self.done) * each * 60 / self.rate_per_min
        waiting_s = max(self._due.values(), default=now) - now
        return max(0.0, asking_s, waiting_s)

    def line(self, now: float) -> str:
        """Render the progress as one line."""
        of = f" of {self.total}" if self.total else ""
        parts = [f"{self.stage}: {self.done}{of}"]
        if self.generating:
            parts.append(f"{self.generating} being generated")
        if failed := self.outcomes[Outcome.FAILED]:
            parts.append(f"{failed} failed")
        parts.append(f"{self.used_per_min(now)}/{self.rate_per_min:g} requests a minute")
        if now < self.held_until:
            parts.append(f"held for {self.held_until - now:.0f} s more")
        left_s = self.left_s(now)
        if left_s is not None:
            parts.append(f"about {render_duration(left_s, rough=True)} left")
        return ", ".join(parts)


class ProgressLines:
    """An observer that logs the progress once a minute, by `say`."""

    def __init__(
        self, tally: Tally, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ):
        self._tally = tally
        self._say = say
        self._clock = clock
        self._last = clock()

    def notify(self, event: Event) -> None:
        """Count an event, and log a line if a minute has passed."""
        self._tally.event(event, self._clock())
        self._tick()

    def request_ended(self, event: RequestEvent) -> None:
        """Count a request, and log a line if a minute has passed."""
        self._tally.request(event, self._clock())
        self._tick()

    def _tick(self) -> None:
        now = self._clock()
        if now - self._last >= _LINE_EVERY_S:
            self._last = now
            self._say(self._tally.line(now))


class ProgressBar:
    """An observer that draws a bar on stderr; a context manager, within which the bar is shown."""

    def __init__(self, tally: Tally, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tally = tally
        self._clock = clock
        self._progress: Progress | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        # Loaded for a terminal only: a nightly run shows no bar.
        # Imported here, since a run from cron or Python draws no bar and should not load rich.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[line]}", markup=False),
            console=Console(file=sys.stderr),
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task("run", total=None, line="listing")
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def notify(self, event: Event) -> None:
        """Count an event and update the bar; events of the last stage come from another thread."""
        self._tally.event(event, self._clock())
        self._show()

    def request_ended(self, event: RequestEvent) -> None:
        """Count a request and update the bar."""
        self._tally.request(event, self._clock())
        self._show()

    def _show(self) -> None:
        if self._progress is None:
            return
        tally = self._tally
        with self._turn:
            self._progress.update(
                self._task,
                completed=tally.done,
                total=tally.total or None,
                line=tally.line(self._clock()),
            )
