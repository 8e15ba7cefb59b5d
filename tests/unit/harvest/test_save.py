"""One report to its directory, and all of them to their places: on a real Archive, without an API."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.values import make_backtest, make_decision, make_no_request, make_project

from harvester.api.events import RequestEvent
from harvester.api.wire import RepairedText
from harvester.archive import Archive, Snapshot
from harvester.harvest.decision import AsBefore, Decision, Gone
from harvester.harvest.events import Event, ProjectPlaced
from harvester.harvest.place import Filler, previous_entries
from harvester.harvest.queue import ReportJob
from harvester.harvest.save import Keeper
from harvester.harvest.settle import Miss, NoReport, Result
from harvester.model import (
    Ending,
    InventoryEntry,
    Outcome,
    ReportRecord,
    SnapshotRecord,
    UnreadProject,
)

AT = "2026-11-22T03:10:00Z"


def png(shade: int) -> str:
    file = io.BytesIO()
    Image.new("L", (2, 2), shade).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def page(words: str = "Sharpe 1.2", shade: int = 0) -> str:
    return f'<!DOCTYPE html><html><body><p>{words}</p><img src="{png(shade)}"></body></html>'


@dataclass
class Nights:
    """Runs over one Archive; a decision and what came of it make a line each."""

    archive: Archive
    told: list[Event] = field(default_factory=list)
    number: int = 0

    def notify(self, event: Event) -> None:
        self.told.append(event)

    def request_ended(self, event: RequestEvent) -> None:
        raise AssertionError("nothing is requested here")

    def run(
        self,
        decide: Callable[[InventoryEntry | None], Decision],
        html: str | Result | None = None,
        **draft: Any,
    ) -> SnapshotRecord:
        """One night with one backtest; `html` is what the API gives, or what came of it instead."""
        self.number += 1
        partial = self.archive.begin(
            date=f"2026-11-{self.number:02}", run_id=f"run {self.number}", started=AT
        )
        entries = [entry for _, found in previous_entries(partial.previous) for entry in found]
        decision = decide(entries[0] if entries else None)
        results: dict[tuple[int, str], Result] = {}
        if isinstance(html, str):
            job = ReportJob(decision, requests=2, generation_s=12.5)
            results[decision.key] = Keeper(partial, stamp=lambda: AT).keep(job, html)
        elif html is not None:
            results[decision.key] = html
        record = SnapshotRecord(
            **({"name": partial.name, "run_id": partial.run_id, "account": "a", "version": "0", "started": AT,
                "finished": "", "complete": False, "ending": Ending.OK, "listed": 0, "counts": {}} | draft)
        )  # fmt: skip
        record = Filler(partial, results, self, lambda: AT).fill([(1, [decision])], record)
        try:
            return partial.commit(record)[1]
        finally:
            partial.close()

    def newest(self) -> tuple[Snapshot, InventoryEntry, ReportRecord]:
        snapshot = self.archive.newest()
        assert snapshot is not None
        (entry,) = snapshot.inventory()
        return snapshot, entry, snapshot.report(entry)


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    archive = Archive.create_or_open(tmp_path / "archive", account="a")
    with archive.lock(command="run", wait_s=0):
        yield Nights(archive)


def asked(earlier: InventoryEntry | None, **fields: Any) -> Decision:
    return make_decision(earlier=earlier, **fields)


def carried(earlier: InventoryEntry | None, **fields: Any) -> Decision:
    return make_no_request(earlier=earlier, **fields)


def test_a_new_report_is_kept_exactly_as_sent_with_its_images_and_record(nights: Nights) -> None:
    html = page("caf\u00e9 \u20ac \r\n")
    record = nights.run(asked, html)
    snapshot, entry, report = nights.newest()
    assert (snapshot.path / entry.path / "report.html").read_bytes() == html.encode()
    assert (entry.outcome, entry.images, entry.change_key) == (Outcome.SAVED, 1, "k1")
    assert (report.outcome, report.requests, report.generation_s) == (Outcome.SAVED, 2, 12.5)
    assert (report.read_at, report.comparison, report.warnings) == (AT, None, ())
    assert (record.listed, record.counts["saved"], record.ending, record.complete) == (1, 1, Ending.OK, True)


@pytest.mark.parametrize(
    ("again", "outcome", "differs"),
    [
        (page(), Outcome.UNCHANGED, None),
        (page(shade=200), Outcome.UPDATED, "rendering"),
        (page("Sharpe 0.3"), Outcome.UPDATED, "text"),
    ],
)
def test_a_report_that_is_read_again_is_compared(
    nights: Nights, again: str, outcome: Outcome, differs: str | None
) -> None:
    nights.run(asked, page())
    nights.run(asked, again)
    snapshot, entry, report = nights.newest()
    assert (entry.outcome, report.outcome, report.run_id) == (outcome, outcome, "run 2")
    assert (snapshot.path / entry.path / "report.html").read_bytes() == again.encode()
    assert (report.comparison.differs if report.comparison else None) == differs
    assert entry.saved_in == ("2026-11-01" if outcome is Outcome.UNCHANGED else "2026-11-02")


def test_a_report_whose_answer_was_repaired_says_so_also_when_it_is_read_again(nights: Nights) -> None:
    def repaired(*repairs: str) -> RepairedText:
        text = RepairedText(page("cut \ufffd"))
        text.repairs = repairs
        return text

    nights.run(asked, repaired("half a pair"))
    assert nights.newest()[2].warnings == ("half a pair",)
    nights.run(asked, repaired("half a pair", "a byte order mark"))
    _, entry, report = nights.newest()
    assert (entry.outcome, report.warnings) == (Outcome.UNCHANGED, ("half a pair", "a byte order mark"))


def test_a_report_beyond_all_bounds_is_kept_whole_without_its_images(nights: Nights) -> None:
    html = "<i>" * 100_001 + page()
    nights.run(asked, html)
    snapshot, entry, report = nights.newest()
    assert (snapshot.path / entry.path / "report.html").read_bytes() == html.encode()
    assert entry.images == 0
    assert "too complex to unpack" in report.warnings[0]


def test_what_is_carried_under_the_same_names_keeps_its_record(nights: Nights) -> None:
    nights.run(asked, page())
    _, before, _ = nights.newest()
    record = nights.run(carried)
    _, entry, report = nights.newest()
    assert (entry.outcome, entry.path, report.run_id) == (Outcome.CARRIED, before.path, "run 1")
    assert (record.counts["carried"], record.complete, record.written_bytes) == (1, True, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"backtest": make_backtest(backtest_id="a", name="Renamed")},
        {"project": make_project(name="Renamed")},
    ],
)
def test_what_was_renamed_is_carried_with_its_new_names(nights: Nights, fields: dict[str, Any]) -> None:
    nights.run(asked, page())
    nights.run(lambda earlier: carried(earlier, **fields))
    _, entry, report = nights.newest()
    assert "renamed" in entry.path
    assert "Renamed" in (report.backtest.name, report.project.name)
    assert report.outcome is Outcome.SAVED


def test_what_is_gone_is_carried_and_counted_apart(nights: Nights) -> None:
    nights.run(asked, page())
    record = nights.run(lambda earlier: Gone(make_project(), earlier, Outcome.CARRIED))
    _, entry, _ = nights.newest()
    assert (record.listed, record.gone, sum(record.counts.values())) == (0, 1, 0)
    assert entry.archived


def test_what_could_not_be_listed_is_neither_listed_nor_gone(nights: Nights) -> None:
    nights.run(asked, page())
    record = nights.run(lambda earlier: AsBefore(make_project(), earlier, Outcome.CARRIED, "why"))
    assert (record.listed, record.gone, sum(record.counts.values())) == (0, 0, 0)


def failed(miss: Miss) -> NoReport:
    return NoReport(miss, "words", "HTTP 500", 3)


UNREAD = (UnreadProject(7, "P7", "the run ended before it was its turn"),)


@pytest.mark.parametrize(
    ("came", "draft", "ending"),
    [
        (failed(Miss.FAILED), {}, Ending.PARTIAL),
        (failed(Miss.FAILED), {"ending": Ending.TIME}, Ending.PARTIAL),
        (failed(Miss.FAILED), {"ending": Ending.THROTTLED}, Ending.THROTTLED),
        (failed(Miss.GENERATING), {}, Ending.PENDING),
        (failed(Miss.GENERATING), {"ending": Ending.TIME}, Ending.TIME),
        (failed(Miss.DELISTED), {}, Ending.OK),
        (page(), {"ending": Ending.TIME, "unread_projects": UNREAD}, Ending.TIME),
        (page(), {"ending": Ending.PARTIAL, "unread_projects": UNREAD}, Ending.PARTIAL),
    ],
)
def test_the_worst_that_happened_is_the_ending(
    nights: Nights, came: str | Result, draft: dict[str, Any], ending: Ending
) -> None:
    record = nights.run(asked, came, **draft)
    assert (record.ending, record.complete) == (ending, ending is Ending.OK)
    assert record.listed == sum(record.counts.values()) == 1


def test_each_project_that_was_filled_is_told(nights: Nights) -> None:
    nights.run(asked, page())
    assert nights.told == [ProjectPlaced(project_id=1, done=1)]
