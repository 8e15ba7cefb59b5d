"""What a simulated account holds and how its server behaves: read from a file, or drawn from a seed."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from harvester.errors import ConfigError

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]

_MAX_FILE_BYTES: Final = 50_000_000
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


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of a scenario file."""


class ReportKind(StrEnum):
    """What is answered to a request for a backtest's report."""

    NORMAL = "normal"
    REFUSED = "refused"
    """`success: false` and a text."""
    FOREVER = "forever"
    """`generating` without end."""
    EMPTY = "empty"
    """`success: true` and an empty report."""
    NULL = "null"


class FaultKind(StrEnum):
    """What can go wrong with one answer."""

    EMPTY_500 = "empty-500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    CLOUDFLARE = "520"
    HTML_200 = "html-200"
    RESET_BEFORE_HEADERS = "reset-before-headers"
    RESET_IN_BODY = "reset-in-body"
    TRUNCATED_JSON = "truncated-json"
    INVALID_JSON = "invalid-json"
    INVALID_UTF8 = "invalid-utf8"
    WRONG_SHAPE = "wrong-shape"
    WRONG_TYPE = "wrong-type"
    ERRORS = "errors"
    MESSAGES = "messages"
    MESSAGE = "message"
    NOT_FOUND = "not-found"
    UNAUTHORIZED = "401"
    HASH = "hash"
    USER = "user"
    TIMESTAMP = "timestamp"
    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429-seconds"
    TOO_MANY_DATE = "429-date"
    SLOW_DOWN = "slow-down"
    DRIP = "drip"
    HANG = "hang"
    OVERSIZED = "oversized"
    GZIP = "gzip"
    """No fault but an encoding: the answer is right."""


class Fault(Part, frozen=True):
    """One answer that goes wrong; what is empty or 0 matches anything."""

    kind: FaultKind
    route: str = ""
    project_id: int = 0
    backtest_id: str = ""
    attempts: tuple[int, ...] = ()
    """Which requests for the same thing, counted from 1; empty: all."""
    share: Share = 1.0
    """How many of the matching requests, by a seeded draw."""


class ChangeKind(StrEnum):
    """What happens to the account while it is read."""

    RENAME_PROJECT = "rename-project"
    RECYCLE_PROJECT = "recycle-project"
    DELETE_PROJECT = "delete-project"
    DELETE_BACKTEST = "delete-backtest"
    ADD_BACKTEST = "add-backtest"


class Change(Part, frozen=True):
    """A change, just before the request of this number is answered."""

    at_request: int
    """Counted from 1, as they arrive."""
    kind: ChangeKind
    project_id: int
    backtest_id: str = ""
    name: str = ""


class BacktestSpec(Part, frozen=True):
    """One backtest."""

    backtest_id: str
    name: str
    created: str = "2024-05-02 09:30:00"
    """`YYYY-MM-DD HH:MM:SS`, UTC."""
    status: str = "Completed."
    report: ReportKind = ReportKind.NORMAL
    generation_s: Seconds = 0.0
    """From the first request until the report is ready; 0: it is ready."""
    seed: int = 0
    """Of the equity curve; backtests of one seed have one report."""
    snapshot_id: int = 1
    optimization_id: str = ""
    tags: tuple[str, ...] = ()
    listed_after_s: Seconds = 0.0
    """A new backtest shows up in the listing only after this long."""


class ProjectSpec(Part, frozen=True):
    """One project."""

    project_id: int
    name: str
    organization_id: str = "0123456789abcdef0123456789abcdef"
    owner: bool = True
    created: str = "2024-01-02 08:00:00"
    language: str = "Py"
    backtests: tuple[BacktestSpec, ...] = ()


class Generation(Part, frozen=True):
    """How reports are made on first request."""

    parallel: int = 0
    """Reports in the making at once; 0: no limit."""
    success: str = "true"
    """What `success` says meanwhile: `true`, `false` or `alternating`."""
    forgotten_after_s: Seconds = 0.0
    """A report that is ready must be made again after this long; 0: never."""


class Shapes(Part, frozen=True):
    """The forms of answers that clients have to bear with."""

    dates: str = "naive"
    """`naive` (`2024-05-02 09:30:00`) or `iso` (`2024-05-02T09:30:00.000Z`)."""
    errors_on_success: bool = False
    shuffled: bool = False
    count: str = "right"
    """Of `backtests/list`: `right`, `missing` or `wrong`."""
    singular: bool = False
    """The listing is called `backtest`."""
    page_limit: int = 0
    """Projects in one answer at most; 0: all."""
    heavy: bool = True
    """Rows with grids, collaborators and tokens, as the real ones."""


class Identity(Part, frozen=True):
    """How signatures are judged."""

    refusal: str = "text"
    """`text` (200 and words), `401` or `500` (empty)."""
    window_s: Seconds = 7200.0
    future_s: Seconds = 7200.0
    clock_offset_s: float = 0.0
    """The server's clock against this machine's; it shows in `Date` too."""


class LimitStep(Part, frozen=True):
    """The limit from a moment on."""

    after_s: Seconds
    per_min: Annotated[float, Meta(gt=0)]


class Limit(Part, frozen=True):
    """The server's own rate limit; without steps there is none."""

    steps: tuple[LimitStep, ...] = ()
    burst: Annotated[int, Meta(ge=1)] = 5
    answer: FaultKind = FaultKind.TOO_MANY
    retry_after_s: Seconds = 2.0
    """What `Retry-After` says, where the answer has one."""


class Drawing(Part, frozen=True):
    """How reports are drawn."""

    years: Annotated[int, Meta(ge=1, le=30)] = 8
    small: bool = False
    """Thumbnails instead of charts, for tests that only count them."""
    distinct: int = 0
    """Curves at most; 0: one a backtest."""


class Scenario(Part, frozen=True):
    """An account and its server."""

    user_id: int = 123456
    token: str = "aaaabbbbccccdddd"
    seed: int = 1
    time_scale: Annotated[float, Meta(gt=0)] = 1.0
    """Every duration of the scenario is divided by this, every rate multiplied."""
    projects: tuple[ProjectSpec, ...] = ()
    generation: Generation = Generation()
    shapes: Shapes = Shapes()
    identity: Identity = Identity()
    limit: Limit = Limit()
    drawing: Drawing = Drawing()
    faults: tuple[Fault, ...] = ()
    changes: tuple[Change, ...] = ()


def load_scenario(path: Path) -> Scenario:
    """A scenario from a TOML file, or a JSON file by its suffix.

    Raises:
        ConfigError: it cannot be read, or something in it is unknown or out of bounds.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {_MAX_FILE_BYTES} bytes")
        decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
        return decode(content, type=Scenario)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:  # also of numbers that Python does not read
        raise ConfigError(f"{path}: {exc}") from exc


class Sample(Part, frozen=True):
    """How large and how slow an account is to be drawn."""

    seed: int = 1
    projects: int = 4
    backtests: int = 30
    """Over all projects."""
    generate_share: Share = 0.5
    """How many reports have to be generated on first request."""
    generation_s: Seconds = 3.0
    """How long that takes at least."""
    spread: Seconds = 0.0
    """How much longer it may take, as a share of that."""
    slow_share: Share = 0.0
    """How many of those take `slow_s` instead."""
    slow_s: Seconds = 180.0
    odd: bool = True
    """Add what a real account has too: a failed run, a running one, a recycled project, an empty one."""
    drawing: Drawing = Drawing()


def sample_scenario(**knobs: Any) -> Scenario:
    """An account such as a quant has, drawn from a seed; `knobs` are the fields of `Sample`."""
    sample = Sample(**knobs)
    dice = random.Random(sample.seed)
    made: list[list[BacktestSpec]] = [[] for _ in range(sample.projects)]
    for number in range(sample.backtests):
        generated, slow = dice.random() < sample.generate_share, dice.random() < sample.slow_share
        wait_s = sample.slow_s if slow else sample.generation_s * (1 + sample.spread * dice.random())
        made[number % sample.projects].append(_backtest(dice, number, wait_s if generated else 0.0))
    specs = [
        ProjectSpec(project_id=23_456_789 + 1_111 * n, name=_project_name(n), backtests=tuple(specs))
        for n, specs in enumerate(made)
    ]
    if sample.odd:
        specs += _odd_projects(dice, sample.backtests)
    return Scenario(seed=sample.seed, projects=tuple(specs), drawing=sample.drawing)


def backtest_name(dice: random.Random) -> str:
    """A name as QuantConnect gives it."""
    return f"{dice.choice(_ADJECTIVES)} {dice.choice(_COLOURS)} {dice.choice(_ANIMALS)}"


def _project_name(number: int) -> str:
    again = number // len(_PROJECTS)
    return _PROJECTS[number % len(_PROJECTS)] + (f" {again + 1}" if again else "")


def _backtest(dice: random.Random, number: int, generation_s: float, **more: object) -> BacktestSpec:
    created = datetime(2024, 1, 2, 8, 30) + timedelta(minutes=number * 97)
    fields = {
        "backtest_id": f"{dice.getrandbits(128):032x}",
        "name": backtest_name(dice),
        "created": created.isoformat(" "),
        "generation_s": generation_s,
        "seed": dice.getrandbits(32),
        "tags": ("live-candidate",) if dice.random() < 0.1 else (),
        "optimization_id": f"O-{dice.getrandbits(128):032x}" if dice.random() < 0.1 else "",
    }
    return msgspec.convert(fields | more, BacktestSpec)


def _odd_projects(dice: random.Random, number: int) -> list[ProjectSpec]:
    unfinished = (
        _backtest(dice, number, 0.0, status="Runtime Error", report=ReportKind.REFUSED),
        _backtest(dice, number + 1, 0.0, status="Running: 42%", report=ReportKind.FOREVER),
        _backtest(dice, number + 2, 0.0, status="In Queue...", report=ReportKind.FOREVER),
    )
    recycled = _backtest(dice, number + 3, 0.0)
    return [
        ProjectSpec(project_id=24_000_001, name="Work in progress", backtests=unfinished),
        ProjectSpec(project_id=24_000_002, name="Recycle Bin/Old idea", backtests=(recycled,)),
        ProjectSpec(project_id=24_000_003, name="Nothing yet", owner=False),
    ]
