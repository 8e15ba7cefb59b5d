"""What a run shows of itself: counted from its events, a line a minute, a bar."""

from __future__ import annotations

import io
import sys

import pytest

from harvester.api.events import RequestEvent
from harvester.harvest.events import (
    Event,
    Listed,
    Planned,
    ProjectPlaced,
    Rescheduled,
    Settled,
    Started,
    Stopping,
)
from harvester.model import Outcome
from harvester.operate import Observers, ProgressBar, ProgressLines, Tally


def request(hold_s: float = 0.0) -> RequestEvent:
    return RequestEvent("backtests/read/report", 1, "x", 1, 0.0, 0.0, 0.1, "ok", hold_s=hold_s)


def settled(outcome: Outcome = Outcome.SAVED, generating: int = 0) -> Settled:
    return Settled(1, "P", "x", "\x1b[2J[bold]name", outcome, requests=1, generating=generating)


def asked(generating: int) -> Rescheduled:
    return Rescheduled(1, "x", 1, "generating", 10.0, generating)


def test_a_tally_follows_the_stages_of_a_run() -> None:
    tally = Tally(30)
    for event in (Started("2026-11-24", "r", "", 3), Listed(1, 20, 2), Listed(2, 5, 2)):
        tally.event(event, 0.0)
    assert tally.line(0) == "listing: 2 of 2, 0/30 requests a minute"
    for event in (Planned(25, 20, 5), asked(4), settled(Outcome.FAILED, 3), settled(generating=3)):
        tally.event(event, 0.0)
    tally.request(request(hold_s=12), 100.0)
    assert tally.line(102.0) == (
        "reports: 2 of 20, 3 being generated, 1 failed, 1/30 requests a minute, held for 10 s more, "
        "about 1m12s left"
    )
    tally.event(ProjectPlaced(1, 7), 0.0)
    assert tally.line(200.0).startswith("filling: 7, ")
    tally.event(Stopping("SIGTERM"), 0.0)
    assert tally.stage == "stopping"


def test_only_the_requests_of_the_last_minute_count_as_used() -> None:
    tally = Tally(30)
    for at in (0.0, 30.0, 59.0, 61.0):
        tally.request(request(), at)
    assert (tally.used_per_min(61.0), tally.requests) == (3, 4)


def test_time_left_follows_the_requests_that_reports_have_taken() -> None:
    tally = Tally(60)
    tally.event(Planned(100, 100, 0), 0.0)
    assert tally.left_s(0.0) == 200
    for _ in range(10):
        tally.request(request(), 0.0)
        tally.event(settled(), 0.0)
    assert tally.left_s(0.0) == 90


def test_time_left_is_no_less_than_what_the_server_still_takes() -> None:
    tally = Tally(1200)
    tally.event(Planned(2, 2, 0), 0.0)
    tally.event(asked(1), 5.0)
    assert tally.left_s(7.0) == 8.0
    tally.event(settled(), 16.0)
    assert tally.left_s(16.0) == 0.1


def test_without_a_terminal_a_line_is_said_once_a_minute() -> None:
    said: list[str] = []
    now = [0.0]
    lines = ProgressLines(Tally(30), said.append, clock=lambda: now[0])
    for at in (1.0, 59.0, 60.0, 61.0, 119.0, 121.0):
        now[0] = at
        lines.request_ended(request())
        lines.notify(settled())
    assert len(said) == 2


def test_a_bar_shows_no_markup_and_no_control_characters_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with ProgressBar(Tally(30)) as bar:
        bar.notify(Planned(2, 2, 0))
        bar.request_ended(request())
        bar.notify(settled())
    assert "bold" not in shown.getvalue()


class _Broken:
    def notify(self, event: Event) -> None:
        raise ZeroDivisionError("in a bar")

    def request_ended(self, event: RequestEvent) -> None:
        raise ZeroDivisionError("in a bar")


def test_an_observer_that_fails_hurts_neither_the_run_nor_the_others() -> None:
    said: list[str] = []
    now = [0.0]
    observers = Observers(_Broken(), ProgressLines(Tally(30), said.append, clock=lambda: now[0]))
    now[0] = 100.0
    observers.notify(settled())
    observers.request_ended(request())
    assert len(said) == 1
    assert observers.errors == {"_Broken": "ZeroDivisionError: in a bar"}


def test_a_member_that_joins_is_told_only_meanwhile() -> None:
    said: list[str] = []
    now = [100.0]
    guest = ProgressLines(Tally(30), said.append, clock=lambda: now[0])
    observers = Observers()
    with observers.joined(guest):
        now[0] = 200.0
        observers.notify(settled())
    now[0] = 300.0
    observers.notify(settled())
    assert len(said) == 1
