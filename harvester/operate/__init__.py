"""Shows a run to people and machines: progress, journal, notifications, metrics; and schedules it.

The rule: nothing here can make a run fail or slow it down. Observers are called through `Observers`, which
records their errors; what is sent over a network returns its error as text, without addresses, which may be
secrets. Only the journal stops a run, when the disk of the archive cannot be written.

    observers   calls several observers                 progress   a bar or log lines
    journal     `journal.jsonl` of a Snapshot           notify     ping, webhook, messages
    metrics     a Prometheus textfile                   schedule   systemd units, a crontab line

Example:
    async with open_journal(partial.path / JOURNAL, stamp=clock.stamp) as journal:
        await run(observer=Observers(journal, ProgressLines(Tally(rate_per_min=30), log.info)))
"""

from harvester.operate.journal import open_journal
from harvester.operate.metrics import RunFigures, save_metrics
from harvester.operate.notify import ping, post_summary, send_message
from harvester.operate.observers import Observers
from harvester.operate.progress import ProgressBar, ProgressLines, Tally
from harvester.operate.schedule import Schedule, render_cron, render_service, render_timer

__all__ = [
    "Observers",
    "ProgressBar",
    "ProgressLines",
    "RunFigures",
    "Schedule",
    "Tally",
    "open_journal",
    "ping",
    "post_summary",
    "render_cron",
    "render_service",
    "render_timer",
    "save_metrics",
    "send_message",
]
