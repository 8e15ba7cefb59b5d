"""Which part of the list of projects is read next, and when that list is proven complete: pure.

`projects/read` sends no total, may answer a call without bounds with a first page only, and documents neither
its page size nor its order. So the list is read like this:

1. A call without bounds; its rows have the positions 0 to N-1.
2. A window of two rows, [N-1, N+1), that has to begin with the last known row.
3. While there is more behind it, windows of at most 100 rows; each begins with the last known row.
4. When no window had two rows so far: the last two known rows, to see that a window can have two.

What an answer to a window means:

| answer | then |
|---|---|
| the last known row and nothing behind it | the end: proven |
| the last known row and others | they are appended, the next window follows |
| another first row, no row at all, or a row that is known already | the list has shifted: from the start |
| more rows than the window has | bounds are ignored: not proven |
| refused | a narrower window; one of two rows is asked for again, then it is not proven |
| any other failure | asked for again, then it is not proven |

So the end is proven by answers that hold rows, never by a refusal or an empty list, which may mean anything
else as well. Only where the call without bounds gave fewer than two rows that is not possible. There the
position behind the known row must be refused as having no row, or be answered by an empty list; then the
known row must be given once more with nothing behind it (or the call without bounds be empty once more); and
then the position behind it must be refused, or its list empty, again.

The promise: a list that is called proven has every project that was listed throughout its last reading,
whatever else was created or deleted meanwhile, whatever the server's limits are, and however many requests
were refused or failed, provided that

* the server keeps one order: of two projects that stay listed, the same one comes first in each answer (a
  project that moves is noticed as a shift, unless others are created or deleted in the same moment);
* of a reading whose call without bounds gives fewer than two rows, at most one request is wrongly refused or
  wrongly answered by an empty list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from harvester.api.rows import BadRow
from harvester.model import Project

Row = Project | BadRow

_WIDEST: Final = 100
"""Rows in one window; QuantConnect's other endpoints with windows refuse wider ones."""
_NARROWEST: Final = 2
"""The last known row and one behind it."""
_TRIES: Final = 3
"""Requests for one window that may fail in a row, refusals of wider ones apart."""
_READINGS: Final = 5
"""Times that the list is read from the start before a list that keeps shifting is given up."""
_MAX_WINDOWS: Final = 1000
"""More of them in one reading are no list but a loop."""


@dataclass(frozen=True)
class Window:
    """Positions `start` to before `end`; no end: a call without bounds."""

    start: int = 0
    end: int | None = None

    @property
    def payload(self) -> dict[str, int]:
        """The window as the API takes it."""
        return {} if self.end is None else {"start": self.start, "end": self.end}


@dataclass(frozen=True)
class ProjectList:
    """The projects of an Account, each once, in id order."""

    projects: list[Project]
    unproven: str = ""
    """Why it may lack some; empty: it is proven complete."""
    bad_rows: tuple[str, ...] = ()
    """Rows without a usable id; each may be a project."""


class _Step(Enum):
    ALL = "the call without bounds"
    WINDOW = "a window that begins with the last known row"
    MEASURE = "the last two known rows"
    PROBE = "one row behind the only known one"
    CONTROL = "the only known row again"
    PROBE_AGAIN = "one row behind the only known one, once more"
    DONE = "no more requests"


class Paging:
    """Reads a list of projects, given the answer to each window that it asks for."""

    def __init__(self) -> None:
        self._step = _Step.ALL
        self._rows: list[Row] = []
        """Of this reading, by position."""
        self._ids: set[int] = set()
        """Those of this reading."""
        self._met: dict[int, Project] = {}
        """Of every reading."""
        self._width = _NARROWEST
        """Rows that the next window has."""
        self._widest = _WIDEST
        """Rows that a window may have, as far as the server has refused wider ones."""
        self._paged = False
        """Whether a window has had two rows, so that one row alone is the end."""
        self._failures = 0
        self._windows = 0
        self._readings = 1
        self._unproven = ""

    @property
    def asks(self) -> Window | None:
        """The window to ask for now; None: the list is read."""
        known = len(self._rows)
        match self._step:
            case _Step.DONE:
                return None
            case _Step.WINDOW:
                return Window(known - 1, known - 1 + self._width)
            case _Step.MEASURE:
                return Window(known - 2, known)
            case _Step.PROBE | _Step.PROBE_AGAIN:
                return Window(known, known + 1)
            case _Step.CONTROL if known:
                return Window(known - 1, known + 1)
            case _:
                return Window()

    @property
    def begun(self) -> bool:
        """Whether any rows, or the lack of any, are known."""
        return self._step is not _Step.ALL or self._readings > 1

    def answered(self, rows: Sequence[Row]) -> None:
        """Take the answer to the window that was asked for."""
        window = self.asks
        self._failures = 0
        if window is None:
            raise ValueError("nothing was asked for")
        if window.end is not None and len(rows) > window.end - window.start:
            self.give_up("the server ignores the bounds of a request and may have listed a first page only")
            return
        self._paged = self._paged or (window.end is not None and len(rows) > 1)
        match self._step:
            case _Step.ALL:
                self._begin(rows)
            case _Step.WINDOW:
                self._extend(rows)
            case _Step.MEASURE:
                self._measured()
            case _Step.CONTROL:
                self._confirm(rows)
            case _ if rows:
                self._contradicted(rows)
            case _:
                self._no_row()

    def failed(self, reason: str, *, refused: bool = False, no_row: bool = False) -> None:
        """Take a failure to answer the window that was asked for.

        Args:
            reason: The error, for people.
            refused: The server understood and said no; a narrower window may be allowed.
            no_row: That refusal can be its way to say that the window has no row.
        """
        if no_row and self._step in {_Step.PROBE, _Step.PROBE_AGAIN}:
            self._no_row()
        elif refused and self._step is _Step.WINDOW and self._width > _NARROWEST:
            self._width = self._widest = max(_NARROWEST, self._width // 2)
        else:
            self._failures += 1
            if self._failures >= _TRIES:
                self.give_up(reason)

    def give_up(self, reason: str) -> None:
        """Ask for nothing more; the list is not proven complete."""
        self._unproven = reason
        self._step = _Step.DONE

    def result(self) -> ProjectList:
        """What was listed: of the last reading when it is proven, else of all of them together."""
        met = self._met
        if not self._unproven:
            met = {project_id: met[project_id] for project_id in self._ids}
        bad = tuple(row.text for row in self._rows if isinstance(row, BadRow))
        return ProjectList([met[project_id] for project_id in sorted(met)], self._unproven, bad)

    def _begin(self, rows: Sequence[Row]) -> None:
        self._rows, self._ids = [], set()
        self._windows = 0
        self._width = _NARROWEST
        self._append(rows)
        self._step = _Step.WINDOW if len(rows) >= _NARROWEST else _Step.PROBE

    def _extend(self, rows: Sequence[Row]) -> None:
        self._windows += 1
        if not self._continues(rows):
            self._shifted()
        elif len(rows) > 1:
            self._width = self._widest
            self._append(rows[1:])
        elif len(self._rows) > 1:
            self._step = _Step.DONE if self._paged else _Step.MEASURE
        else:
            self.give_up("the server gives one project at a time, so that nothing shows where the list ends")
        if self._windows >= _MAX_WINDOWS and self._step is _Step.WINDOW:
            self.give_up(f"the list has no end after {_MAX_WINDOWS} windows")

    def _measured(self) -> None:
        if self._paged:
            self._step = _Step.DONE
        else:
            self._shifted()

    def _confirm(self, rows: Sequence[Row]) -> None:
        if not self._rows and not rows:
            self._step = _Step.PROBE_AGAIN
        elif not self._rows or not self._continues(rows):
            self._shifted()
        elif len(rows) == 1:
            self._step = _Step.PROBE_AGAIN
        else:
            self._step = _Step.WINDOW
            self._append(rows[1:])

    def _contradicted(self, rows: Sequence[Row]) -> None:
        """There is a row where the list seemed to end."""
        if not self._rows or any(_id(row) in self._ids for row in rows):
            self._shifted()
            return
        self._met.update((row.project_id, row) for row in rows if isinstance(row, Project))
        self._step, self._width = _Step.WINDOW, self._widest

    def _no_row(self) -> None:
        if self._step is _Step.PROBE:
            self._step = _Step.CONTROL
        elif self._rows or not self._met:
            self._step = _Step.DONE
        else:
            self.give_up("the list had projects when it was first read and none when it was read again")

    def _shifted(self) -> None:
        self._readings += 1
        if self._readings > _READINGS:
            self.give_up(f"each of {_READINGS} readings of the list contradicted itself")
        else:
            self._step = _Step.ALL

    def _continues(self, rows: Sequence[Row]) -> bool:
        """Whether a window begins with the last known row and has only unknown ones behind it."""
        if not rows or _id(rows[0]) != _id(self._rows[-1]):
            return False
        return not any(_id(row) in self._ids for row in rows[1:])

    def _append(self, rows: Sequence[Row]) -> None:
        self._rows.extend(rows)
        for row in rows:
            if isinstance(row, Project):
                self._ids.add(row.project_id)
                self._met[row.project_id] = row


def _id(row: Row) -> int | None:
    """What tells a row from others; None: it has no usable id, and is as good as any other without one."""
    return row.project_id if isinstance(row, Project) else None
