"""QuantConnect's API on localhost: first the checks, then the routes, then the faults."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from aiohttp import web

from harvester.errors import ConfigError
from harvester.simulator.account import Account, LiveBacktest, LiveProject
from harvester.simulator.cloud import CloudRoutes, Handler
from harvester.simulator.faults import send_fault
from harvester.simulator.gate import Gatekeeper, LimitGate, find_window
from harvester.simulator.optimizations import list_optimizations, read_optimization
from harvester.simulator.protocol import Answer, encode, number, read_arguments, refuse
from harvester.simulator.results import backtest_details
from harvester.simulator.rows import backtest_row, lean_versions, project_page
from harvester.simulator.scenario import Fault, FaultKind, ReportKind, Scenario

_PREFIX: Final = "/api/v2/"
_REPORT: Final = "backtests/read/report"
_KEPT_BODIES: Final = 32
"""Bodies of ready reports that are kept; one takes a megabyte or two."""
_PAUSE_S: Final = 0.05


class RequestRecord(msgspec.Struct, frozen=True):
    """One request, as the server saw it."""

    at_s: float
    """Since the server's start."""
    route: str
    project_id: int
    backtest_id: str
    attempt: int
    """Counts the requests for this route and backtest from 1; 0: it ended before it could be read."""
    answer: str
    """`ok`, `ready`, `generating`, `no`, `limit`, the fault's name, or `interrupted` (no answer)."""


class Simulator:
    """A server for one account; an async context manager."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        port: int = 0,
        reports_dir: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        record: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self.account = Account(scenario, clock=clock, reports_dir=reports_dir)
        self._cloud = CloudRoutes(self.account, scenario)
        self.requests: list[RequestRecord] = []
        """Every request that has ended so far, including those that the client abandoned."""
        self.port = port
        self._clock = clock
        self._started = clock()
        self._gate = LimitGate(scenario.limit, scenario.time_scale)
        self._keeper = Gatekeeper()
        self._rng = random.Random(scenario.seed)
        self._arrived = 0
        self._changes = deque(sorted(scenario.changes, key=lambda change: change.at_request))
        """Changes that are not made yet."""
        self._attempts: Counter[tuple[str, int, str]] = Counter()
        self._alternating = False
        self._record = record
        self._runner: web.AppRunner | None = None
        self._ready_body = lru_cache(maxsize=_KEPT_BODIES)(self._make_ready_body)

    @property
    def base_url(self) -> str:
        """The base URL of the API for a client."""
        return f"http://127.0.0.1:{self.port}/api/v2"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1_000_000)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        try:
            await site.start()
        except OSError as exc:
            await self._runner.cleanup()
            raise ConfigError(
                f"port {self.port} is in use or not allowed ({exc.strerror}); "
                "choose another with --port, 0 takes any"
            ) from exc
        self.port = self._runner.addresses[0][1]
        self._started = self._clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # -- one request ------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._record_arrival()
        route = request.path.replace("//", "/").removeprefix(_PREFIX).strip("/")
        record = RequestRecord(self._clock() - self._started, route, 0, "", 0, "interrupted")
        try:
            args = await read_arguments(request)
            record = self._identify(record, args)
            word, answer = await self._answer(request, record, args)
            record = msgspec.structs.replace(record, answer=word)
            return answer if isinstance(answer, web.Response) else await self._send_fault(request, *answer)
        finally:
            self.requests.append(record)
            if self._record is not None:
                self._record(record)

    def _record_arrival(self) -> None:
        """Count a request and make the changes that are due, each once even if requests overlap."""
        self._arrived += 1
        while self._changes and self._changes[0].at_request <= self._arrived:
            self.account.apply(self._changes.popleft())

    def _identify(self, record: RequestRecord, args: Answer) -> RequestRecord:
        """The record with the project and backtest of the request, and its attempt number."""
        project_id, backtest_id = number(args.get("projectId")), str(args.get("backtestId", ""))
        key = (record.route, project_id, backtest_id)
        self._attempts[key] += 1
        return msgspec.structs.replace(
            record, project_id=project_id, backtest_id=backtest_id, attempt=self._attempts[key]
        )

    async def _answer(
        self, request: web.Request, record: RequestRecord, args: Answer
    ) -> tuple[str, web.Response | tuple[FaultKind, bytes]]:
        """The answer in one word, and what is sent: a response, or a fault and the right body."""
        if not self._gate.admit(record.at_s):
            return "limit", (self.scenario.limit.answer, b"")
        now = time.time() + self.scenario.identity.clock_offset_s
        refusal = self._keeper.check(request.headers, self.scenario, now=now)
        if refusal is not None:
            return "no", self._with_date(self._unauthorized(refusal), now)
        word, body = await self._body(record.route, args)
        fault = self._find_fault(record)
        if fault is not None:
            return fault.value, (fault, body)
        return word, self._with_date(web.Response(body=body, content_type="application/json"), now)

    async def _send_fault(self, request: web.Request, kind: FaultKind, body: bytes) -> web.StreamResponse:
        return await send_fault(
            request,
            kind,
            body=body,
            retry_after_s=self.scenario.limit.retry_after_s / self.scenario.time_scale,
            pause_s=_PAUSE_S,
        )

    def _find_fault(self, record: RequestRecord) -> FaultKind | None:
        return next((fault.kind for fault in self.scenario.faults if self._matches(fault, record)), None)

    def _matches(self, fault: Fault, record: RequestRecord) -> bool:
        wanted = (fault.route, fault.project_id, fault.backtest_id)
        given = (record.route, record.project_id, record.backtest_id)
        if any(want and want != value for want, value in zip(wanted, given, strict=True)):
            return False
        if fault.attempts and record.attempt not in fault.attempts:
            return False
        return fault.share >= 1 or self._rng.random() < fault.share

    def _unauthorized(self, answer: Answer) -> web.Response:
        form = self.scenario.identity.refusal
        if form == "401":
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        if form == "500":
            return web.Response(status=500)
        return web.Response(body=encode(answer), content_type="application/json")

    @staticmethod
    def _with_date(response: web.Response, now: float) -> web.Response:
        response.headers["Date"] = formatdate(now, usegmt=True)
        return response

    # -- routes -----------------------------------------------------------------------------------

    async def _body(self, route: str, args: Answer) -> tuple[str, bytes]:
        if route == _REPORT:
            return await self._report(args)
        routes: dict[str, Handler] = {
            "authenticate": lambda _: {},
            "projects/read": self._projects,
            "backtests/list": self._backtests,
            "backtests/read": self._backtest,
            "optimizations/list": lambda args: list_optimizations(self.account, self.scenario, args),
            "optimizations/read": lambda args: read_optimization(self.account, self.scenario, args),
        } | self._cloud.handlers()
        handler = routes.get(route)
        answer = handler(args) if handler else refuse(f"Endpoint not found ({route})")
        answer = answer if "success" in answer else self._with_success(answer)
        return "ok" if answer["success"] else "no", encode(answer)

    def _with_success(self, answer: Answer) -> Answer:
        if self.scenario.shapes.errors_on_success:
            answer["errors"] = []
        return answer | {"success": True}

    def _projects(self, args: Answer) -> Answer:
        projects = list(self.account.projects.values())
        organization = args.get("organizationId")
        if organization:
            projects = [live for live in projects if live.spec.organization_id == organization]
        one = args.get("projectId")
        windows = self.scenario.windows
        window = find_window(args, widest=windows.projects, wider=windows.wider)
        if one is not None:
            window = slice(None)
            projects = [live for live in projects if live.spec.project_id == number(one)]
            if not projects:
                return refuse("Project not found")
        if window is None:
            return refuse("Invalid argument")
        rows = project_page([live.spec for live in projects], self.scenario, window)
        return {"projects": rows, "versions": lean_versions()}

    def _backtests(self, args: Answer) -> Answer:
        project = self._project(args)
        if project is None:
            return refuse("Project not found")
        statistics = args.get("includeStatistics") in {True, "true", "True", "1"}
        listed = self.account.listed(project)
        rows = [backtest_row(spec, self.scenario, statistics=statistics) for spec in listed]
        shapes = self.scenario.shapes
        if shapes.shuffled:
            self._rng.shuffle(rows)
        answer: Answer = {"backtest" if shapes.singular else "backtests": rows}
        if shapes.count != "missing":
            answer["count"] = len(rows) + (shapes.count == "wrong")
        return answer

    def _backtest(self, args: Answer) -> Answer:
        project, live = self._project(args), self._live(args)
        if project is None or live is None:
            return refuse("Backtest not found")
        details = backtest_details(live.spec, project.spec, self.scenario)
        return {"backtest": details, "debugging": False}

    async def _report(self, args: Answer) -> tuple[str, bytes]:
        live = self._live(args)
        if live is None:
            return "no", encode(refuse("Backtest not found"))
        words = self.account.next_refusal(live)
        if words:
            return "no", encode(refuse(words))
        kind = live.spec.report
        if kind in {ReportKind.EMPTY, ReportKind.NULL}:
            report = "" if kind is ReportKind.EMPTY else None
            return "ok", encode(self._with_success({"report": report}))
        if not self.account.poll_report(live):
            return "generating", encode(self._generating())
        loop = asyncio.get_running_loop()
        key = (number(args.get("projectId")), live.spec.backtest_id, live.spec)
        return "ready", await loop.run_in_executor(None, self._ready_body, *key)

    def _generating(self) -> Answer:
        self._alternating = not self._alternating
        success = {"true": True, "false": False}.get(self.scenario.generation.success, self._alternating)
        return {"generating": True, "success": success}

    def _make_ready_body(self, project_id: int, backtest_id: str, _: object) -> bytes:
        return encode(self._with_success({"report": self.account.report_html(project_id, backtest_id)}))

    def _project(self, args: Answer) -> LiveProject | None:
        return self.account.projects.get(number(args.get("projectId")))

    def _live(self, args: Answer) -> LiveBacktest | None:
        return self.account.find(number(args.get("projectId")), str(args.get("backtestId", "")))
