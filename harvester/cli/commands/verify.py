"""`harvester verify`: check that the archive is what was committed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from harvester.app import ExitCode, refetcher
from harvester.archive import Archive, Snapshot
from harvester.audit import (
    Problem,
    RepairResult,
    RootFindings,
    Subset,
    check_root,
    find_lost,
    repair_archive,
    subset_of_day,
    verify_archive,
)
from harvester.cli.options import with_options
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session, leave
from harvester.config import Loaded
from harvester.errors import ConfigError
from harvester.format import DAMAGED
from harvester.model import InventoryEntry
from harvester.text import render_size

_SHOWN = 500
"""Problems printed as text; `--json` has all of them."""
_NAMED = 20
"""Foreign files printed as text."""


@with_options("archive", "account", "lock_wait", "json")
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
    bucket: Annotated[
        bool, typer.Option("--bucket", help="Check the copy in the bucket, not the archive on disk.")
    ] = False,
    read: Annotated[
        bool,
        typer.Option("--read", help="With --bucket: download reports too, or the part in --subset."),
    ] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="With --bucket: ask for each stored checksum and lock.")
    ] = False,
) -> None:
    """Check every digest, the ledger's chain, inventories against the disk, and permissions.

    With --subset only a part of the reports is hashed; everything else is still checked. Without dates the
    catalog is compared with the inventories too, and files that are not part of the archive are listed.

    A repair copies files from other Snapshots, extracts images from their report, fetches lost reports and
    makes files read-only. What it replaces is kept below .damaged/ in the archive.
    With bucket.url set it takes files from the bucket too.

    With --bucket the ledger, lists, sizes and ETags of the copy are checked without downloading a report,
    and --repair uploads again what is damaged there.

    \b
    Examples:
      harvester verify                         everything
      harvester verify latest                  the newest Snapshot
      harvester verify latest --subset auto/7  a seventh each night, all in a week
      harvester verify 2026-11-22 --repair     and repair what can be repaired
      harvester verify --bucket                the copy in the bucket, by listing
      harvester verify --bucket --read --subset auto/7

    \b
    Exit codes:
      0 no problems, or none left after --repair
      1 error
      2 usage
      11 a run is under way
      16 disk
      20 there are problems, or some are left after --repair
    """
    session = Session.of(context)
    part = _parse_subset(subset)
    loaded = session.load()
    if bucket:
        # Imported for --bucket: it needs the extra `bucket`.
        from harvester.cli.commands.verify_bucket import BucketCheck  # noqa: PLC0415

        leave(BucketCheck(session, loaded, tuple(dates or []), part, read, checksums, repair).run())
    if read or checksums:
        raise ConfigError(f"{'--read' if read else '--checksums'} needs --bucket")
    settings = loaded.settings.archive
    archive = Archive.open(Path(settings.dir))
    verification = _Verification(session, archive, dates or [], part)
    if repair:
        with archive.lock(command="verify --repair", wait_s=float(settings.lock_wait)):
            leave(verification.run(repair_with=loaded))
    leave(verification.run(repair_with=None))


class _Verification:
    """One `verify` as it was asked for."""

    def __init__(self, session: Session, archive: Archive, dates: list[str], subset: Subset | None) -> None:
        self._session = session
        self._archive = archive
        self._dates = dates
        self._snapshots: list[Snapshot] = []
        self._subset = subset
        self._strangers: list[str] = []
        self._lost: list[InventoryEntry] = []
        """Reports that are lost according to the newest of the Snapshots."""

    def run(self, *, repair_with: Loaded | None) -> ExitCode:
        """Verify, repair if asked to, and print what was found.

        Args:
            repair_with: Settings for fetching lost reports; None: no repair.
        """
        # Under the lock, if there is one: the run that we waited for may have committed a Snapshot.
        self._snapshots = [*map(self._archive.snapshot, self._dates)] or self._archive.snapshots()
        started = time.monotonic()
        done = 0
        with byte_bar(
            "verifying", wanted=not self._session.json and not self._session.invocation.quiet
        ) as show:

            def on_progress(count: int, total: int) -> None:
                nonlocal done
                done = count
                show(count, total)

            problems = verify_archive(
                self._archive, self._snapshots, subset=self._subset, on_progress=on_progress
            )
        around = RootFindings() if self._dates else check_root(self._archive)
        repaired = self._repair([*problems, *around.problems], repair_with)
        self._strangers = around.unknown
        self._warn(around, repaired)
        self._lost = find_lost(self._snapshots[-1]) if self._snapshots else []
        code = ExitCode.DAMAGED if repaired.remaining else ExitCode.OK
        if self._session.json:
            emit_json(self._document(repaired, code, done, time.monotonic() - started))
        else:
            self._print(repaired, done, time.monotonic() - started)
        return code

    def _warn(self, around: RootFindings, repaired: RepairResult) -> None:
        for text in around.warnings:
            self._session.log.warning(text)
        if repaired.not_kept:
            self._session.log.warning(
                f"{repaired.not_kept} of the replaced files were not kept: {self._archive.root / DAMAGED} "
                "is full. Look at what is there and delete it"
            )

    def _repair(self, problems: list[Problem], loaded: Loaded | None) -> RepairResult:
        if loaded is None or not problems:
            return RepairResult([], problems)
        files = None
        if loaded.settings.bucket.url:
            # The bucket is an extra: without it everything else about verify works.
            from harvester.app import bucket_files  # noqa: PLC0415

            files = bucket_files(loaded, self._session.invocation.environ, self._session.log)
        fixed: list[Problem] = []
        try:
            with refetcher(
                self._archive,
                loaded.settings,
                self._session.log,
                credentials=lambda: self._session.credentials(loaded),
            ) as fetch:
                return repair_archive(
                    self._archive, problems, fetch=files, refetch=fetch, on_fixed=fixed.append
                )
        except BaseException:
            # Also on a full disk or Ctrl-C: nothing else records which committed files were replaced.
            for problem in fixed:
                self._session.log.warning("repaired", file=str(problem))
            raise

    def _print(self, repaired: RepairResult, done_bytes: int, took_s: float) -> None:
        session = self._session
        for problem in repaired.fixed[:_SHOWN]:
            session.say(f"repaired: {problem}")
        if len(repaired.fixed) > _SHOWN:
            session.say(f"... and {len(repaired.fixed) - _SHOWN} more; --json has all")
        if repaired.kept:
            place = self._archive.root / DAMAGED
            session.say(f"what was replaced, {_count(repaired.kept, 'file')}, is kept below {place}")
        for problem in repaired.remaining[:_SHOWN]:
            session.show(str(problem), f"    {problem.kind}: {problem.advice}")
        if len(repaired.remaining) > _SHOWN:
            session.show(f"... and {len(repaired.remaining) - _SHOWN} more; --json has all")
        for entry in self._lost[:_SHOWN]:
            label = f"{entry.project} / {entry.name} [{entry.backtest_id}]"
            session.show(f"lost since {entry.lost_since}: {label}: {entry.reason}")
        if self._strangers:
            more = f" and {len(self._strangers) - _NAMED} more" if len(self._strangers) > _NAMED else ""
            session.say(f"not part of the archive, not checked: {', '.join(self._strangers[:_NAMED])}{more}")
        part = "" if self._subset is None else f", part {self._subset[0]} of {self._subset[1]}"
        snapshots = _count(len(self._snapshots), "Snapshot")
        problems = _count(len(repaired.remaining), "problem")
        session.say(f"verified {snapshots}{part}: {render_size(done_bytes)} in {took_s:.1f} s, {problems}")

    def _document(
        self, repaired: RepairResult, code: ExitCode, done_bytes: int, took_s: float
    ) -> dict[str, Any]:
        return {
            "exit_code": code.value,
            "exit": code.label,
            "snapshots": [snapshot.name for snapshot in self._snapshots],
            "subset": self._subset,
            "payload_bytes": done_bytes,
            "seconds": round(took_s, 3),
            "problems": msgspec.to_builtins(repaired.remaining),
            "mended": msgspec.to_builtins(repaired.fixed),
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
    """Return K and N of `K/N`; for `auto/N`, K is the part that is due today."""
    if text is None:
        return None
    part, _, parts = text.partition("/")
    if parts.isdecimal() and 1 <= int(parts) <= 366:
        if part == "auto":
            return subset_of_day(datetime.now(UTC).date(), int(parts))
        if part.isdecimal() and 1 <= int(part) <= int(parts):
            return int(part), int(parts)
    raise ConfigError(f"--subset {text}: not a valid subset; use 1/7 or auto/7")
