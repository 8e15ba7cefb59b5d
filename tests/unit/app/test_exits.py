from __future__ import annotations

from itertools import pairwise

import pytest

from harvester.app.exits import ExitCode, code_of_ending, worst
from harvester.model import Ending

ORDER = [130, 143, 12, 16, 11, 2, 1, 20, 18, 3, 6, 10, 4, 0]


def test_codes_and_names_are_those_that_people_rely_on() -> None:
    assert {code.value: code.label for code in ExitCode} == {
        0: "ok", 1: "error", 2: "usage", 3: "partial", 4: "pending", 6: "unpushed", 10: "time", 11: "locked",
        12: "auth", 16: "disk", 18: "throttled", 20: "damaged", 130: "signal", 143: "signal",
    }  # fmt: skip


@pytest.mark.parametrize(("worse", "better"), list(pairwise(ORDER)))
def test_worst_code_wins(worse: int, better: int) -> None:
    assert worst([ExitCode(better), ExitCode(worse), ExitCode.OK]) == worse


def test_nothing_at_all_is_ok() -> None:
    assert worst([]) is ExitCode.OK


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_of_a_run_has_its_code(ending: Ending) -> None:
    assert code_of_ending(ending).label == ending.value
