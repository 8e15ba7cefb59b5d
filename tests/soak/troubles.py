"""What goes wrong in a night: answers, and the process itself."""

from __future__ import annotations

import random

from harvester.simulator import Fault, FaultKind

_REPORT = "backtests/read/report"
_LISTING = "backtests/list"
_AGAIN = (
    FaultKind.EMPTY_500, FaultKind.BAD_GATEWAY, FaultKind.UNAVAILABLE, FaultKind.GATEWAY_TIMEOUT,
    FaultKind.CLOUDFLARE, FaultKind.HTML_200, FaultKind.RESET_BEFORE_HEADERS, FaultKind.RESET_IN_BODY,
    FaultKind.TRUNCATED_JSON, FaultKind.INVALID_JSON, FaultKind.INVALID_UTF8, FaultKind.MESSAGE,
    FaultKind.TOO_MANY, FaultKind.TOO_MANY_SECONDS, FaultKind.TOO_MANY_DATE, FaultKind.SLOW_DOWN,
)  # fmt: skip
"""Over when one asks again; they may meet any request."""
_FINAL = (
    FaultKind.WRONG_SHAPE, FaultKind.WRONG_TYPE, FaultKind.ERRORS, FaultKind.MESSAGES, FaultKind.NOT_FOUND,
    FaultKind.OVERSIZED,
)  # fmt: skip
"""Believed: a report or a project is missed for this night."""
_ONCE = (
    FaultKind.UNAUTHORIZED, FaultKind.HASH, FaultKind.USER, FaultKind.TIMESTAMP, FaultKind.HANG,
    FaultKind.DRIP,
)  # fmt: skip
"""Twice in a row they would end the run, or take seconds."""


def draw_faults(dice: random.Random) -> tuple[Fault, ...]:
    """The faults of one night; every fifth has none."""
    if dice.random() < 0.2:
        return ()
    faults = [Fault(kind=kind, share=0.01) for kind in dice.sample(_AGAIN, 3)]
    if dice.random() < 0.5:
        kind, route = dice.choice(_FINAL), dice.choice((_REPORT, _REPORT, _LISTING))
        faults.append(Fault(kind=kind, route=route, share=0.1 if route == _REPORT else 0.01))
    if dice.random() < 0.5:
        faults.append(Fault(kind=dice.choice(_ONCE), route=_REPORT, attempts=(1,), share=0.1))
    return tuple(faults)


def draw_kills(dice: random.Random) -> tuple[float, ...]:
    """When attempts of one night are killed, as shares of the usual time: mostly none is."""
    count = dice.choices((0, 1, 2), (0.88, 0.1, 0.02))[0]
    return tuple(dice.uniform(0.0, 1.1) for _ in range(count))


def draw_moment(dice: random.Random) -> int:
    """Before which request of a night the account changes; 0: it does not."""
    return dice.randrange(2, 100) if dice.random() < 0.15 else 0
