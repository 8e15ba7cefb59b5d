"""What one run will do about every backtest, read from disk each time that it is needed.

The plan of a large account is not kept in memory: the survey, the requests and the filling each compute it
again, project by project. They agree because it is a pure function of the listing, the Inventory before it,
what was found lost, and the settings; none of these changes while one of them is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harvester.harvest.decision import Decision, FetchReport
from harvester.harvest.gone import GoneCount
from harvester.harvest.plan import Listing, Policy, plan_account
from harvester.harvest.settle import Result
from harvester.model import InventoryEntry

Entries = Iterable[tuple[int, Collection[InventoryEntry]]]


@dataclass
class Survey:
    """What the plan comes to, before anything is requested."""

    listed: int = 0
    requests: int = 0
    urgent: list[FetchReport] = field(default_factory=list)
    """What is to be requested first."""
    lost: list[Decision] = field(default_factory=list)
    """Reports that an earlier run has found lost."""
    missing: GoneCount = field(default_factory=GoneCount)


@dataclass
class RunPlan:
    """The decisions of one run; its methods read from disk, so they are called in a worker thread."""

    listing: Listing
    entries: Callable[[], Entries]
    """Reads the previous Inventory, project by project."""
    policy: Policy
    results: Mapping[tuple[int, str], Result]
    """Facts that are known already: nothing is requested for these."""

    def decisions(self) -> Iterator[tuple[int, list[Decision]]]:
        """Every project's decisions, by project id."""
        return plan_account(self.listing, self.entries(), self.policy)

    def survey(self) -> Survey:
        """Count what is to be done."""
        survey = Survey()
        for _, decisions in self.decisions():
            for decision in decisions:
                survey.missing.add(decision)
                survey.listed += decision.listed
                if decision.earlier is not None and decision.earlier.lost_since:
                    survey.lost.append(decision)
                if isinstance(decision, FetchReport) and decision.key not in self.results:
                    survey.requests += 1
                    if decision.urgent:
                        survey.urgent.append(decision)
        return survey

    def requests(self, urgent: Iterable[FetchReport]) -> Iterator[FetchReport]:
        """What is to be requested: the urgent of the survey first, then the others by project."""
        # A copy: facts are added while this is read in another thread.
        known = set(self.results)
        yield from urgent
        for _, decisions in self.decisions():
            for decision in decisions:
                if isinstance(decision, FetchReport) and not (decision.urgent or decision.key in known):
                    yield decision
