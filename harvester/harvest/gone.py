"""How much of what is archived would be gone at once: pure."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.harvest.decision import Decision
from harvester.harvest.plan import Policy


@dataclass
class GoneCount:
    """How much of what is archived a plan would mark as gone, counted decision by decision."""

    archived: int = 0
    """Reports that were archived and not gone before."""
    gone: int = 0
    """How many of those reports would be gone now."""

    def add(self, decision: Decision) -> None:
        """Count one decision."""
        if decision.earlier is not None and decision.earlier.archived and not decision.earlier.gone_since:
            self.archived += 1
            self.gone += decision.gone

    def withholds(self, policy: Policy) -> bool:
        """Whether so much is gone at once that the user has to confirm it.

        There is no exception for small archives: one that holds three reports and would lose two has most
        to lose by an answer that is wrong, and the user who did delete them confirms it once.
        """
        return self.gone * 2 > self.archived and not policy.accept_gone

    @property
    def reason(self) -> str:
        """What the user reads then."""
        return (
            f"{self.gone} of {self.archived} archived reports are no longer listed, more than half at once; "
            "none of them was marked as gone. See whether they are still at QuantConnect; "
            "if they were deleted there, run once with --accept-gone"
        )
