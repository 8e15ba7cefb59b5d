"""What the manual's example uses of Dagster 1, as its own signatures have it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

class RetryPolicy:
    def __init__(self, max_retries: int = ..., delay: float | None = ...) -> None: ...

class MetadataValue:
    @staticmethod
    def path(path: str) -> MetadataValue: ...

class MaterializeResult:
    def __init__(
        self, *, metadata: Mapping[str, MetadataValue | str | float | bool] | None = ...
    ) -> None: ...

class Failure(Exception):  # noqa: N818 -- its name
    def __init__(self, description: str | None = ...) -> None: ...

class AssetsDefinition: ...

def asset(
    *, retry_policy: RetryPolicy | None = ...
) -> Callable[[Callable[[], Coroutine[Any, Any, MaterializeResult]]], AssetsDefinition]: ...

class AssetSelection:
    @staticmethod
    def assets(*assets: AssetsDefinition) -> AssetSelection: ...

class ScheduleDefinition:
    def __init__(self, name: str, *, target: AssetSelection, cron_schedule: str) -> None: ...

class Definitions:
    def __init__(
        self, assets: Sequence[AssetsDefinition], schedules: Sequence[ScheduleDefinition]
    ) -> None: ...
