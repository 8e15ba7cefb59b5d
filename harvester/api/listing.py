"""What `backtests/list` answers: all backtests of a project, those of a large one parsed only when needed.

A hundred thousand rows take half a gigabyte once they are parsed. So of a large answer the body stays as it
is, with an index of its rows; each row is parsed when it is its turn, and forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from harvester.api.rows import BadRow, check_count, parse_backtest, parse_backtests, parse_time
from harvester.api.wire import Answer
from harvester.model import Backtest


@dataclass(frozen=True)
class BacktestList:
    """The backtests of a project, each once, by creation and id."""

    backtests: Collection[Backtest]
    bad_rows: tuple[str, ...] = ()
    """Rows without a usable id; each may be a backtest."""


class LargeRows(Collection[Backtest]):
    """The backtests of a large answer, in order; each is parsed whenever it is gone through."""

    def __init__(self, rows: list[msgspec.Raw], project_id: int) -> None:
        self._rows = rows
        self._project_id = project_id

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, backtest: object) -> bool:
        return any(backtest == own for own in self)

    def __iter__(self) -> Iterator[Backtest]:
        for row in self._rows:
            parsed = parse_backtest(msgspec.json.decode(row), self._project_id, place="")
            if isinstance(parsed, Backtest):  # each of them was when it was indexed
                yield parsed


class _Key(msgspec.Struct):
    """What a row is found by."""

    id: Any = msgspec.field(default=None, name="backtestId")
    created: Any = None


def parse_listing(answer: Answer, project_id: int, *, endpoint: str) -> BacktestList:
    """All rows of an answer.

    Raises:
        ProtocolError: no list.
        TransportError: `count` contradicts the number of rows, so that the listing is not whole.
    """
    if isinstance(answer.backtests, msgspec.Raw):
        return _index(answer, project_id, endpoint=endpoint)
    rows = parse_backtests(answer, project_id, endpoint=endpoint)
    backtests = [row for row in rows if isinstance(row, Backtest)]
    return BacktestList(
        sorted(backtests, key=lambda backtest: (backtest.created, backtest.backtest_id)),
        tuple(row.text for row in rows if isinstance(row, BadRow)),
    )


def _index(answer: Answer, project_id: int, *, endpoint: str) -> BacktestList:
    """The rows of a large answer in order, of which only ids and times are read now."""
    rows = msgspec.json.decode(answer.backtests, type=list[msgspec.Raw])
    check_count(answer, len(rows), project_id, endpoint=endpoint)
    places: dict[str, tuple[str, int]] = {}
    bad: list[str] = []
    for n, row in enumerate(rows):
        key = _key(row)
        if key.id:
            places.setdefault(key.id, (parse_time(key.created), n))
            continue
        parsed = parse_backtest(msgspec.json.decode(row), project_id, place=f"backtests[{n}]")
        bad += [parsed.text] if isinstance(parsed, BadRow) else []
    order = sorted((created, backtest_id, n) for backtest_id, (created, n) in places.items())
    return BacktestList(LargeRows([rows[n] for _, _, n in order], project_id), tuple(bad))


def _key(row: msgspec.Raw) -> _Key:
    """Its id is empty when the row has none that can be used."""
    try:
        key = msgspec.json.decode(row, type=_Key)
    except msgspec.ValidationError:  # no object
        return _Key("")
    return key if isinstance(key.id, str) and key.id.strip() else _Key("")
