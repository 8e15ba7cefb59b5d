"""Reports with damaged archived files: restored from another copy, requested again, or said to be lost.

For each report that cannot be carried, in this order:

1. A directory of another Snapshot that holds every file with the recorded digest is carried in its place.
2. A `report.html` with the recorded digest, from any Snapshot, is unpacked again.
3. A report that is still listed is requested again, unless a filter excludes it.
4. Otherwise its entry says `lost`, and keeps the digest; each later run begins here again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from harvester.archive import Damage, PartialSnapshot, is_copy, load_report
from harvester.errors import CorruptArchiveError, DiskError
from harvester.format import REPORT_JSON, load_record
from harvester.harvest.decision import Decision
from harvester.harvest.events import Damaged
from harvester.harvest.save import Keeper
from harvester.harvest.settle import Result
from harvester.model import InventoryEntry, Outcome, ReportRecord

Key = tuple[int, str]
Entries = Iterable[tuple[int, Collection[InventoryEntry]]]


class _Found(Collection[InventoryEntry]):
    """Entries as they were found in this run, each when it is its turn."""

    def __init__(
        self, entries: Collection[InventoryEntry], find: Callable[[InventoryEntry], InventoryEntry]
    ) -> None:
        self._entries = entries
        self._find = find

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: object) -> bool:
        return any(entry == own for own in self)

    def __iter__(self) -> Iterator[InventoryEntry]:
        return map(self._find, self._entries)


class Salvage:
    """What one run does about damaged reports; blocks, so it is called in a worker thread."""

    def __init__(self, partial: PartialSnapshot, keeper: Keeper, results: dict[Key, Result]) -> None:
        self.copies: dict[Key, Path] = {}
        """Directories to carry reports from, because those of the previous Snapshot are damaged."""
        self._met = False
        self.keeper = keeper
        self._partial = partial
        self._results = results
        self._root = partial.path.parent
        self._lost: dict[Key, str] = {}

    @property
    def has_met_damage(self) -> bool:
        """Whether this run has found damage that no earlier one has reported."""
        return self._met

    def resume(self, records: Iterable[ReportRecord]) -> None:
        """Count what an interrupted run has restored: no committed Snapshot has reported its damage."""
        self._met |= any(record.outcome is Outcome.CARRIED for record in records)

    def entries(self, earlier: Entries) -> Entries:
        """The previous Inventory, project by project, with what was found lost in this run."""
        if not self._lost:
            return earlier
        return ((project_id, _Found(entries, self._as_found)) for project_id, entries in earlier)

    def _as_found(self, entry: InventoryEntry) -> InventoryEntry:
        why = self._lost.get((entry.project_id, entry.backtest_id))
        if why is None:
            return entry
        return msgspec.structs.replace(
            entry,
            outcome=Outcome.LOST,
            reason=why,
            lost_since=self._partial.name,
            path="",
            files=0,
            payload_bytes=0,
            images=0,
        )

    def restore_lost(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Look again for what earlier runs have found lost; returns what was found, which is restored."""
        wanted = {
            decision.key: decision.earlier.report_sha256
            for decision in decisions
            if decision.earlier is not None and decision.key not in self._results
        }
        copies = self._partial.find_copies(wanted) if wanted else {}
        return [
            decision
            for decision in decisions
            if decision.key in copies and self._restore(decision, copies[decision.key]) is not None
        ]

    def handle(self, damaged: Sequence[Damage], plan: Iterable[tuple[int, list[Decision]]]) -> list[Damaged]:
        """Find another copy of each report, or note that it is lost.

        Args:
            damaged: Reports that could not be carried.
            plan: What was decided about all of them.

        Returns:
            An event for each.
        """
        self._met = True
        by_key = {damage.key: damage for damage in damaged}
        copies = self._partial.find_copies(
            {key: damage.entry.report_sha256 for key, damage in by_key.items()}
        )
        told = []
        for _, decisions in plan:
            for decision in decisions:
                damage = by_key.get(decision.key)
                if damage is not None:
                    action = self._handle_one(decision, damage, copies[decision.key])
                    told.append(_event(decision, self._without_root(damage.why), action))
        return told

    def take_rewritten(self) -> list[Damaged]:
        """Return events for reports that were read again and have damaged archived files; each only once."""
        found, self.keeper.damaged = self.keeper.damaged, []
        self._met |= bool(found)
        return [
            _event(decision, self._without_root(why), "it was read again and all of it is written again")
            for decision, why in found
        ]

    def _handle_one(self, decision: Decision, damage: Damage, copies: Sequence[Path]) -> str:
        """Returns what was done."""
        tried = not damage.files or decision.key in self.copies
        whole = None if tried else next((copy for copy in copies if is_copy(copy, damage.files)), None)
        if whole is not None:
            self.copies[decision.key] = whole
            return f"restored from {self._without_root(str(whole))}"
        source = self._restore(decision, copies)
        if source is not None:
            return f"restored from {self._without_root(str(source))}"
        self._lost[decision.key] = f"{self._without_root(damage.why)}; no other copy of these bytes was found"
        return "no other copy of these bytes was found; it is requested again if it is listed"

    def _without_root(self, text: str) -> str:
        """A text for the Archive itself, which may be moved: paths below it only."""
        return text.replace(f"{self._root}/", "")

    def _restore(self, decision: Decision, copies: Sequence[Path]) -> Path | None:
        """Unpack the report again from the first copy with its digest; returns its directory."""
        if decision.earlier is None:
            return None
        for copy in copies:
            content = load_report(copy, decision.earlier.report_sha256)
            if content is not None:
                self._results[decision.key] = self.keeper.restore(decision, content, _load_record(copy))
                return copy
        return None


def _event(decision: Decision, why: str, action: str) -> Damaged:
    return Damaged(
        project_id=decision.project.project_id,
        project=decision.project.name,
        backtest_id=decision.key[1],
        name=decision.name,
        reason=why,
        action=action,
    )


def _load_record(directory: Path) -> ReportRecord | None:
    try:
        return load_record(directory / REPORT_JSON, ReportRecord)
    except (CorruptArchiveError, DiskError):
        return None
