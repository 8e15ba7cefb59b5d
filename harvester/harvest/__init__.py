"""The main job: plan, queue, pool, run."""

from harvester.harvest.compose import open_run
from harvester.harvest.events import (
    Committed,
    Damaged,
    Doubted,
    Event,
    Listed,
    OptimizationRead,
    Planned,
    ProjectPlaced,
    Relisted,
    Rescheduled,
    RunObserver,
    Settled,
    Started,
    Stopping,
)
from harvester.harvest.plan import Policy
from harvester.harvest.preview import Preview, preview_run
from harvester.harvest.run import Run, RunDependencies, RunResult

__all__ = [
    "Committed",
    "Damaged",
    "Doubted",
    "Event",
    "Listed",
    "OptimizationRead",
    "Planned",
    "Policy",
    "Preview",
    "ProjectPlaced",
    "Relisted",
    "Rescheduled",
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
