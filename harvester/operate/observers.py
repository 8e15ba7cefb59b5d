"""Calls several observers as one: an error in one of them affects neither the run nor the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from harvester.api import RequestEvent
from harvester.harvest import Event, RunObserver

T = TypeVar("T")


class Observers:
    """Passes every event to each of its members, and records their errors."""

    def __init__(self, *members: RunObserver) -> None:
        self._members = list(members)
        self.errors: dict[str, str] = {}
        """The first error of each member, by the name of its class, to be logged at the end."""

    def notify(self, event: Event) -> None:
        """Pass an event on."""
        for member in self._members:
            self._tell(member, member.notify, event)

    def request_ended(self, event: RequestEvent) -> None:
        """Pass the end of a request on."""
        for member in self._members:
            self._tell(member, member.request_ended, event)

    @contextmanager
    def joined(self, member: RunObserver) -> Iterator[None]:
        """Add a member for as long as the context lasts."""
        self._members.append(member)
        try:
            yield
        finally:
            self._members.remove(member)

    def _tell(self, member: RunObserver, tell: Callable[[T], None], what: T) -> None:
        try:
            tell(what)
        except Exception as exc:  # an archive is worth more than its progress bar
            self.errors.setdefault(type(member).__name__, f"{type(exc).__name__}: {exc}")
