"""More routes that official clients call: organizations, files, and the details of one backtest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from harvester.simulator.account import Account, LiveBacktest
from harvester.simulator.curve import Curve
from harvester.simulator.drawing import curve_of
from harvester.simulator.gate import find_window
from harvester.simulator.protocol import Answer, number, refuse
from harvester.simulator.results import has_results
from harvester.simulator.rows import curve_seed, lean_versions
from harvester.simulator.scenario import ProjectSpec, Scenario
from harvester.simulator.trades import closed_trades, equity_points, insights, log_lines, orders

Handler = Callable[[Answer], Answer]
_CHART: Final = "Strategy Equity"
_MAIN: Final = "# drawn by the simulator\nfrom AlgorithmImports import *\n"
_LOADING: Final[Answer] = {"status": "loading", "progress": 0.0}


class CloudRoutes:
    """The answers of these routes; the server adds `success` to each one that is not a refusal."""

    def __init__(self, account: Account, scenario: Scenario) -> None:
        self._account = account
        self._scenario = scenario

    def handlers(self) -> dict[str, Handler]:
        """The function that answers each route."""
        return {
            "account/read": self._credit,
            "organizations/list": self._organizations,
            "organizations/read": self._organization,
            "lean/versions/read": lambda _: {"versions": lean_versions()},
            "lean/environments/read": self._environments,
            "files/read": self._files,
            "backtests/chart/read": self._chart,
            "backtests/orders/read": self._orders,
            "backtests/trades/read": self._trades,
            "backtests/read/log": self._log,
            "backtests/read/insights": self._insights,
        }

    # -- account, organizations, files ---------------------------------------------------------------

    def _organization_ids(self) -> list[str]:
        """The ids of the projects' organizations; the first one is the user's own."""
        specs = [live.spec for live in self._account.projects.values()]
        specs = specs or [ProjectSpec(project_id=0, name="")]
        return list(dict.fromkeys(spec.organization_id for spec in specs))

    def _organizations(self, _: Answer) -> Answer:
        rows = [
            {
                "id": organization_id,
                "name": f"Organization {place + 1}",
                "type": "Quant Researcher",
                "ownerName": "Somebody else" if place else "You",
                "members": 1 + place,
                "preferred": not place,
            }
            for place, organization_id in enumerate(self._organization_ids())
        ]
        return {"organizations": rows}

    def _organization(self, args: Answer) -> Answer:
        organization_id = self._chosen_organization(args)
        if organization_id is None:
            return refuse("Organization not found")
        member = {
            "id": self._scenario.user_id,
            "name": "Somebody",
            "isAdmin": True,
            "email": "somebody@example.org",
        }
        organization = {
            "id": organization_id,
            "name": f"Organization {self._organization_ids().index(organization_id) + 1}",
            "seats": 1,
            "type": "Quant Researcher",
            "credit": {"movements": [], "balance": 0},
            "products": [],
            "data": {"signedTime": None, "current": False},
            "members": [member],
        }
        return {"organization": organization}

    def _credit(self, args: Answer) -> Answer:
        organization_id = self._chosen_organization(args)
        if organization_id is None:
            return refuse("Organization not found")
        return {"organizationId": organization_id, "creditBalance": 0.0, "card": None}

    def _chosen_organization(self, args: Answer) -> str | None:
        known = self._organization_ids()
        wanted = args.get("organizationId") or known[0]
        return wanted if wanted in known else None

    @staticmethod
    def _environments(_: Answer) -> Answer:
        row = {
            "id": 1,
            "name": "Default",
            "path": None,
            "description": "Foundation libraries",
            "public": True,
        }
        return {"environments": [row]}

    def _files(self, args: Answer) -> Answer:
        project_id = number(args.get("projectId"))
        if project_id not in self._account.projects:
            return refuse("Project not found")
        row = {
            "id": project_id * 10,
            "projectId": project_id,
            "name": "main.py",
            "content": _MAIN,
            "modified": "2024-01-02 08:00:00",
            "open": True,
            "isLibrary": False,
        }
        if args.get("name", row["name"]) != row["name"]:
            return refuse("File not found")
        return {"files": [row]}

    # -- the details of one backtest ---------------------------------------------------------------

    def _orders(self, args: Answer) -> Answer:
        return self._rows(args, "orders", orders, per_trade=2, prepared=True)

    def _trades(self, args: Answer) -> Answer:
        return self._rows(args, "trades", closed_trades)

    def _insights(self, args: Answer) -> Answer:
        return self._rows(args, "insights", insights)

    def _rows(
        self,
        args: Answer,
        name: str,
        draw: Callable[[Curve, slice], list[dict[str, Any]]],
        *,
        per_trade: int = 1,
        prepared: bool = False,
    ) -> Answer:
        """A window of rows, and how many rows exist; a run without results has none."""
        live = self._backtest(args)
        if live is None:
            return refuse("Backtest not found")
        windows = self._scenario.windows
        window = find_window(args, widest=windows.rows, wider=windows.wider)
        if window is None:
            return refuse("Invalid argument")
        if prepared and self._account.poll_loading(live, name):
            return dict(_LOADING)
        if not has_results(live.spec):
            return {name: [], "length": 0}
        curve = self._curve(live)
        return {name: draw(curve, window), "length": per_trade * len(curve.trades)}

    def _log(self, args: Answer) -> Answer:
        live = self._backtest(args)
        if live is None:
            return refuse("Backtest not found")
        windows = self._scenario.windows
        window = find_window(args, widest=windows.log_lines, wider=windows.wider)
        if window is None:
            return refuse("Invalid argument")
        if self._account.poll_loading(live, "log"):
            return dict(_LOADING)
        if not has_results(live.spec):
            return {"logs": [], "length": 0}
        curve = self._curve(live)
        return {"logs": log_lines(curve, window), "length": 1 + len(curve.trades)}

    def _chart(self, args: Answer) -> Answer:
        live = self._backtest(args)
        if live is None:
            return refuse("Backtest not found")
        if args.get("name") != _CHART or not has_results(live.spec):
            return refuse("Chart not found")
        if self._account.poll_loading(live, "chart"):
            return dict(_LOADING)
        points = equity_points(
            self._curve(live),
            start=number(args.get("start")),
            end=number(args.get("end")),
            count=number(args.get("count")),
        )
        series = {
            "name": "Equity",
            "unit": "$",
            "index": 0,
            "values": points,
            "seriesType": 0,
            "color": "#000000",
            "scatterMarkerSymbol": "none",
        }
        return {"chart": {"name": _CHART, "chartType": 0, "series": {"Equity": series}}}

    def _backtest(self, args: Answer) -> LiveBacktest | None:
        return self._account.find(number(args.get("projectId")), str(args.get("backtestId", "")))

    def _curve(self, live: LiveBacktest) -> Curve:
        return curve_of(curve_seed(live.spec, self._scenario), self._scenario.drawing.years)
