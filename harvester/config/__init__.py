"""Settings and credentials: where they come from and what they may be.

Rule: a mistake is reported with its place and what to write instead, all mistakes at once, and the value of a
secret is never shown. Nothing outside of this room reads the environment or the TOML file for settings.

    loaded = load_settings(environ=os.environ, overrides={"pace.workers": 2})
    settings = pick_account(loaded, None).settings
    credentials = find_credentials(settings.credentials, os.environ, home=Path.home())
"""

from harvester.config.check import is_address, is_own
from harvester.config.credentials import Credentials, find_credentials, is_user_id
from harvester.config.load import Loaded, load_settings, pick_account
from harvester.config.paths import may_be_token, with_home
from harvester.config.selection import Selection
from harvester.config.settings import (
    ApiSettings,
    ArchiveSettings,
    FilterSettings,
    NotifySettings,
    PaceSettings,
    ReportSettings,
    Settings,
    all_keys,
    mode_of,
)
from harvester.config.trust import find_distrust

__all__ = [
    "ApiSettings",
    "ArchiveSettings",
    "Credentials",
    "FilterSettings",
    "Loaded",
    "NotifySettings",
    "PaceSettings",
    "ReportSettings",
    "Selection",
    "Settings",
    "all_keys",
    "find_credentials",
    "find_distrust",
    "is_address",
    "is_own",
    "is_user_id",
    "load_settings",
    "may_be_token",
    "mode_of",
    "pick_account",
    "with_home",
]
