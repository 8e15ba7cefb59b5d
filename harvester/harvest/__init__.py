"""The main job: plan, queue, pool, run."""

from harvester.harvest.compose import open_run
from harvester.harvest.events import (
    Asked,
    Committed,
    Damaged,
    Doubted,
    Event,
    Filling,
    Listed,
    OptimizationRead,
    Planned,
    Relisted,
    RunObserver,
    Settled,
    Started,
    Stopping,
)
from harvester.harvest.plan import Policy
from harvester.harvest.preview import Preview, preview_run
from harvester.harvest.run import Run, RunDependencies, RunResult

__all__ = [
    "Asked",
    "Committed",
    "Damaged",
    "Doubted",
    "Event",
    "Filling",
    "Listed",
    "OptimizationRead",
    "Planned",
    "Policy",
    "Preview",
    "Relisted",
    "Run",
    "RunDependencies",
    "RunObserver",
    "RunResult",
    "Settled",
    "Started",
    "Stopping",
    "open_run",
    "preview_run",
]
