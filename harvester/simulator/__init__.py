"""A QuantConnect API on localhost that draws its own reports. Shares no code with `api`."""

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
