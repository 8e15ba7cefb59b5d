"""What happens to a simulated account while it is served, and what is recorded of it."""

from __future__ import annotations

import asyncio

import aiohttp
import anyio
import anyio.to_thread
from support.asker import Asker, asking
from support.builders import make_backtests, make_scenario

from harvester.simulator import Change, ChangeKind, Fault, FaultKind, RequestRecord, Simulator


async def test_the_account_changes_while_it_is_read() -> None:
    changes = (
        Change(at_request=2, kind=ChangeKind.RENAME_PROJECT, project_id=101, name="Renamed"),
        Change(at_request=2, kind=ChangeKind.DELETE_BACKTEST, project_id=102, backtest_id=f"{4:032x}"),
        Change(at_request=2, kind=ChangeKind.ADD_BACKTEST, project_id=102, backtest_id="new"),
        Change(at_request=3, kind=ChangeKind.RECYCLE_PROJECT, project_id=101),
        Change(at_request=4, kind=ChangeKind.DELETE_PROJECT, project_id=101),
        Change(at_request=5, kind=ChangeKind.RENAME_PROJECT, project_id=101, name="gone already"),
    )
    scenario = make_scenario(make_backtests(3), make_backtests(2, first=4), changes=changes)
    async with asking(scenario) as asker:
        names = []
        for _ in range(5):
            rows = (await asker.ask("projects/read"))["projects"]
            names.append([row["name"] for row in rows])
        listed = await asker.ask("backtests/list", {"projectId": 102})
    assert names == [
        ["Project 1", "Project 2"],
        ["Renamed", "Project 2"],
        ["Recycle Bin/Renamed", "Project 2"],
        ["Project 2"],
        ["Project 2"],
    ]
    assert [row["backtestId"] for row in listed["backtests"]] == [f"{5:032x}", "new"]


async def test_each_change_is_made_once_however_requests_overlap() -> None:
    changes = (
        Change(at_request=3, kind=ChangeKind.RENAME_PROJECT, project_id=102, name="Renamed"),
        Change(at_request=2, kind=ChangeKind.RECYCLE_PROJECT, project_id=101),
    )
    drip = Fault(kind=FaultKind.DRIP, route="authenticate")
    scenario = make_scenario(make_backtests(1), make_backtests(1, first=2), changes=changes, faults=(drip,))
    names = []
    async with asking(scenario) as asker:
        for _ in range(3):
            async with asker.begun("authenticate"):
                names.append([row["name"] for row in (await asker.ask("projects/read"))["projects"]])
    assert names == [["Recycle Bin/Project 1", "Project 2"]] + [["Recycle Bin/Project 1", "Renamed"]] * 2


async def test_a_request_that_is_given_up_is_recorded_too() -> None:
    hang = Fault(kind=FaultKind.HANG, route="authenticate")
    records: asyncio.Queue[RequestRecord] = asyncio.Queue()
    begun = b"POST /api/v2/projects/read HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    begun += b"Content-Length: 9\r\n\r\n{"
    async with (
        Simulator(make_scenario(faults=(hang,)), record=records.put_nowait) as simulator,
        aiohttp.ClientSession() as session,
    ):
        asker = Asker(session, simulator)
        with anyio.move_on_after(0.3):
            await asker.answer("authenticate")
        hung = await asyncio.wait_for(records.get(), 10)
        async with await anyio.connect_tcp("127.0.0.1", simulator.port) as stream:
            await stream.send(begun)
            await anyio.sleep(0.1)
        cut_off = await asyncio.wait_for(records.get(), 10)
        await asker.ask("projects/read")
        read = await records.get()
    assert [(record.attempt, record.answer) for record in (hung, cut_off, read)] == [
        (1, "hang"),
        (0, "interrupted"),
        (1, "ok"),
    ]
    assert simulator.requests == [hung, cut_off, read]


async def test_a_new_backtest_shows_up_late_in_the_listing() -> None:
    now = [0.0]
    simulator = Simulator(make_scenario(()), clock=lambda: now[0])
    simulator.account.add_backtest(101, make_backtests(1, listed_after_s=30)[0])
    assert simulator.account.listed(simulator.account.projects[101]) == []
    now[0] = 31
    assert len(simulator.account.listed(simulator.account.projects[101])) == 1
