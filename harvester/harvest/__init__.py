"""The main job: list an account, decide about every backtest, read what is needed, fill a Snapshot.

Purpose: everything between the API and the Archive, without a terminal. `open_run` composes a run;
`preview_run` lists and plans only.

Rule: `plan`, `queue` and `settle` are pure; `workers` and the two kinds of work over it (`listings`, `pool`)
do all that waits; `stages` puts them in order. Only `settle` decides the Outcome of a request.

    async with open_run(archive, settings, credentials, observer=observer) as run:
        result = await run.execute()   # `archive` is locked by the caller

When a request is made again:

| what happened                   | who decides         | what follows                                      |
|---------------------------------|---------------------|---------------------------------------------------|
| no full answer, 5xx, no JSON    | `api`, in one call  | up to `api.tries` attempts, seconds apart         |
| "slow down", or a `Retry-After` | `api`, its limiter  | everybody holds, then the call goes on            |
| "slow down" for too long        | `workers`           | a stop, ending `throttled`; the next run goes on  |
| the server does not answer      | `workers`, `outage` | all hold for `reports.retry_after`, doubled       |
| ... for `reports.deadline`      | `workers`           | a stop, ending `partial`; the next run goes on    |
| a listing failed                | `listings`          | once more, after all others; then its project is  |
|                                 |                     | unread and nothing of it can be gone              |
| an empty list, not empty before | `discover`          | once more, after all others; then it counts       |
| a call for a report failed      | `pool`              | after `reports.retry_after`, doubled, up to       |
|                                 |                     | `reports.tries` calls within `reports.deadline`   |
| the report is being generated   | `pool`, `queue`     | polled after the wait that was learned, until     |
|                                 |                     | `reports.deadline`; then pending, first next time |
| a report is not found           | `stages`            | its project is listed again: is it deleted?       |
| it failed so in three runs      | `settle`, `plan`    | after `reports.retry_unavailable_days`            |
| credentials, disk, lock refused | nobody              | the run ends                                      |
"""

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
from harvester.harvest.run import Run, RunResult

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
    "RunObserver",
    "RunResult",
    "Settled",
    "Started",
    "Stopping",
    "open_run",
    "preview_run",
]
