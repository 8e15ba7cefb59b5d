"""Random sequences of nights, prunes, repairs and damages: nothing is lost, unsaid or stuck."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from model.archive import Story
from model.damage import DAMAGES
from model.source import Server, serving

SOURCE = ("add", "change", "rename", "rename the project", "delete")
COMMANDS = ("run", "run", "refresh", "filtered", "prune", "prune", "repair")
Step = tuple[str, int]
"""What happens, and the seed of what it needs to be drawn."""

steps = st.lists(
    st.tuples(st.sampled_from([*SOURCE, *COMMANDS, *DAMAGES]), st.integers(0, 2**16)), min_size=4, max_size=12
)


@pytest.fixture
def server(blocked_loop_fails: BlockBuster) -> Iterator[Server]:
    blocked_loop_fails.deactivate()  # the command line looks at the disk before and after its loop is at work
    with serving() as server:
        yield server


def live(server: Server, sequence: Sequence[Step]) -> None:
    """Three nights with news, then the steps, then three ordinary nights."""
    with tempfile.TemporaryDirectory(prefix="sequence", dir=_IN_MEMORY) as directory:
        story = Story(Path(directory) / "archive", server)
        try:
            _live(story, sequence)
        except BaseException:
            note("\n".join(story.told))
            raise


def _live(story: Story, sequence: Sequence[Step]) -> None:
    for kind in ("change", "delete", "add"):
        story.run()
        story.change_source(kind, random.Random(kind))
    for kind, seed in sequence:
        take_step(story, kind, random.Random(seed))
    story.run()
    for _ in range(2):
        assert story.run().code in {0, 3}, f"the nights do not settle: {story.told}"
    story.repair()


def take_step(story: Story, kind: str, dice: random.Random) -> None:
    if kind in SOURCE:
        story.told.append(kind)
        story.change_source(kind, dice)
    elif kind in DAMAGES:
        story.damage(kind, dice)
    elif kind == "prune":
        story.prune(dice)
    elif kind == "repair":
        story.repair()
    else:
        words = {"run": [], "refresh": ["--refresh"], "filtered": ["--project", "101"]}[kind]
        story.run(*words, days=dice.choice((0, 1, 1, 7)))


_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A sequence flushes thousands of times, and no power is cut here."""
_UNHURRIED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@given(sequence=steps)
@settings(_UNHURRIED, max_examples=30, derandomize=True)
def test_thirty_sequences_lose_nothing(server: Server, sequence: list[Step]) -> None:
    live(server, sequence)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(8))
def test_three_hundred_sequences_lose_nothing(server: Server, part: int) -> None:
    @given(sequence=steps)
    @settings(_UNHURRIED, max_examples=40)
    def live_one(sequence: list[Step]) -> None:
        live(server, sequence)

    assert part >= 0
    live_one()
