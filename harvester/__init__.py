"""Copies every backtest report of a QuantConnect account into a dated archive.

The names in `__all__` are the Python API, which is stable; the rest is not. From a notebook:

    import harvester

    settings = harvester.load_settings()
    result = await harvester.run(settings)
    rows = harvester.Archive.open(settings.archive.dir).snapshot("latest").table()

A name is imported when it is first used, so that `harvester --version` loads nothing. Type checkers read
`__init__.pyi`.
"""

from importlib import import_module

__version__ = "0.2.0"

__all__ = [
    "Archive",
    "Credentials",
    "InventoryEntry",
    "Outcome",
    "RunResult",
    "Settings",
    "Snapshot",
    "__version__",
    "errors",
    "load_settings",
    "run",
]

_MODULES = {
    "app": ("Archive", "Snapshot", "load_settings", "run"),
    "config": ("Credentials", "Settings"),
    "harvest": ("RunResult",),
    "model": ("InventoryEntry", "Outcome"),
}


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("harvester.errors")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"harvester.{module}"), name)
    raise AttributeError(f"module 'harvester' has no attribute {name!r}")
