"""Harvester from Python: run it, and read an Archive. What is here and in `harvester` is stable."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from harvester.app.failures import worst_of
from harvester.app.log import StandardLog
from harvester.app.places import config_places, credentials_of
from harvester.app.runs import Display, RunOrder, make_snapshot_async
from harvester.archive import Archive as WritableArchive
from harvester.archive import Snapshot as StoredSnapshot
from harvester.config import Credentials, Loaded, Settings, pick_account
from harvester.config import load_settings as load_all_settings
from harvester.harvest import RunObserver, RunResult
from harvester.model import InventoryEntry, ReportRecord, SnapshotRecord
from harvester.secrets import Secret


def load_settings(
    path: str | Path | None = None, *, account: str | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Load the settings in force: `overrides`, then the environment, then a TOML file, then defaults.

    Args:
        path: The file; None: the one that `HARVESTER_CONFIG` names, else `./harvester.toml`, else the one in
            the user's configuration directory, else none.
        account: One of `[accounts]` in the file; needed only if there are several.
        overrides: Settings by name: `{"archive.dir": "reports", "pace.rate_per_min": 20}`.

    Raises:
        harvester.errors.ConfigError: everything that is wrong, with its place.
    """
    loaded = load_all_settings(
        path=None if path is None else Path(path),
        environ=os.environ,
        overrides=dict(overrides or {}),
        places=config_places(),
    )
    return pick_account(loaded, account).settings


async def run(
    settings: Settings,
    *,
    credentials: Credentials | tuple[int, str] | None = None,
    observer: RunObserver | None = None,
) -> RunResult:
    """Make one Snapshot: read every report that is new or has changed, carry the rest.

    Nothing is printed; warnings go to `logging.getLogger("harvester")`. A cancelled call keeps what it has
    read, and the next one resumes there.

    Args:
        settings: From `load_settings`, or built: `Settings(archive=ArchiveSettings(dir="reports"))`.
        credentials: User id and API token; None: looked for as the command line does.
        observer: Is told of every request and event.

    Returns:
        The Snapshot's path and its record: counts by Outcome, `complete`, `ending`.

    Raises:
        harvester.errors.HarvesterError: nothing was committed; the class says why.
    """
    found = await anyio.to_thread.run_sync(_credentials, settings, credentials)
    display = Display(run=lambda: nullcontext(() if observer is None else (observer,)))
    try:
        return (await make_snapshot_async(RunOrder(settings, found), StandardLog(), display)).result
    except BaseExceptionGroup as group:  # several workers may have met the same error; callers catch one
        raise worst_of(group) from group


def _credentials(settings: Settings, given: Credentials | tuple[int, str] | None) -> Credentials:
    if given is None:
        return credentials_of(Loaded(settings, {}, None), os.environ)
    if isinstance(given, Credentials):
        return given
    user_id, token = given
    return Credentials(user_id, Secret(token), "the caller")


@dataclass(frozen=True)
class Archive:
    """All Snapshots of one account, to be read."""

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Archive:
        """Open an existing Archive; nothing is written.

        Raises:
            harvester.errors.ArchiveError: there is none at `path`, or it was written by a newer harvester.
        """
        return cls(WritableArchive.open(Path(path)).root)

    def snapshots(self) -> list[Snapshot]:
        """Return all Snapshots, oldest first."""
        return [Snapshot(stored) for stored in WritableArchive.open(self.path).snapshots()]

    def snapshot(self, name: str = "latest") -> Snapshot:
        """Return the Snapshot of that name, such as `2026-11-22`; `latest` is the newest.

        Raises:
            harvester.errors.HarvesterError: there is none; names those that exist.
        """
        return Snapshot(WritableArchive.open(self.path).snapshot(name))


class Snapshot:
    """One dated run, complete in itself, never changed."""

    def __init__(self, stored: StoredSnapshot) -> None:
        self._stored = stored

    def __repr__(self) -> str:
        return f"<Snapshot {self.name}>"

    @property
    def name(self) -> str:
        """Its date, with a number if it was not the first of the day: `2026-11-22.2`."""
        return self._stored.name

    @property
    def path(self) -> Path:
        """Its directory, a BagIt bag."""
        return self._stored.path

    def record(self) -> SnapshotRecord:
        """Return its `snapshot.json`: when, counts by Outcome, whether complete.

        Raises:
            harvester.errors.CorruptArchiveError: it is missing or damaged.
        """
        return self._stored.record()

    def inventory(self) -> Iterator[InventoryEntry]:
        """Yield one entry for each listed backtest, by project id, created, backtest id.

        Raises:
            harvester.errors.CorruptArchiveError: a line is damaged; names it.
        """
        return self._stored.inventory()

    def report(self, entry: InventoryEntry) -> ReportRecord:
        """Return the `report.json` of an archived backtest.

        Raises:
            harvester.errors.CorruptArchiveError: the entry has no report here, or its file is damaged.
        """
        return self._stored.report(entry)

    def file(self, entry: InventoryEntry, name: str) -> Path:
        """Return the path of a file of an archived backtest: `report.html`, `images/01-monthly-returns.png`.

        Raises:
            harvester.errors.CorruptArchiveError: the entry has no report here.
        """
        return self._stored.file(entry, name)

    def table(self) -> list[dict[str, Any]]:
        """Return one row for each backtest, all with the same keys; statistics are columns of their own.

        Pass it to `pandas.DataFrame` or `polars.DataFrame`; DuckDB reads either. A statistic that a
        backtest does not have is None.

        Raises:
            harvester.errors.CorruptArchiveError: a line of the inventory is damaged; names it.
        """
        return table_of(list(self.inventory()))


def table_of(entries: list[InventoryEntry]) -> list[dict[str, Any]]:
    """Return entries as flat rows with the same keys: fields, then every statistic that any entry has."""
    statistics = sorted({name for entry in entries for name in entry.statistics})
    fields = [field.name for field in msgspec.structs.fields(InventoryEntry) if field.name != "statistics"]
    return [
        {name: _plain(getattr(entry, name)) for name in fields}
        | {name: entry.statistics.get(name) for name in statistics}
        for entry in entries
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value
