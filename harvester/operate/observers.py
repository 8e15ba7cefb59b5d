"""Several observers behind one: what one of them does wrong hurts neither the run nor the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from harvester.api import RequestEvent
from harvester.harvest import Event, RunObserver

T = TypeVar("T")


class Observers:
    """Tells everything to each of its members."""

    def __init__(self, *members: RunObserver) -> None:
        self._members = list(members)
        self.troubles: dict[str, str] = {}
        """What went wrong in a member, by its class; to be said once at the end."""

    def notify(self, event: Event) -> None:
        """Something happened."""
        for member in self._members:
            self._tell(member, member.notify, event)

    def request_ended(self, event: RequestEvent) -> None:
        """One request has ended."""
        for member in self._members:
            self._tell(member, member.request_ended, event)

    @contextmanager
    def joined(self, member: RunObserver) -> Iterator[None]:
        """One more member for a while."""
        self._members.append(member)
        try:
            yield
        finally:
            self._members.remove(member)

    def _tell(self, member: RunObserver, tell: Callable[[T], None], what: T) -> None:
        try:
            tell(what)
        except Exception as exc:  # an archive is worth more than its progress bar
            self.troubles.setdefault(type(member).__name__, f"{type(exc).__name__}: {exc}")
