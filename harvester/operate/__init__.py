"""What an operator sees of a run: progress, journal, notifications, metrics, schedule."""

from harvester.operate.journal import journal_at
from harvester.operate.metrics import RunFigures, save_metrics
from harvester.operate.notify import ping, post_summary, send_message
from harvester.operate.observers import Observers
from harvester.operate.progress import Bar, Lines, Tally
from harvester.operate.schedule import Plan, render_cron, render_service, render_timer

__all__ = [
    "Bar",
    "Lines",
    "Observers",
    "Plan",
    "RunFigures",
    "Tally",
    "journal_at",
    "ping",
    "post_summary",
    "render_cron",
    "render_service",
    "render_timer",
    "save_metrics",
    "send_message",
]
