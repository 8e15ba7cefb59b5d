"""A year of nights: what is served, what is done, what was promised, and what it came to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from soak import server, worker
from soak.account import Growth, LivingAccount, Night
from soak.child import Child
from soak.promises import Promises
from soak.worker import Done, Order, Vitals

SETTLED = 10
"""From this night on nothing may grow: whatever is made once has been made."""
_WEEK = 7


@dataclass
class Tally:
    """What a year came to."""

    nights: int = 0
    kills: int = 0
    requests: int = 0
    verified: int = 0
    pruned: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    runs: dict[int, Vitals] = field(default_factory=dict)
    """Of the process in which every night runs, by night."""
    audits: list[Vitals] = field(default_factory=list)
    """Of the one in which every verify and every prune does."""
    began: float = field(default_factory=time.monotonic)


class Year:
    """Lives through an account's nights with one Archive."""

    def __init__(self, directory: Path, growth: Growth, *, seed: int, say: Callable[[str], None]) -> None:
        self.root = directory / "archive"
        self.tally = Tally()
        self._growth = growth
        self._account = LivingAccount(seed, growth)
        self._promises = Promises(self.root)
        self._log = directory / "children.log"
        self._say = say
        self._unverified: list[str] = []
        self._usual_s = 1.0

    @property
    def reports(self) -> int:
        """How many reports the newest Snapshot has."""
        return len(self._promises)

    def live(self) -> None:
        """Every night, and at the end everything that is promised of what they have left behind."""
        with ExitStack() as stack:
            self._server = stack.enter_context(Child("server", server.Said, log=self._log))
            self._runner = stack.enter_context(Child("worker", Done, self.root, log=self._log))
            self._auditor = stack.enter_context(Child("worker", Done, self.root, log=self._log))
            for night in self._account.nights():
                self._pass(night)
                if night.number % _WEEK == 0:
                    self._verify(night, self._unverified)
                if night.number % self._growth.month == 0:
                    self._prune(night)
                    self._verify(night)
            self._verify(night)
        self._promises.check_wanted(self._account.wanted())
        self._promises.check_versions()
        self._promises.check_bytes()

    def _pass(self, night: Night) -> None:
        base_url = self._server.ask(server.Ask(night.scenario)).base_url
        order = Order("run", night.at, base_url)
        for share in night.kills:
            self._kill(order, share * self._usual_s)
        done = self._runner.ask(order)
        self._usual_s = done.seconds
        self._unverified.append(done.snapshot)
        said = self._server.ask(server.Ask())
        in_flight = worker.WORKERS * len(night.kills)
        self._promises.check_night(done.snapshot, said.sent, in_flight=in_flight)
        self.tally.nights += 1
        self.tally.requests += said.requests
        self.tally.faults.update(said.faults)
        self.tally.endings[done.ending] += 1
        self.tally.runs[night.number] = done.vitals

    def _kill(self, order: Order, after_s: float) -> None:
        """The same order to a process that does not live to the end of it."""
        with Child("worker", Done, self.root, log=self._log) as doomed:
            self.tally.kills += doomed.ask_and_kill(order, after_s)

    def _verify(self, night: Night, names: Sequence[str] = ()) -> None:
        """What the week has added, or everything; the Ledger in any case."""
        done = self._audit(Order("verify", night.at, names=list(names)))
        assert done.problems == [], f"after night {night.number}: {done.problems[:20]}"
        self._unverified.clear()
        self.tally.verified += 1
        self._tell(f"verify {done.seconds:.1f} s", night.number, done)

    def _prune(self, night: Night) -> None:
        """By the README's rules; every other time it is killed first and has to be done again."""
        order = Order("prune", night.at)
        if night.number // self._growth.month % 2:
            self._kill(order, self._usual_s / 2)
        done = self._audit(order)
        self.tally.pruned += done.pruned
        self._promises.check_versions()
        self._tell(
            f"prune {done.seconds:.1f} s, {done.pruned} went, {done.refused} refused", night.number, done
        )

    def _audit(self, order: Order) -> Done:
        done = self._auditor.ask(order)
        self.tally.audits.append(done.vitals)
        return done

    def _tell(self, what: str, number: int, done: Done) -> None:
        seconds = time.monotonic() - self.tally.began
        self._say(
            f"night {number}: {len(self._promises)} reports, run {self._usual_s:.1f} s, {what}; "
            f"{self.tally.runs[number]} {done.vitals}; {seconds:.0f} s so far"
        )
