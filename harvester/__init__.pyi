from harvester import errors as errors
from harvester.app import Archive as Archive
from harvester.app import Snapshot as Snapshot
from harvester.app import load_settings as load_settings
from harvester.app import run as run
from harvester.config import Credentials as Credentials
from harvester.config import Settings as Settings
from harvester.harvest import RunResult as RunResult
from harvester.model import InventoryEntry as InventoryEntry
from harvester.model import Outcome as Outcome

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

__version__: str
