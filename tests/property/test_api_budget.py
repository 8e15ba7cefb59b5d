"""The memory of answers: bounded whatever they want, and nobody waits for ever."""

from __future__ import annotations

import anyio
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run_virtually

from harvester.api.budget import ByteBudget, Room, Shares

BUDGET = 100
SIZES = st.integers(0, 4 * BUDGET)


class Watched(Shares):
    """Shares that keep the most that was held at once by all but the largest."""

    most = 0

    def grant(self, holder: int, size_bytes: int) -> bool:
        granted = super().grant(holder, size_bytes)
        self.most = max(self.most, self.without_largest)
        return granted


@given(st.lists(st.tuples(st.integers(0, 5), SIZES | st.none()), max_size=60))
def test_all_but_the_largest_fit_whatever_is_asked_for(steps: list[tuple[int, int | None]]) -> None:
    shares = Watched(BUDGET)
    held: dict[int, int] = {}
    for holder, size in steps:
        if size is None:
            shares.release(holder)
            held.pop(holder, None)
            continue
        more = max(size, held.get(holder, 0))
        others = [own for other, own in held.items() if other != holder]
        if shares.grant(holder, more):
            held[holder] = more
        else:
            assert sum(others) > BUDGET or more < max(others), "the largest never waits"
    assert shares.most <= BUDGET


@given(
    st.lists(st.tuples(st.lists(SIZES, min_size=1, max_size=6), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(1, 8),
    st.booleans(),
)
def test_every_answer_gets_through_however_many_workers_there_are(
    answers: list[tuple[list[int], int]], workers: int, cancel: bool
) -> None:
    """Each answer grows in steps, sometimes at once, and takes a while to be archived."""
    budget = ByteBudget(BUDGET)
    budget._shares = shares = Watched(BUDGET)
    waiting, done = list(enumerate(answers)), set[int]()

    async def grow(room: Room, sizes: list[int], took_s: int) -> None:
        for size in sorted(sizes):
            await room.grow_to(size)
            await anyio.sleep(0.1)
        await anyio.sleep(took_s)

    async def work() -> None:
        while waiting:
            number, (sizes, took_s) = waiting.pop()
            with budget.room() as room:
                with anyio.move_on_after(0.3 if cancel and number % 3 == 0 else 1e9):
                    await grow(room, sizes, took_s)
                done.add(number)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(work)

    run_virtually(main)
    assert done == set(range(len(answers)))
    assert shares.most <= BUDGET
    assert shares.without_largest == 0


def test_whoever_has_waited_longest_is_next() -> None:
    async def main() -> list[str]:
        budget, order = ByteBudget(BUDGET), list[str]()

        async def ask(name: str, at: float, size: int) -> None:
            await anyio.sleep(at)
            with budget.room() as room:
                await room.grow_to(size)
                order.append(name)
                await anyio.sleep(10)

        async with anyio.create_task_group() as group:
            for name, at, size in (
                ("first", 0, 500),
                ("second", 1, 300),
                ("third", 2, 400),
                ("small", 3, 50),
            ):
                group.start_soon(ask, name, at, size)
        return order

    assert run_virtually(main) == ["first", "small", "second", "third"]
