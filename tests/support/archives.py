"""Archives made for tests: what a run does to an Archive, without an API and without pictures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from harvester.archive import Archive, Carried, Disk, Fresh, Pages, PartialSnapshot, Placement, Snapshot
from harvester.format.ledger import LedgerLine, render_line
from harvester.model import (
    Backtest,
    Ending,
    Image,
    InventoryEntry,
    Outcome,
    Project,
    ReportRecord,
    SnapshotRecord,
)

ACCOUNT = "4f1d2c3b5a697887"
STARTED = "2026-11-22T03:00:00Z"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Report:
    """One backtest at the source, with the report that it has."""

    project_id: int = 101
    backtest_id: str = "a" * 32
    project: str = "Momentum"
    name: str = "Logical Red Monkey"
    created: str = "2026-11-01T10:00:00Z"
    html: bytes = b"<html>report</html>"
    images: int = 2
    tags: tuple[str, ...] = ()
    statistics: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.project_id, self.created, self.backtest_id)

    @property
    def offline(self) -> bytes:
        return self.html.replace(b"<html>", b"<html data-offline>")

    @property
    def pictures(self) -> list[tuple[str, bytes]]:
        return [(f"{n:02d}-chart-{n}.png", self.html + b"#%d" % n) for n in range(1, self.images + 1)]

    def record(self, run_id: str, outcome: Outcome = Outcome.SAVED) -> ReportRecord:
        return ReportRecord(
            run_id=run_id,
            outcome=outcome,
            project=Project(self.project_id, self.project),
            backtest=Backtest(self.project_id, self.backtest_id, self.name, self.created, tags=self.tags),
            read_at=STARTED,
            report_sha256=sha256(self.html),
            report_bytes=len(self.html),
            text_sha256=sha256(b"text"),
            offline_sha256=sha256(self.offline),
            images=tuple(
                Image(name, name[3:-4], "image/png", sha256(content), len(content))
                for name, content in self.pictures
            ),
            images_found=self.images,
        )

    def entry(self, outcome: Outcome, **fields: object) -> InventoryEntry:
        return InventoryEntry(
            project_id=self.project_id,
            backtest_id=self.backtest_id,
            project=self.project,
            name=self.name,
            outcome=outcome,
            created=self.created,
            tags=self.tags,
            statistics=self.statistics,
            read_at=STARTED,
            change_key=sha256(self.html),
            **fields,  # type: ignore[arg-type]
        )


def make_reports(projects: int = 2, each: int = 3, **fields: object) -> list[Report]:
    """Reports with ids, names and bytes of their own."""
    return [
        Report(
            project_id=100 + p,
            backtest_id=f"{p:016x}{b:016x}",
            project=f"Project {p}",
            name=f"Backtest {b}",
            created=f"2026-10-{b % 28 + 1:02d}T{b % 24:02d}:00:00Z",
            html=f"<html>report {p} {b}</html>".encode(),
            **fields,  # type: ignore[arg-type]
        )
        for p in range(1, projects + 1)
        for b in range(1, each + 1)
    ]


@dataclass
class Night:
    """One run over an Archive, as `harvest` does it."""

    archive: Archive
    date: str = "2026-11-22"
    run_id: str = ""
    asked_for: list[str] = field(default_factory=list)
    """Backtest ids that were read from the source."""

    def run(self, reports: Iterable[Report], pages: Pages | None = None) -> Snapshot:
        with self.archive.lock(command="harvester run", wait_s=0):
            return self.run_locked(reports, pages)

    def run_locked(self, reports: Iterable[Report], pages: Pages | None = None) -> Snapshot:
        listed = sorted(reports, key=lambda report: report.key)
        partial = self.archive.begin(
            date=self.date, run_id=self.run_id or f"run-{self.date}", started=STARTED
        )
        for _, group in groupby(listed, key=lambda report: report.project_id):
            self.list_project(partial, list(group))
        done = partial.finished()
        earlier = {entry.backtest_id: entry for entry in self.earlier(partial)}
        for report in listed:
            if (report.project_id, report.backtest_id) not in done and not is_carried(report, earlier):
                self.asked_for.append(report.backtest_id)
                record = report.record(partial.run_id)
                partial.save_report(record, report.html, report.offline, report.pictures)
        placements = plan(listed, earlier, partial.run_id)
        for project_id, items in groupby(placements, key=lambda item: item.entry.project_id):
            partial.fill(project_id, list(items))
        return partial.commit(make_record(partial, placements), pages=pages)[0]

    @staticmethod
    def list_project(partial: PartialSnapshot, reports: Sequence[Report]) -> None:
        backtests = [report.record("").backtest for report in reports]
        partial.save_listing(Project(reports[0].project_id, reports[0].project), backtests)

    @staticmethod
    def earlier(partial: PartialSnapshot) -> list[InventoryEntry]:
        return list(partial.previous.inventory()) if partial.previous else []


def is_carried(report: Report, earlier: dict[str, InventoryEntry]) -> bool:
    entry = earlier.get(report.backtest_id)
    return entry is not None and entry.change_key == sha256(report.html)


def plan(listed: Sequence[Report], earlier: dict[str, InventoryEntry], run_id: str) -> list[Placement]:
    """What harvest.plan decides, in small: new, changed, renamed, carried, gone."""
    placements = []
    for report in listed:
        before = earlier.get(report.backtest_id)
        if before is None or not is_carried(report, earlier):
            outcome = Outcome.UPDATED if before else Outcome.SAVED
            placements.append(Fresh(report.entry(outcome)))
        else:
            renamed = (before.name, before.project) != (report.name, report.project)
            placements.append(
                Carried(
                    report.entry(Outcome.CARRIED),
                    before,
                    report.record(run_id) if renamed else None,
                )
            )
    ids = {report.backtest_id for report in listed}
    placements += [Carried(_gone(entry), entry) for entry in earlier.values() if entry.backtest_id not in ids]
    return sorted(placements, key=lambda item: item.entry.key)


def _gone(entry: InventoryEntry) -> InventoryEntry:
    import msgspec

    return msgspec.structs.replace(
        entry, outcome=Outcome.CARRIED, listed=False, gone_since=entry.gone_since or "2026-11-22"
    )


def make_record(partial: PartialSnapshot, placements: Sequence[Placement]) -> SnapshotRecord:
    listed = [item.entry for item in placements if item.entry.listed]
    return SnapshotRecord(
        name="",
        run_id=partial.run_id,
        account=ACCOUNT,
        version="0.1.0",
        started=STARTED,
        finished="2026-11-22T03:10:00Z",
        complete=True,
        ending=Ending.OK,
        listed=len(listed),
        counts=dict(Counter(str(entry.outcome) for entry in listed)),
        gone=sum(not item.entry.listed for item in placements),
        projects=len({item.entry.project_id for item in placements}),
    )


def append_line(root: Path, line: LedgerLine) -> None:
    """Add a line to the Ledger as it is, whatever else the Archive holds."""
    with (root / "ledger.jsonl").open("ab") as file:
        file.write(render_line(line))


def open_archive(root: Path, disk: Disk | None = None) -> Archive:
    return Archive.create_or_open(root, account=ACCOUNT, disk=disk)
