"""Use cases without a terminal: run, preview, doctor, refetch, notifications, and Harvester from Python.

Rule: a use case returns values and raises `harvester.errors`; what happens meanwhile goes to a `Log` or an
observer. Nothing here prints or knows the command line. Example:

    finished = make_snapshot(RunOrder(settings, credentials), log, Display())
    sys.exit(finished.code)

Names are imported when they are first used: commands that only read need no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harvester.app.accounts import AccountEnd, check_all_accounts, run_accounts
    from harvester.app.bucket import PushJob, bucket_files, connect_bucket, pushed_document, pushed_line
    from harvester.app.doctor.check import Check
    from harvester.app.doctor.diagnose import diagnose
    from harvester.app.exits import ExitCode, code_of_ending, worst
    from harvester.app.failures import code_of_error, error_texts
    from harvester.app.library import Archive, Snapshot, load_settings, run, table_of
    from harvester.app.log import Log
    from harvester.app.notifications import RunEnd, with_notifications
    from harvester.app.places import config_places, credentials_of
    from harvester.app.refetch import refetcher
    from harvester.app.runs import Display, Finished, RunOrder, make_snapshot, preview
    from harvester.app.terminal import printable

__all__ = [
    "AccountEnd",
    "Archive",
    "Check",
    "Display",
    "ExitCode",
    "Finished",
    "Log",
    "PushJob",
    "RunEnd",
    "RunOrder",
    "Snapshot",
    "bucket_files",
    "check_all_accounts",
    "code_of_ending",
    "code_of_error",
    "config_places",
    "connect_bucket",
    "credentials_of",
    "diagnose",
    "error_texts",
    "load_settings",
    "make_snapshot",
    "preview",
    "printable",
    "pushed_document",
    "pushed_line",
    "refetcher",
    "run",
    "run_accounts",
    "table_of",
    "with_notifications",
    "worst",
]

_MODULES = {
    "accounts": ("AccountEnd", "check_all_accounts", "run_accounts"),
    "bucket": ("PushJob", "bucket_files", "connect_bucket", "pushed_document", "pushed_line"),
    "doctor.check": ("Check",),
    "doctor.diagnose": ("diagnose",),
    "exits": ("ExitCode", "code_of_ending", "worst"),
    "failures": ("code_of_error", "error_texts"),
    "library": ("Archive", "Snapshot", "load_settings", "run", "table_of"),
    "log": ("Log",),
    "notifications": ("RunEnd", "with_notifications"),
    "places": ("config_places", "credentials_of"),
    "refetch": ("refetcher",),
    "runs": ("Display", "Finished", "RunOrder", "make_snapshot", "preview"),
    "terminal": ("printable",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
