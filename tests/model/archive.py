"""The model: what must be true of an Archive after every command, whatever was done to it before."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import time_machine
import typer.main
from model.damage import DAMAGES, INVENTORY, MANIFEST, payload
from model.source import (
    PROJECTS,
    Key,
    Server,
    SmallAccount,
    contents_of,
    html_of,
    make_account,
    make_backtest,
    sha256,
)
from support.builders import TOKEN, USER_ID

from harvester.cli.app import app, expand_bare_refresh
from harvester.cli.invocation import Invocation
from harvester.cli.output.errors import report_error
from harvester.format.ledger import load_ledger
from harvester.model import InventoryEntry

_COMMAND = typer.main.get_command(app)
_FIRST = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """How a command ended, and all that it said."""

    code: int
    text: str


@dataclass
class Story:
    """One Archive and the account behind it, with everything that was done to them."""

    root: Path
    server: Server
    account: SmallAccount = field(default_factory=make_account)
    at: datetime = _FIRST
    told: list[str] = field(default_factory=list)
    """For whoever has to find out why a sequence has failed."""
    honest: dict[Key, dict[str, str]] = field(default_factory=dict)
    """By backtest every version that was ever served while a run was under way: sha256 and HTML."""
    archived: dict[Key, str] = field(default_factory=dict)
    """What the newest Snapshot has of each backtest: the sha256 of its report."""
    made: int = 100

    def __post_init__(self) -> None:
        self.server.serve(self.account)

    # -- the source -------------------------------------------------------------------------------

    def change_source(self, kind: str, dice: random.Random) -> None:
        """Something happens at QuantConnect."""
        keys = [(spec.project_id, backtest.backtest_id) for spec, backtest in self.account.backtests()]
        if kind == "add" or not keys:
            self.made += 1
            self.account.add_backtest(dice.choice(PROJECTS), make_backtest(self.made))
            return
        project_id, backtest_id = dice.choice(keys)
        spec = self.account.projects[project_id].backtests[backtest_id].spec
        if kind == "change":
            fields = {"seed": spec.seed + 1000, "snapshot_id": spec.snapshot_id + 1}
            self.account.change_backtest(project_id, backtest_id, **fields)
        elif kind == "rename":
            self.account.change_backtest(project_id, backtest_id, name=f"{spec.name}x")
        elif kind == "rename the project":
            self.account.rename_project(project_id, f"{self.account.projects[project_id].spec.name}x")
        else:
            self.account.delete_backtest(project_id, backtest_id)

    def listed(self) -> dict[Key, str]:
        """The HTML of every backtest that there is now."""
        return {
            (project.project_id, backtest.backtest_id): html_of(backtest)
            for project, backtest in self.account.backtests()
        }

    # -- commands ---------------------------------------------------------------------------------

    def run(self, *words: str, days: int = 1) -> Said:
        """One night; it must end with a Snapshot that holds what it says it holds."""
        self.at += timedelta(days=days)
        listed = self.listed()
        for key, html in listed.items():
            self.honest.setdefault(key, {})[sha256(html.encode())] = html
        names = {path.name for path in self.root.glob("2026-*")}
        before = self.digests()
        said = self.call("run", *words)
        new = {path.name for path in self.root.glob("2026-*")} - names
        assert said.code in {0, 3, 20}, f"a night ended with {said.code}: {said.text}"
        assert len(new) == 1, f"a night has committed nothing: {said.text}"
        self._check_kept(before, {})
        self._check_committed(self.root / new.pop(), said, listed, whole="--project" not in words)
        return said

    def prune(self, dice: random.Random) -> None:
        rules = [
            ["--keep-daily", "1"],
            ["--keep-daily", "3"],
            ["--keep-weekly", "2"],
            ["--keep-within", "3d"],
        ]
        words = [*dice.choice(rules), *(["--drop-superseded"] if dice.random() < 0.2 else [])]
        before = self.digests()
        said = self.call("prune", *words, "--yes")
        assert said.code in {0, 20}, f"a prune ended with {said.code}: {said.text}"
        self._check_kept(before, self.archived if "--drop-superseded" in words else {})

    def repair(self) -> None:
        before = self.digests()
        said = self.call("verify", "--repair")
        assert said.code in {0, 20}, f"a repair ended with {said.code}: {said.text}"
        self._check_kept(before, {})
        assert said.code == 20 or not (wrong := list(self.wrong_files())), f"not named: {wrong}"

    def damage(self, kind: str, dice: random.Random) -> None:
        if payload(self.root):
            self.told.append(DAMAGES[kind](self.root, dice))

    def call(self, *words: str) -> Said:
        """A command in this process, at the hour of the story."""
        environ = {
            "HARVESTER_API_BASE_URL": self.server.simulator.base_url,
            "HARVESTER_API_TRIES": "1",
            "HARVESTER_ARCHIVE_DIR": str(self.root),
            "HARVESTER_PACE_BURST": "10",
            "HARVESTER_PACE_RATE_PER_MIN": "60000",
            "HARVESTER_REPORTS_RETRY_AFTER": "20ms",
            "QUANTCONNECT_API_TOKEN": TOKEN,
            "QUANTCONNECT_USER_ID": str(USER_ID),
            "HOME": os.environ["HOME"],
        }
        invocation, text = Invocation(environ=environ), io.StringIO()
        with redirect_stdout(text), redirect_stderr(text), time_machine.travel(self.at, tick=True):
            try:
                _COMMAND.main(args=expand_bare_refresh(words), prog_name="harvester", obj=invocation)
            except SystemExit as exc:
                code = int(exc.code or 0)
            except Exception as exc:
                code = report_error(exc, invocation).value
        self.told.append(f"{self.at:%m-%d} {' '.join(words)}: {code}")
        return Said(code, text.getvalue())

    # -- what must be true ------------------------------------------------------------------------

    def digests(self) -> set[str]:
        """Of every file in every Snapshot's payload, and of what repairs have replaced."""
        seen: dict[int, str] = {}
        kept = [path for path in (self.root / ".damaged").rglob("*") if path.is_file()]
        for path in [*payload(self.root), *kept]:
            inode = path.stat().st_ino
            if inode not in seen:
                seen[inode] = sha256(path.read_bytes())
        return set(seen.values())

    def _check_kept(self, before: set[str], superseding: dict[Key, str]) -> None:
        """Bytes that were somewhere on the disk still are, unless a later version may stand for them."""
        after = self.digests()
        for key, versions in self.honest.items():
            for digest, html in versions.items():
                lost = {name for name, own in contents_of(html).items() if own in before - after}
                later = superseding.get(key, digest)
                if later != digest and set(contents_of(versions.get(later, html)).values()) <= after:
                    continue
                assert not lost, f"the last copies of {lost} of {key} are gone"

    def _check_committed(self, snapshot: Path, said: Said, listed: dict[Key, str], *, whole: bool) -> None:
        recorded = dict(_manifest(snapshot))
        entries = {(entry.project_id, entry.backtest_id): entry for entry in _inventory(snapshot)}
        archived = {key: entry.report_sha256 for key, entry in entries.items() if entry.path}
        for key, digest in archived.items():
            assert digest in self.honest.get(key, {}), f"{key} has bytes that were never served"
            path, own = entries[key].path, contents_of(self.honest[key][digest])
            for name, sha in own.items():
                assert recorded.get(f"{path}/{name}") == sha, f"the Manifest is wrong about {path}/{name}"
        if said.code == 0 and whole:
            current = {key: sha256(html.encode()) for key, html in listed.items()}
            assert {key: archived.get(key) for key in current} == current, "a complete night lacks reports"
        for key in self.archived.keys() - archived.keys():
            assert said.code in {3, 20}, f"{key} was lost without a word"
            named = key[1] in said.text or "Nothing is taken from" in said.text
            assert named, f"{key} was lost and is not named: {said.text}"
        self.archived = archived

    def wrong_files(self) -> Iterator[str]:
        """Files of committed Snapshots that are not what was served; found without harvester's own verify."""
        for name in load_ledger(self.root).committed:
            snapshot = self.root / name
            try:
                recorded = list(_manifest(snapshot))
            except (OSError, ValueError):
                yield f"{name}/{MANIFEST}"
                continue
            for path, digest in recorded:
                file = snapshot / path
                if not file.is_file() or sha256(file.read_bytes()) != digest:
                    yield f"{name}/{path}"


def _manifest(snapshot: Path) -> Iterator[tuple[str, str]]:
    for line in (snapshot / MANIFEST).read_text().splitlines():
        digest, path = line.split("  ", 1)
        yield path, digest


def _inventory(snapshot: Path) -> Iterator[InventoryEntry]:
    for line in (snapshot / INVENTORY).read_bytes().splitlines():
        yield msgspec.json.decode(line, type=InventoryEntry)
