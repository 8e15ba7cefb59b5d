"""`harvester verify`: whether the archive is what was committed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harvester.cli import options
from harvester.cli.console import ExitCode, Session, emit_json, leave

if TYPE_CHECKING:
    from harvester.archive import Archive, Snapshot
    from harvester.audit import Problem, Repaired, Subset, Surroundings
    from harvester.config import Loaded
    from harvester.model import InventoryEntry

_SHOWN = 500
"""Problems printed for people; `--json` has all of them."""
_NAMED = 20
"""Strangers printed for people."""


def verify(
    context: typer.Context,
    dates: Annotated[
        list[str] | None, typer.Argument(metavar="DATE", help="Snapshots, or latest; default: all.")
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(
            metavar="K/N", help="Hash the K-th of N parts; auto/N: the part whose turn it is today."
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Replace damaged files by ones with the recorded digest.")
    ] = False,
    bucket: options.InBucket = False,
    read: Annotated[
        bool, typer.Option("--read", help="With --bucket: download too, or the part that --subset names.")
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="With --bucket: ask for each stored checksum and lock.")
    ] = False,
    archive: options.Archive = None,
    account: options.Account = None,
    lock_wait: Annotated[
        str | None, typer.Option(metavar="10m", help="With --repair: wait for a run to end.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Check every digest, the ledger's chain, inventories against the disk, and permissions.

    With --subset only a part of the reports is hashed; everything else is checked all the same. Without
    dates the catalog is compared with the inventories too, and what is no part of the archive is listed.

    A repair takes files from other Snapshots, makes images again from their report, reads lost reports
    again, and makes files read-only again; with bucket.url set it takes files from the bucket too. What it
    replaces is kept below .damaged/ in the archive.

    With --bucket the ledger, lists, sizes and ETags of the copy are checked without downloading a report,
    and --repair uploads again what is damaged there.

    \b
    Examples:
      harvester verify                            everything
      harvester verify latest                     the newest Snapshot
      harvester verify latest --subset auto/7     a seventh each night; a week covers everything
      harvester verify 2026-11-22 --repair        and mend what can be mended
      harvester verify --bucket                   the copy in the bucket, from its listing
      harvester verify --bucket --read --subset auto/7

    \b
    Exit codes:
      0 all is well (again)   1 error   2 usage   11 a run is under way   16 disk
      20 problems were found, or are left after --repair
    """
    from harvester.archive import Archive
    from harvester.cli.commands.verify_bucket import BucketCheck

    session: Session = context.obj
    part = _parse_subset(subset)
    loaded = session.load(
        account, archive__dir=str(archive) if archive else None, archive__lock_wait=lock_wait
    )
    settings = loaded.settings
    _check_bucket_options(bucket, {"--read": read, "--checksums": checksums})
    if bucket:
        look = BucketCheck(session, loaded, tuple(dates or []), part, read, checksums, repair)
        leave(look.run())
    found = Archive.open(Path(settings.archive.dir))
    check = _Check(session, found, dates or [], part, json)
    if repair:
        with found.lock(command="verify --repair", wait_s=float(settings.archive.lock_wait)):
            leave(check.run(loaded))
    leave(check.run(None))


def _check_bucket_options(bucket: bool, given: dict[str, bool]) -> None:
    """Refuse options that are about the Bucket where it was not asked for."""
    from harvester.errors import ConfigError

    for option, wanted in given.items():
        if wanted and not bucket:
            raise ConfigError(f"{option} goes with --bucket")


class _Check:
    """One verify as it was asked for."""

    def __init__(
        self, session: Session, archive: Archive, dates: list[str], subset: Subset | None, json: bool
    ) -> None:
        self._session = session
        self._archive = archive
        self._dates = dates
        self._snapshots: list[Snapshot] = []
        self._subset = subset
        self._json = json
        self._strangers: list[str] = []
        self._lost: list[InventoryEntry] = []
        """Reports that the newest of the Snapshots says are lost."""

    def run(self, loaded: Loaded | None) -> ExitCode:
        """Verify, repair when there are settings for it, and say what came of it."""
        from harvester.audit import Surroundings, find_lost, look_around, verify_archive
        from harvester.cli.output.bar import byte_bar

        # Under the lock, if there is one: a run that was waited for may have committed another Snapshot.
        self._snapshots = [*map(self._archive.snapshot, self._dates)] or self._archive.snapshots()
        started = time.monotonic()
        done = 0
        with byte_bar(self._session, "verifying", wanted=not self._json) as show:

            def on_progress(count: int, total: int) -> None:
                nonlocal done
                done = count
                show(count, total)

            problems = verify_archive(
                self._archive, self._snapshots, subset=self._subset, on_progress=on_progress
            )
        around = Surroundings() if self._dates else look_around(self._archive)
        repaired = self._repair([*problems, *around.problems], loaded)
        self._strangers = around.strangers
        self._warn(around, repaired)
        self._lost = find_lost(self._snapshots[-1]) if self._snapshots else []
        code = ExitCode.DAMAGED if repaired.left else ExitCode.OK
        if self._json:
            emit_json(self._document(repaired, code, done, time.monotonic() - started))
        else:
            self._tell(repaired, done, time.monotonic() - started)
        return code

    def _warn(self, around: Surroundings, repaired: Repaired) -> None:
        from harvester.format import DAMAGED

        for text in around.warnings:
            self._session.log.warning(text)
        if repaired.passed_over:
            text = (
                f"{repaired.passed_over} of the replaced files were not kept: {self._archive.root / DAMAGED} "
                "is full. Look into what is there and delete it"
            )
            self._session.log.warning(text)

    def _repair(self, problems: list[Problem], loaded: Loaded | None) -> Repaired:
        from harvester.audit import Repaired, repair_archive

        if loaded is None or not problems:
            return Repaired([], problems)
        from harvester.app import bucket_files, reader

        fetch = bucket_files(self._session, loaded)
        mended: list[Problem] = []
        try:
            with reader(self._session, self._archive, loaded.settings) as reread:
                return repair_archive(
                    self._archive, problems, fetch=fetch, reread=reread, on_mended=mended.append
                )
        except BaseException:
            # Of a full disk or Ctrl-C too: no other record is left of which committed files were replaced.
            for problem in mended:
                self._session.log.warning("mended", file=str(problem))
            raise

    def _tell(self, repaired: Repaired, done_bytes: int, took_s: float) -> None:
        from harvester.format import DAMAGED
        from harvester.text import render_size

        session = self._session
        for problem in repaired.mended[:_SHOWN]:
            session.say(f"mended: {problem}")
        if len(repaired.mended) > _SHOWN:
            session.say(f"... and {len(repaired.mended) - _SHOWN} more; --json has all")
        if repaired.kept:
            place = self._archive.root / DAMAGED
            session.say(f"kept what was replaced, {_count(repaired.kept, 'file')}, below {place}")
        for problem in repaired.left[:_SHOWN]:
            session.show(str(problem), f"    {problem.kind}: {problem.remedy}")
        if len(repaired.left) > _SHOWN:
            session.show(f"... and {len(repaired.left) - _SHOWN} more; --json has all")
        for entry in self._lost[:_SHOWN]:
            label = f"{entry.project} / {entry.name} [{entry.backtest_id}]"
            session.show(f"lost since {entry.lost_since}: {label}: {entry.reason}")
        if self._strangers:
            more = f" and {len(self._strangers) - _NAMED} more" if len(self._strangers) > _NAMED else ""
            session.say(f"not part of the archive, not checked: {', '.join(self._strangers[:_NAMED])}{more}")
        part = "" if self._subset is None else f", part {self._subset[0]} of {self._subset[1]}"
        snapshots = _count(len(self._snapshots), "Snapshot")
        problems = _count(len(repaired.left), "problem")
        session.say(f"verified {snapshots}{part}: {render_size(done_bytes)} in {took_s:.1f} s, {problems}")

    def _document(self, repaired: Repaired, code: ExitCode, done_bytes: int, took_s: float) -> dict[str, Any]:
        import msgspec

        return {
            "exit_code": code.value,
            "exit": code.label,
            "snapshots": [snapshot.name for snapshot in self._snapshots],
            "subset": self._subset,
            "payload_bytes": done_bytes,
            "seconds": round(took_s, 3),
            "problems": msgspec.to_builtins(repaired.left),
            "mended": msgspec.to_builtins(repaired.mended),
            "kept_damaged": repaired.kept,
            "strangers": self._strangers,
            "lost": [
                {
                    "project_id": entry.project_id,
                    "backtest_id": entry.backtest_id,
                    "name": entry.name,
                    "since": entry.lost_since,
                    "report_sha256": entry.report_sha256,
                    "reason": entry.reason,
                }
                for entry in self._lost
            ],
        }


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _parse_subset(text: str | None) -> Subset | None:
    """K and N of `K/N`; `auto/N` is the part whose turn it is today."""
    from datetime import UTC, datetime

    from harvester.audit import subset_of_day
    from harvester.errors import ConfigError

    if text is None:
        return None
    part, _, parts = text.partition("/")
    if parts.isdecimal() and 1 <= int(parts) <= 366:
        if part == "auto":
            return subset_of_day(datetime.now(UTC).date(), int(parts))
        if part.isdecimal() and 1 <= int(part) <= int(parts):
            return int(part), int(parts)
    raise ConfigError(f"--subset {text}: that is no part; write 1/7 or auto/7")
