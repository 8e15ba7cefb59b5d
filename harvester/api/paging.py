"""Decides which part of the list of projects is read next, and when that list is proven complete: pure.

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
| more rows than the window has | the server ignores bounds: not proven |
| refused | a narrower window; the narrowest is requested again, up to three times, then not proven |
| any other failure | requested again, up to three times, then not proven |

So the end is proven by answers that hold rows, never by a refusal or an empty list, which may have other
reasons. That is impossible only if the call without bounds returned fewer than two rows. Then three answers
in a row prove the end:

1. The position behind the known row is refused as having no row, or its list is empty.
2. The known row is returned again with nothing behind it (or the call without bounds is empty again).
3. The position behind the known row is refused, or its list is empty, again.

The promise: a list that is called proven has every project that was listed throughout its last reading,
whatever else was created or deleted meanwhile, whatever the server's limits are, and however many requests
were refused or failed, provided that

* the server keeps one order: of two projects that stay listed, the same one comes first in each answer (a
  project that moves is noticed as a shift, unless others are created or deleted in the same moment);
* of a reading in which the call without bounds returns fewer than two rows, at most one request is wrongly
  refused or wrongly answered by an empty list.
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
"""Requests for one window that may fail in a row; refusals of wide windows do not count."""
_READINGS: Final = 5
"""Times that the list is read from the start; a list that still shifts then is not proven."""
_MAX_WINDOWS: Final = 1000
"""Windows in one reading; more of them mean that the server repeats itself."""


@dataclass(frozen=True)
class Window:
    """Positions from `start` up to but not including `end`; no end: a call without bounds."""

    start: int = 0
    end: int | None = None

    @property
    def payload(self) -> dict[str, int]:
        """The fields of the request."""
        return {} if self.end is None else {"start": self.start, "end": self.end}


@dataclass(frozen=True)
class ProjectList:
    """The projects of an Account, each once, in id order."""

    projects: list[Project]
    unproven: str = ""
    """Why some may be missing; empty: the list is proven complete."""
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
    """Assembles the list of projects from the answers to its windows; makes no requests itself."""

    def __init__(self) -> None:
        self._step = _Step.ALL
        self._rows: list[Row] = []
        """Rows of this reading, by position."""
        self._ids: set[int] = set()
        """Project ids of this reading."""
        self._seen: dict[int, Project] = {}
        """Projects of every reading, by id."""
        self._width = _NARROWEST
        """Rows in the next window."""
        self._widest = _WIDEST
        """Most rows that a window may have; halved whenever the server refuses it."""
        self._paged = False
        """Whether any window had two rows; then a window with one row is the end."""
        self._failures = 0
        self._windows = 0
        self._readings = 1
        self._unproven = ""

    @property
    def next_window(self) -> Window | None:
        """The window to request now; None: the list is finished."""
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
    def is_started(self) -> bool:
        """Whether the call without bounds was answered, be it by an empty list."""
        return self._step is not _Step.ALL or self._readings > 1

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Take the rows that the server returned for `next_window`."""
        window = self.next_window
        self._failures = 0
        if window is None:
            raise ValueError("no window was requested")
        if window.end is not None and len(rows) > window.end - window.start:
            self.give_up("the server ignores the bounds of a request and may have listed a first page only")
            return
        self._paged = self._paged or (window.end is not None and len(rows) > 1)
        match self._step:
            case _Step.ALL:
                self._start(rows)
            case _Step.WINDOW:
                self._extend(rows)
            case _Step.MEASURE:
                self._finish_if_paged()
            case _Step.CONTROL:
                self._confirm(rows)
            case _ if rows:
                self._reopen(rows)
            case _:
                self._add_empty()

    def add_failure(self, reason: str, *, refused: bool = False, no_row: bool = False) -> None:
        """Take a failed request for `next_window`.

        Args:
            reason: The error, for people.
            refused: The server refused it; a narrower window may be allowed.
            no_row: The refusal may mean that the window has no row.
        """
        if no_row and self._step in {_Step.PROBE, _Step.PROBE_AGAIN}:
            self._add_empty()
        elif refused and self._step is _Step.WINDOW and self._width > _NARROWEST:
            # Halved and remembered: every later window would be refused as well.
            self._width = self._widest = max(_NARROWEST, self._width // 2)
        else:
            self._failures += 1
            if self._failures >= _TRIES:
                self.give_up(reason)

    def give_up(self, reason: str) -> None:
        """Finish; the list is not proven complete, for this reason."""
        self._unproven = reason
        self._step = _Step.DONE

    def result(self) -> ProjectList:
        """Return the projects of the last reading if it is proven, else those of all readings together."""
        seen = self._seen
        # A proven list is that of the last reading: projects seen before may have been deleted since.
        if not self._unproven:
            seen = {project_id: seen[project_id] for project_id in self._ids}
        bad = tuple(row.text for row in self._rows if isinstance(row, BadRow))
        return ProjectList([seen[project_id] for project_id in sorted(seen)], self._unproven, bad)

    def _start(self, rows: Sequence[Row]) -> None:
        self._rows, self._ids = [], set()
        self._windows = 0
        self._width = _NARROWEST
        self._append(rows)
        self._step = _Step.WINDOW if len(rows) >= _NARROWEST else _Step.PROBE

    def _extend(self, rows: Sequence[Row]) -> None:
        self._windows += 1
        if not self._continues(rows):
            self._restart()
        elif len(rows) > 1:
            self._width = self._widest
            self._append(rows[1:])
        elif len(self._rows) > 1:
            self._step = _Step.DONE if self._paged else _Step.MEASURE
        else:
            self.give_up("the server returns one project at a time, so nothing proves where the list ends")
        if self._windows >= _MAX_WINDOWS and self._step is _Step.WINDOW:
            self.give_up(f"the list has no end after {_MAX_WINDOWS} windows")

    def _finish_if_paged(self) -> None:
        if self._paged:
            self._step = _Step.DONE
        else:
            self._restart()

    def _confirm(self, rows: Sequence[Row]) -> None:
        if not self._rows and not rows:
            self._step = _Step.PROBE_AGAIN
        elif not self._rows or not self._continues(rows):
            self._restart()
        elif len(rows) == 1:
            self._step = _Step.PROBE_AGAIN
        else:
            self._step = _Step.WINDOW
            self._append(rows[1:])

    def _reopen(self, rows: Sequence[Row]) -> None:
        """Continue the list: there is a row where it seemed to end."""
        if not self._rows or any(_id(row) in self._ids for row in rows):
            self._restart()
            return
        self._seen.update((row.project_id, row) for row in rows if isinstance(row, Project))
        self._step, self._width = _Step.WINDOW, self._widest

    def _add_empty(self) -> None:
        if self._step is _Step.PROBE:
            self._step = _Step.CONTROL
        elif self._rows or not self._seen:
            self._step = _Step.DONE
        else:
            self.give_up("the list had projects when it was first read and none when it was read again")

    def _restart(self) -> None:
        self._readings += 1
        if self._readings > _READINGS:
            self.give_up(f"each of {_READINGS} readings of the list contradicted itself")
        else:
            self._step = _Step.ALL

    def _continues(self, rows: Sequence[Row]) -> bool:
        """Whether a window begins with the last known row and has only unknown rows behind it."""
        if not rows or _id(rows[0]) != _id(self._rows[-1]):
            return False
        return not any(_id(row) in self._ids for row in rows[1:])

    def _append(self, rows: Sequence[Row]) -> None:
        self._rows.extend(rows)
        for row in rows:
            if isinstance(row, Project):
                self._ids.add(row.project_id)
                self._seen[row.project_id] = row


def _id(row: Row) -> int | None:
    """Return the project id; None: the row has no usable id and cannot be told from another such row."""
    return row.project_id if isinstance(row, Project) else None
