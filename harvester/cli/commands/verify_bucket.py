"""`harvester verify --bucket`: check that the copy in the bucket is what was pushed."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harvester.app import ExitCode, PushJob, connect_bucket
from harvester.archive import Archive
from harvester.audit import Subset
from harvester.bucket import BucketProblem, BucketRepair, BucketRepaired, Connection, Scope, Verified, Verify
from harvester.cli.output.bar import byte_bar
from harvester.cli.output.emit import emit_json
from harvester.cli.session import Session
from harvester.config import Loaded
from harvester.errors import ConfigError
from harvester.format import ARCHIVE_FILE
from harvester.text import render_size

_SHOWN = 500
"""Findings printed as text; `--json` has all of them."""


@dataclass(frozen=True)
class BucketCheck:
    """One `verify --bucket` as it was asked for."""

    session: Session
    loaded: Loaded
    dates: tuple[str, ...] = ()
    subset: Subset | None = None
    """With `read`: the part that is downloaded."""
    read: bool = False
    checksums: bool = False
    repair: bool = False

    def run(self) -> ExitCode:
        """Verify, repair if asked to, and print what was found."""
        connection = connect_bucket(self.loaded, self.session.invocation.environ)
        archive = self._archive()
        started = time.monotonic()
        if not self.repair or archive is None:
            found, repaired = self._verify(connection, archive), None
        else:
            wait_s = float(self.loaded.settings.archive.lock_wait)
            with archive.lock(command="verify --bucket --repair", wait_s=wait_s):
                found = self._verify(connection, archive)
                repaired = self._repair(connection, archive, found)
        took_s = time.monotonic() - started
        left = found.problems if repaired is None else repaired.left
        code = ExitCode.DAMAGED if any(item.is_damage for item in left) else ExitCode.OK
        if self.session.json:
            emit_json(self._document(found, repaired, code, took_s))
        else:
            self._print(found, repaired, took_s)
        return code

    def _archive(self) -> Archive | None:
        """The Archive on disk, if there is one, to compare the Bucket with and to repair it from."""
        root = Path(self.loaded.settings.archive.dir)
        if (root / ARCHIVE_FILE).exists():
            return Archive.open(root)
        if self.repair:
            raise ConfigError(
                f"--repair: {root} is not an archive, and a bucket is repaired from its archive"
            )
        return None

    def _verify(self, connection: Connection, archive: Archive | None) -> Verified:
        scope = Scope(
            snapshots=self.dates,
            read=(self.subset or (1, 1)) if self.read else None,
            checksums=self.checksums,
            at_once=self.loaded.settings.bucket.at_once,
        )
        bar = byte_bar("reading", wanted=self.read and self.session.wants_bar)
        with bar if self.read else nullcontext(lambda done, total: None) as show:
            look = Verify(connection.store, scope, archive=archive, s3=connection.s3, on_bytes=show)
            return look.run()

    def _repair(self, connection: Connection, archive: Archive, found: Verified) -> BucketRepaired:
        job = PushJob(self.loaded.settings, self.loaded.account, archive, self.session.invocation.environ)
        work = BucketRepair(connection.store, archive, job.push(), s3=connection.s3)
        return work.run(found.problems, found.named)

    def _print(self, found: Verified, repaired: BucketRepaired | None, took_s: float) -> None:
        session = self.session
        left = found.problems if repaired is None else repaired.left
        for item in repaired.repaired[:_SHOWN] if repaired else []:
            session.say(f"repaired: {item}")
        for item in left[:_SHOWN]:
            show = session.show if item.is_damage else session.say
            show(str(item), f"    {item.finding}: {item.fix}")
        if len(left) > _SHOWN:
            session.show(f"... and {len(left) - _SHOWN} more; --json has all")
        read = f", {render_size(found.read_bytes)} read" if self.read else ""
        damage = sum(item.is_damage for item in left)
        session.say(
            f"verified {found.snapshots} Snapshots, {found.objects} objects{read} in {took_s:.1f} s: "
            f"{damage or 'no'} {'problem' if damage == 1 else 'problems'}"
        )

    def _document(
        self, found: Verified, repaired: BucketRepaired | None, code: ExitCode, took_s: float
    ) -> dict[str, Any]:
        left = found.problems if repaired is None else repaired.left
        return {
            "exit_code": code.value,
            "exit": code.label,
            "snapshots": found.snapshots,
            "objects": found.objects,
            "read_bytes": found.read_bytes,
            "seconds": round(took_s, 3),
            "problems": _rows(item for item in left if item.is_damage),
            "remarks": _rows(item for item in left if not item.is_damage),
            "repaired": _rows(repaired.repaired if repaired else ()),
        }


def _rows(items: Any) -> list[dict[str, Any]]:
    found: list[BucketProblem] = list(items)
    return [msgspec.to_builtins(item) for item in found]
