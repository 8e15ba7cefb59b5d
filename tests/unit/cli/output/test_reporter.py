"""What a run says in the log about listings and reports that failed."""

from __future__ import annotations

import pytest

from harvester.cli.invocation import Invocation
from harvester.cli.output.logs import make_logger
from harvester.cli.output.reporter import Reporter
from harvester.harvest.events import Event, Listed, OptimizationRead, Relisted, Settled
from harvester.model import Outcome


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Listed(7, 0, 1, error="HTTP 500"), "project 7 could not be listed: HTTP 500"),
        (
            Relisted(7, 0, error="HTTP 500", wait_s=120.0),
            "project 7 could not be listed again, to see whether reports that were not found were deleted: "
            "HTTP 500; the server cannot be reached, next attempt in 120 s",
        ),
        (
            OptimizationRead(7, "", 0, error="HTTP 500"),
            "the optimizations of project 7 could not be read: HTTP 500",
        ),
        (
            OptimizationRead(7, "O-1", 0, error="HTTP 500"),
            "optimization O-1 of project 7 could not be read: HTTP 500",
        ),
        (
            Settled(7, "P", "b", "Name", Outcome.FAILED, 3, 0, reason="not found"),
            "failed: P / Name: not found",
        ),
    ],
)
def test_what_failed_is_a_line(event: Event, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Reporter(make_logger(Invocation())).notify(event)
    assert words in " ".join(capsys.readouterr().err.split())


def test_what_went_well_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    for event in (Listed(7, 1, 1), Relisted(7, 1), Settled(7, "P", "b", "Name", Outcome.SAVED, 1, 0)):
        Reporter(make_logger(Invocation())).notify(event)
    assert capsys.readouterr().err == ""
