"""An account such as a quant has, drawn from a seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from harvester.simulator.scenario import (
    BacktestSpec,
    Drawing,
    Part,
    ProjectSpec,
    ReportKind,
    Scenario,
    Seconds,
    Share,
)

_ADJECTIVES: Final = (
    "Logical", "Calm", "Crawling", "Dancing", "Emotional", "Focused", "Geeky", "Hipster", "Jumping",
    "Measured", "Muscular", "Pensive", "Retrospective", "Sleepy", "Virtual",
)  # fmt: skip
_COLOURS: Final = ("Red", "Blue", "Green", "Orange", "Violet", "Brown", "Black", "Yellow", "Pink", "Teal")
_ANIMALS: Final = (
    "Monkey", "Penguin", "Rhino", "Albatross", "Badger", "Cobra", "Dragon", "Fish", "Galago", "Hippo",
    "Lemur", "Mule", "Owl", "Panda", "Termite", "Zebra",
)  # fmt: skip
_PROJECTS: Final = (
    "Momentum Rotation", "Mean Reversion", "Library/Pairs Trading", "Risk Parity", "Carry/FX",
    "Opening Range Breakout", "Volatility Targeting", "Сезонность ✓", "Gap & Go", "动量策略",
)  # fmt: skip


class Sample(Part, frozen=True):
    """How large and how slow the drawn account is."""

    seed: int = 1
    projects: int = 4
    backtests: int = 30
    """Over all projects."""
    generate_share: Share = 0.5
    """The share of reports that are generated only on first request."""
    generation_s: Seconds = 3.0
    """The shortest time that this takes."""
    spread: Seconds = 0.0
    """How much longer than `generation_s` it may take, as a share of it."""
    slow_share: Share = 0.0
    """The share of the generated reports that take `slow_s` instead."""
    slow_s: Seconds = 180.0
    odd: bool = True
    """Add what real accounts also have: a failed run, a running one, a recycled project, an empty one."""
    drawing: Drawing = Drawing()


def sample_scenario(**fields: Any) -> Scenario:
    """An account such as a quant has, drawn from a seed; `fields` are those of `Sample`."""
    sample = Sample(**fields)
    rng = random.Random(sample.seed)
    drawn: list[list[BacktestSpec]] = [[] for _ in range(sample.projects)]
    for number in range(sample.backtests):
        generated, slow = rng.random() < sample.generate_share, rng.random() < sample.slow_share
        wait_s = sample.slow_s if slow else sample.generation_s * (1 + sample.spread * rng.random())
        drawn[number % sample.projects].append(_backtest(rng, number, wait_s if generated else 0.0))
    specs = [
        ProjectSpec(project_id=23_456_789 + 1_111 * n, name=_project_name(n), backtests=tuple(specs))
        for n, specs in enumerate(drawn)
    ]
    if sample.odd:
        specs += _odd_projects(rng, sample.backtests)
    return Scenario(seed=sample.seed, projects=tuple(specs), drawing=sample.drawing)


def backtest_name(rng: random.Random) -> str:
    """A name as QuantConnect gives it."""
    return f"{rng.choice(_ADJECTIVES)} {rng.choice(_COLOURS)} {rng.choice(_ANIMALS)}"


def _project_name(number: int) -> str:
    again = number // len(_PROJECTS)
    return _PROJECTS[number % len(_PROJECTS)] + (f" {again + 1}" if again else "")


def _backtest(rng: random.Random, number: int, generation_s: float, **more: object) -> BacktestSpec:
    created = datetime(2024, 1, 2, 8, 30) + timedelta(minutes=number * 97)
    fields = {
        "backtest_id": f"{rng.getrandbits(128):032x}",
        "name": backtest_name(rng),
        "created": created.isoformat(" "),
        "generation_s": generation_s,
        "seed": rng.getrandbits(32),
        "tags": ("live-candidate",) if rng.random() < 0.1 else (),
        "optimization_id": f"O-{rng.getrandbits(128):032x}" if rng.random() < 0.1 else "",
    }
    return msgspec.convert(fields | more, BacktestSpec)


def _odd_projects(rng: random.Random, number: int) -> list[ProjectSpec]:
    unfinished = (
        _backtest(rng, number, 0.0, status="Runtime Error", report=ReportKind.REFUSED),
        _backtest(rng, number + 1, 0.0, status="In Progress...", report=ReportKind.FOREVER),
        _backtest(rng, number + 2, 0.0, status="In Queue...", report=ReportKind.FOREVER),
    )
    recycled = _backtest(rng, number + 3, 0.0)
    return [
        ProjectSpec(project_id=24_000_001, name="Work in progress", backtests=unfinished),
        ProjectSpec(project_id=24_000_002, name="Recycle Bin/Old idea", backtests=(recycled,)),
        ProjectSpec(project_id=24_000_003, name="Nothing yet", owner=False),
    ]
