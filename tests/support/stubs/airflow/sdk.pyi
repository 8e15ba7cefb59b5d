"""What the manual's example uses of Airflow 3, as its own signatures have it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

def dag(
    *, schedule: str | None = ..., start_date: datetime | None = ..., catchup: bool = ...
) -> Callable[[Callable[_P, None]], Callable[_P, object]]: ...
def task(
    *, retries: int | None = ..., retry_delay: timedelta | float = ...
) -> Callable[[Callable[_P, _R]], Callable[_P, object]]: ...
