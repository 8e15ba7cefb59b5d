"""The contents of a simulated account and the behaviour of its server; a scenario can be a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from harvester.errors import ConfigError

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]

_MAX_FILE_BYTES: Final = 50_000_000


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of a scenario file."""


class ReportKind(StrEnum):
    """What is answered to a request for a backtest's report."""

    NORMAL = "normal"
    REFUSED = "refused"
    """`success: false` and a text."""
    FOREVER = "forever"
    """`generating` forever."""
    EMPTY = "empty"
    """`success: true` and an empty report."""
    NULL = "null"
    PARTIAL = "partial"
    """The report of a run that is not finished: half of its years."""


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
    HASH_ECHO = "hash-echo"
    """The text repeats the user id and the signature of the request."""
    HASH_CODE = "hash-code"
    """The text differs, and there is an `errorCode`."""
    LOCKED_OUT = "locked-out"
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
    """Not an error: the right answer, compressed."""


class Fault(Part, frozen=True):
    """One answer that goes wrong; a field that is empty or 0 matches any request."""

    kind: FaultKind
    route: str = ""
    project_id: int = 0
    backtest_id: str = ""
    attempts: tuple[int, ...] = ()
    """Which attempts at one route and backtest fail, counted from 1; empty: all."""
    share: Share = 1.0
    """The share of the matching requests that fail, drawn from the seed of the scenario."""


class ChangeKind(StrEnum):
    """What happens to the account while it is read."""

    RENAME_PROJECT = "rename-project"
    RECYCLE_PROJECT = "recycle-project"
    DELETE_PROJECT = "delete-project"
    DELETE_BACKTEST = "delete-backtest"
    ADD_BACKTEST = "add-backtest"


class Change(Part, frozen=True):
    """A change, made just before a certain request is answered."""

    at_request: int
    """The number of that request in order of arrival, from 1."""
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
    """Others that have been observed: `In Progress...`, `Running: 42%`, `In Queue...`, `Runtime Error`."""
    completed: bool | None = None
    """`completed` of the row; not set: what the status implies."""
    progress: Share | None = None
    """`progress` of the row; not set: what the status implies."""
    error: str = ""
    """`error` of the row; empty: what the status implies."""
    note: str = ""
    """What the user wrote about it."""
    report: ReportKind = ReportKind.NORMAL
    not_found_first: Count = 0
    """How many requests for the report are answered with "Backtest not found" before it is served."""
    refused_first: Count = 0
    """How many requests after those are refused in the words of `report = "refused"`."""
    generation_s: Seconds = 0.0
    """From the first request until the report is ready; 0: it is ready at once."""
    seed: int = 0
    """The seed of the equity curve; backtests with equal seeds have equal reports."""
    snapshot_id: int = 1
    optimization_id: str = ""
    tags: tuple[str, ...] = ()
    listed: bool = True
    """Whether `backtests/list` has it; if not, only its optimization names it."""
    listed_after_s: Seconds = 0.0
    """How long after it was added a backtest appears in the listing."""


class OptimizationAnswer(StrEnum):
    """What is answered to a request for one optimization."""

    BY_ID = "by-id"
    """Its backtests as an object, by their ids."""
    ROWS = "rows"
    """Its backtests as a list."""
    EMPTY = "empty"
    """No backtest, although its figures count some."""
    SHORT = "short"
    """All backtests but the last one, which its figures count."""
    REFUSED = "refused"
    """`success: false` and a text."""
    UNLISTED = "unlisted"
    """`optimizations/read` answers as for `by-id`, but `optimizations/list` omits the optimization."""


class OptimizationSpec(Part, frozen=True):
    """One optimization; its backtests are those of the project that have its id.

    It need not be described to exist: the `optimization_id` of a backtest is enough.
    """

    optimization_id: str
    name: str = "Optimization"
    created: str = "2024-05-02 09:00:00"
    status: Literal["", "new", "running", "aborted", "completed"] = ""
    """Empty: `running` until all of its backtests have ended, then `completed`."""
    answer: OptimizationAnswer = OptimizationAnswer.BY_ID


class ProjectSpec(Part, frozen=True):
    """One project."""

    project_id: int
    name: str
    organization_id: str = "0123456789abcdef0123456789abcdef"
    owner: bool = True
    created: str = "2024-01-02 08:00:00"
    modified: str = ""
    """Empty: as `created`."""
    language: str = "Py"
    backtests: tuple[BacktestSpec, ...] = ()
    optimizations: tuple[OptimizationSpec, ...] = ()
    """Optimizations that differ from what the `optimization_id` of the backtests implies."""


class Generation(Part, frozen=True):
    """How reports are generated on first request."""

    parallel: int = 0
    """Reports that are generated at once; 0: no limit."""
    success: Literal["true", "false", "alternating"] = "true"
    """The value of `success` while a report is generated."""
    forgotten_after_s: Seconds = 0.0
    """How long after it is ready a report must be generated again; 0: never."""
    loading_s: Seconds = 0.5
    """How long the chart, the orders and the log of a backtest are `loading` after the first request."""


class Shapes(Part, frozen=True):
    """The forms of answers that clients have to cope with."""

    dates: Literal["naive", "iso"] = "naive"
    """`2024-05-02 09:30:00` or `2024-05-02T09:30:00.000Z`."""
    errors_on_success: bool = False
    shuffled: bool = False
    count: Literal["right", "missing", "wrong"] = "right"
    """Whether `count` in `backtests/list` is right."""
    singular: bool = False
    """Whether the key of the listing is `backtest`."""
    page_limit: Count = 0
    """Projects in one answer at most, whatever is asked for; 0: all."""
    security_types: Literal["number", "text"] = "number"
    """`securityTypes` in rows with statistics: 1 or null, or the text `Equity` as in older answers."""
    heavy: bool = True
    """Whether project rows have grids, collaborators and tokens, as real ones do."""


class Windows(Part, frozen=True):
    """How many rows a request may ask for by `start` and `end`, and what a wider window gets."""

    projects: Count = 0
    """Rows of `projects/read`; 0: any number. Without an `end` only `shapes.page_limit` counts."""
    rows: Count = 100
    """Rows of `backtests/{orders,trades}/read` and `backtests/read/insights`; 0: any number."""
    log_lines: Count = 200
    """Lines of `backtests/read/log`; 0: any number."""
    wider: Literal["refuse", "clamp"] = "refuse"
    """Refuse a wider window, or answer with its first rows."""


class Identity(Part, frozen=True):
    """How signatures are checked."""

    refusal: Literal["text", "401", "500"] = "text"
    """Status 200 with a text, or another status without one."""
    words: Literal["plain", "echo", "code"] = "plain"
    """The text for a wrong hash: see the faults `hash`, `hash-echo` and `hash-code`."""
    locked_after: Count = 0
    """How many refused signatures lock the user out; 0: never."""
    locked_s: Seconds = 7200.0
    """How long a lock-out lasts after the last request; any request in that time prolongs it."""
    window_s: Seconds = 7200.0
    future_s: Seconds = 7200.0
    clock_offset_s: float = 0.0
    """How far the server's clock is ahead of this machine's; `Date` shows it too."""


class LimitStep(Part, frozen=True):
    """The rate limit from a certain moment on."""

    after_s: Seconds
    per_min: Annotated[float, Meta(gt=0)]


class Limit(Part, frozen=True):
    """The server's own rate limit; no steps: no limit."""

    steps: tuple[LimitStep, ...] = ()
    burst: Annotated[int, Meta(ge=1)] = 5
    answer: FaultKind = FaultKind.TOO_MANY
    retry_after_s: Seconds = 2.0
    """The value of `Retry-After`, if the answer has that header."""


class Drawing(Part, frozen=True):
    """How reports are drawn."""

    years: Annotated[int, Meta(ge=1, le=30)] = 8
    small: bool = False
    """Thumbnails instead of charts, for tests that only count them."""
    distinct: int = 0
    """The number of distinct curves at most; 0: one for each backtest."""


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
    windows: Windows = Windows()
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
    except (ValueError, RecursionError) as exc:  # ValueError: also for numbers that Python refuses to parse
        raise ConfigError(f"{path}: {exc}") from exc
