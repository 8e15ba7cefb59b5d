"""A bar for work that is counted in bytes: on stderr, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harvester.cli.console import Session


@contextmanager
def byte_bar(session: Session, title: str, *, wanted: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is; gives the function to call with bytes done and bytes in all."""
    if not wanted or session.quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(title, *columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
