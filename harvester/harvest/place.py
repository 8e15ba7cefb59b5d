"""The last stage before the commit: puts every backtest in its place, with its line in the Inventory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from harvester import __version__
from harvester.archive import Absent, Carried, CheckedSnapshot, Damage, Fresh, PartialSnapshot, Placement
from harvester.config import Settings
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import REPORT_JSON, load_record
from harvester.harvest.decision import Decision
from harvester.harvest.discover import Discovery
from harvester.harvest.events import ProjectPlaced, RunObserver
from harvester.harvest.settle import Archived, Result, count, settle
from harvester.model import Ending, InventoryEntry, Outcome, ReportRecord, SnapshotRecord


class Filler:
    """Puts every backtest in its place, project by project; runs in a worker thread."""

    def __init__(
        self,
        partial: PartialSnapshot,
        results: Mapping[tuple[int, str], Result],
        observer: RunObserver,
        stamp: Callable[[], str],
        copies: Mapping[tuple[int, str], Path] | None = None,
    ) -> None:
        self.damaged: list[Damage] = []
        """Reports that could not be carried; if there are any, everything has to be placed once more."""
        self._copies = copies or {}
        self._partial = partial
        self._results = results
        self._observer = observer
        self._stamp = stamp
        self._outcomes: Counter[Outcome] = Counter()
        self._gone = 0
        self._lost = 0

    def fill(self, plan: Iterable[tuple[int, list[Decision]]], draft: SnapshotRecord) -> SnapshotRecord:
        """Fill the partial Snapshot; returns the draft with counts, ending and completeness."""
        done, last = 0, None
        for project_id, decisions in plan:
            self._partial.fill(project_id, [self._place(decision) for decision in decisions])
            done, last = done + (project_id != last), project_id  # a large project comes in portions
            self._observer.notify(ProjectPlaced(project_id=project_id, done=done))
        self.damaged += self._partial.find_damage()
        return self._conclude(draft)

    def _place(self, decision: Decision) -> Placement:
        partial, earlier = self._partial, decision.earlier
        result = self._results.get(decision.key)
        entry = settle(decision, result, snapshot=partial.name, now=self._stamp())
        self._lost += entry.outcome is Outcome.LOST
        if entry.listed:
            self._outcomes[entry.outcome] += 1
        elif entry.gone_since:
            self._gone += 1
        if isinstance(result, Archived):
            return Fresh(entry)
        if earlier is None or not earlier.archived or partial.previous is None:
            return Absent(entry)
        # A new name moves the directory, and its record has to say the new names.
        renamed = decision.backtest is not None and (earlier.name, earlier.project) != (
            decision.name,
            decision.project.name,
        )
        copy = self._copies.get(decision.key)
        if not renamed or decision.backtest is None:
            return Carried(entry, earlier, copy=copy)
        directory = copy or partial.previous.path / earlier.path
        try:
            record = load_record(directory / REPORT_JSON, ReportRecord)
        except (CorruptArchiveError, DiskError) as exc:
            self.damaged.append(Damage(earlier, str(exc), {}))
            return Absent(entry)
        record = msgspec.structs.replace(record, project=decision.project, backtest=decision.backtest)
        return Carried(entry, earlier, record, copy)

    def _conclude(self, draft: SnapshotRecord) -> SnapshotRecord:
        ending = draft.ending
        if self._partial.passed_over:
            ending = Ending.DAMAGED
        elif ending not in (Ending.DAMAGED, Ending.THROTTLED) and (
            self._outcomes[Outcome.FAILED] or self._lost
        ):
            ending = Ending.PARTIAL
        elif ending is Ending.OK and self._outcomes[Outcome.PENDING]:
            ending = Ending.PENDING
        return msgspec.structs.replace(
            draft,
            finished=self._stamp(),
            complete=ending is Ending.OK,
            ending=ending,
            listed=sum(self._outcomes.values()),
            counts=count(self._outcomes),
            gone=self._gone,
            lost=self._lost,
        )


def draft_record(
    partial: PartialSnapshot, found: Discovery, ending: Ending, settings: Settings
) -> SnapshotRecord:
    """The record of a run that has listed, and has placed nothing yet."""
    return SnapshotRecord(
        name=partial.name,
        run_id=partial.run_id,
        account="",
        version=__version__,
        started=partial.started,
        finished="",
        complete=False,
        ending=ending,
        listed=0,
        counts={},
        projects=found.projects,
        unread_projects=tuple(found.unread.values()),
        unread_optimizations=found.optimizations.unread() if found.optimizations else (),
        unproven=found.unproven,
        bad_rows=found.bad_rows,
        bad_row_examples=tuple(found.bad_row_examples),
        withheld_gone=found.withheld_gone,
        settings=_recorded_settings(settings),
    )


def _recorded_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide what is in a Snapshot; none of them is secret."""
    recorded: dict[str, Any] = msgspec.to_builtins(
        {"filters": settings.filters, "reports": settings.reports, "pace": settings.pace}, enc_hook=float
    )
    return recorded


def previous_entries(previous: CheckedSnapshot | None) -> Iterable[tuple[int, Collection[InventoryEntry]]]:
    """The previous Inventory, project by project; nothing when there is none."""
    return previous.projects() if previous else ()
