"""Simulator: a QuantConnect API on localhost that draws its own reports, for the demo and for tests.

Rule: it shares no code with `api`, so that a wrong idea of the protocol cannot be in client and server alike.
Equal scenarios and seeds give equal answers.

    async with Simulator(sample_scenario(backtests=12)) as server:
        print(server.base_url)  # the base_url for a client; the token is in `server.scenario`
"""

from harvester.simulator.sample import sample_scenario
from harvester.simulator.scenario import (
    BacktestSpec,
    Change,
    ChangeKind,
    Drawing,
    Fault,
    FaultKind,
    Generation,
    Identity,
    Limit,
    LimitStep,
    OptimizationAnswer,
    OptimizationSpec,
    ProjectSpec,
    ReportKind,
    Scenario,
    Shapes,
    Windows,
    load_scenario,
)
from harvester.simulator.server import RequestRecord, Simulator

__all__ = [
    "BacktestSpec",
    "Change",
    "ChangeKind",
    "Drawing",
    "Fault",
    "FaultKind",
    "Generation",
    "Identity",
    "Limit",
    "LimitStep",
    "OptimizationAnswer",
    "OptimizationSpec",
    "ProjectSpec",
    "ReportKind",
    "RequestRecord",
    "Scenario",
    "Shapes",
    "Simulator",
    "Windows",
    "load_scenario",
    "sample_scenario",
]
