"""Several accounts in one configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.config.credentials import find_credentials
from harvester.config.load import Loaded, load_settings, pick_account
from harvester.config.settings import CredentialSettings
from harvester.errors import ConfigError, CredentialsError

TWO = """\
[pace]
rate_per_min = 20
workers = 2

[archive]
dir = "shared"
timezone = "Europe/Berlin"

[metrics]
textfile = "/tmp/shared.prom"

[credentials]
user_id = "1"

[accounts.main]
archive.dir = "main"
credentials.user_id = 111
pace.rate_per_min = 5

[accounts.fund.archive]
dir = "fund"
[accounts.fund.filters]
projects = ["Alpha*"]
"""


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **given: object) -> Loaded:
    (tmp_path / "harvester.toml").write_text(text)
    overrides = {name.replace("__", "."): value for name, value in given.items()}
    return load_settings(
        path=tmp_path / "harvester.toml", environ=environ or {}, overrides=overrides, places=()
    )


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return [line.replace(f"{tmp_path}/", "") for line in caught.value.mistakes]


def test_an_account_inherits_what_it_does_not_say_itself(tmp_path: Path) -> None:
    accounts = load(tmp_path, TWO).accounts
    main, fund = accounts["main"].settings, accounts["fund"].settings
    assert (main.pace.rate_per_min, main.pace.workers, main.archive.timezone) == (5, 2, "Europe/Berlin")
    assert (fund.pace.rate_per_min, fund.filters.projects) == (20, ("Alpha*",))
    assert (main.archive.dir, fund.archive.dir) == ("main", "fund")
    assert accounts["main"].origins["pace.rate_per_min"].endswith("harvester.toml line 18")
    assert accounts["fund"].origins["pace.rate_per_min"].endswith("harvester.toml line 2")


def test_archive_credentials_and_metrics_are_never_inherited(tmp_path: Path) -> None:
    accounts = load(tmp_path, TWO).accounts
    assert accounts["main"].settings.credentials.user_id == "111"
    assert accounts["fund"].settings.credentials.user_id == ""
    assert {account.settings.metrics.textfile for account in accounts.values()} == {""}


def test_environment_and_flags_go_before_every_account(tmp_path: Path) -> None:
    accounts = load(tmp_path, TWO, {"HARVESTER_PACE_RATE_PER_MIN": "7"}, pace__workers=9).accounts
    assert {account.settings.pace.rate_per_min for account in accounts.values()} == {7}
    assert {account.settings.pace.workers for account in accounts.values()} == {9}


def test_without_accounts_there_are_none(tmp_path: Path) -> None:
    assert load(tmp_path, "pace.workers = 2").accounts == {}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[accounts.a]\n", "line 1: accounts.a needs its own archive.dir"),
        (
            "accounts.a.archive.dir = 'x/y'\naccounts.b.archive.dir = 'x/./y'\n",
            "line 2: accounts.b and accounts.a have the same archive.dir",
        ),
        (
            "[accounts.a]\narchive.dir='a'\ncredentials.user_id = 7\n[accounts.b]\narchive.dir='b'\n"
            "credentials.user_id = '7'\n",
            "line 4: accounts.b and accounts.a have the same credentials.user_id",
        ),
        ("[accounts.a]\narchive.dirr = 'a'\n", "line 2: unknown key archive.dirr; did you mean dir?"),
        (
            "[accounts.a]\narchiv.dir = 'a'\n",
            "line 2: unknown table [accounts.a.archiv]; did you mean archive?",
        ),
        ("[accounts.a]\nworkers = 3\n", "workers is a key of [accounts.a.pace]"),
        ("[accounts.a]\narchive.dir='a'\npace.workers = 0\n", "line 3: pace.workers = 0: expected"),
        ("[accounts.'a b']\narchive.dir='a'\n", "line 1: 'a b' is no name; use letters, digits, - and _"),
        ("accounts = 3\n", "line 1: write a table [accounts.NAME] for each account"),
        ("[accounts]\na = 3\n", "line 1: write a table [accounts.NAME] for each account"),
        ("[account.a]\narchive.dir='a'\n", "line 1: unknown table [account]; did you mean accounts?"),
    ],
)
def test_a_mistake_names_its_line_and_what_was_meant(tmp_path: Path, text: str, mistake: str) -> None:
    assert any(mistake in line for line in mistakes(tmp_path, text)), mistakes(tmp_path, text)


def test_the_same_archive_is_known_by_its_home_too(tmp_path: Path, clean_environment: Path) -> None:
    text = f"accounts.a.archive.dir = '~/x'\naccounts.b.archive.dir = '{clean_environment}/x'\n"
    told = ["harvester.toml line 2: accounts.b and accounts.a have the same archive.dir"]
    assert mistakes(tmp_path, text) == told


def test_a_mistake_that_all_inherit_is_told_once(tmp_path: Path) -> None:
    told = mistakes(tmp_path, TWO.replace("workers = 2", "workers = 0"))
    assert told == ["harvester.toml line 3: pace.workers = 0: expected a whole number >= 1"]


def test_an_account_is_picked_by_its_name(tmp_path: Path) -> None:
    loaded = load(tmp_path, TWO)
    assert pick_account(loaded, "fund").settings.archive.dir == "fund"
    assert pick_account(loaded, None, allow_shared=True) is loaded
    with pytest.raises(ConfigError, match="no such account; it has main, fund"):
        pick_account(loaded, "found")
    with pytest.raises(ConfigError, match="add --account with one of main, fund"):
        pick_account(loaded, None)


def test_addresses_of_monitors_are_not_repeated_when_they_are_wrong(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "notify.webhook_url = ['https://example.org/canary']")
    assert told == ["harvester.toml line 1: notify.webhook_url expected a text, got a list"]


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_an_account_of_several_never_takes_the_credentials_of_another(tmp_path: Path) -> None:
    everywhere = {"QUANTCONNECT_USER_ID": "9", "QUANTCONNECT_API_TOKEN": "wrong"}
    (tmp_path / ".lean").mkdir()
    private(tmp_path / ".lean" / "credentials", '{"user-id": "9", "api-token": "wrong"}')
    with pytest.raises(CredentialsError, match=r"account a: no token .* \[accounts.a.credentials\]"):
        find_credentials(CredentialSettings(), everywhere, home=tmp_path, account="a")
    file = private(tmp_path / "token", "right")
    settings = CredentialSettings(token_file=str(file))
    with pytest.raises(CredentialsError, match=r"no user id; set user_id in \[accounts.a.credentials\]"):
        find_credentials(settings, everywhere, home=tmp_path, account="a")


def test_systemd_hands_each_account_its_own_token(tmp_path: Path) -> None:
    for name, text in (("quantconnect_api_token", "wrong"), ("quantconnect_api_token_a", "right")):
        private(tmp_path / name, text)
    found = find_credentials(
        CredentialSettings(user_id="7"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}, home=None, account="a"
    )
    assert (found.user_id, found.token.reveal()) == (7, "right")
