from __future__ import annotations

from pathlib import Path

import pytest

from harvester.config.load import Loaded, load_settings
from harvester.config.settings import Settings
from harvester.errors import ConfigError
from harvester.secrets import mask


def load(
    tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **overrides: object
) -> Loaded:
    path = tmp_path / "harvester.toml"
    path.write_text(text)
    given = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(
        path=path, environ=environ or {}, overrides=given, flags={"pace.workers": "--workers"}
    )


def mistakes(
    tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **overrides: object
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environ, **overrides)
    return [line.replace(f"{tmp_path}/", "") for line in caught.value.mistakes]


def test_without_any_source_the_defaults_are_in_force() -> None:
    loaded = load_settings(path=None, environ={"PATH": "/bin"}, overrides={}, places=())
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.path is None


def test_flag_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    text = "[pace]\nworkers = 2\nburst = 2\nrate_per_min = 2\n"
    environ = {"HARVESTER_PACE_WORKERS": "3", "HARVESTER_PACE_BURST": "3"}
    loaded = load(tmp_path, text, environ, pace__workers=4)
    assert (loaded.settings.pace.workers, loaded.settings.pace.burst) == (4, 3)
    assert loaded.settings.pace.rate_per_min == 2
    assert loaded.origins["pace.workers"] == "flag --workers"
    assert loaded.origins["pace.burst"] == "environment HARVESTER_PACE_BURST"
    assert loaded.origins["pace.rate_per_min"] == f"{tmp_path}/harvester.toml line 4"
    assert loaded.origins["pace.pause"] == "default"


def test_first_place_with_a_file_is_taken(tmp_path: Path) -> None:
    for name, workers in (("b", 2), ("c", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "harvester.toml").write_text(f"pace.workers = {workers}")
    places = [tmp_path / name for name in ("a", "b", "c")]
    loaded = load_settings(path=None, environ={}, overrides={}, places=places)
    assert loaded.settings.pace.workers == 2
    assert loaded.path == tmp_path / "b" / "harvester.toml"


def test_every_type_is_read_from_file_and_environment(tmp_path: Path) -> None:
    text = """
    api.allow_http = true
    pace.rate_per_min = 12
    reports.deadline = "1h30m"
    reports.retry_after = 90
    filters.projects = [12345678, "Momentum*"]
    filters.created_after = 2026-01-31
    credentials.user_id = 123456
    """
    loaded = load(
        tmp_path,
        text,
        {"HARVESTER_FILTERS_TAGS": "live, paper ,", "HARVESTER_FILTERS_OPTIMIZATIONS": "false"},
    )
    settings = loaded.settings
    assert settings.api.allow_http is True
    assert settings.pace.rate_per_min == 12
    assert (settings.reports.deadline, settings.reports.retry_after) == (5400, 90)
    assert settings.filters.projects == ("12345678", "Momentum*")
    assert settings.filters.created_after == "2026-01-31"
    assert settings.filters.tags == ("live", "paper")
    assert settings.filters.optimizations is False
    assert settings.credentials.user_id == "123456"


PATHS = ["archive.dir", "credentials.token_file", "metrics.textfile"]


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("source", ["file", "environment", "flag"])
def test_a_home_is_meant_wherever_a_path_is_written(
    tmp_path: Path, clean_environment: Path, name: str, source: str
) -> None:
    text = f"{name} = '~/a b/c'" if source == "file" else ""
    variable = f"HARVESTER_{name.replace('.', '_').upper()}"
    environ = {variable: "~/a b/c"} if source == "environment" else {}
    given = {name.replace(".", "__"): "~/a b/c"} if source == "flag" else {}
    settings = load(tmp_path, text, environ, **given).settings
    table, _, key = name.partition(".")
    assert getattr(getattr(settings, table), key) == f"{clean_environment}/a b/c"


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", r"~\u0000/x", "~no\\nuser"])
@pytest.mark.parametrize("name", PATHS)
def test_a_home_that_is_not_known_is_a_mistake_and_no_directory(tmp_path: Path, name: str, path: str) -> None:
    assert any(
        f"line 1: {name} begins with ~, but that home is unknown; use an absolute path" in line
        for line in mistakes(tmp_path, f'{name} = "{path}"')
    )


def test_a_directory_whose_name_begins_with_a_tilde_can_be_named(tmp_path: Path) -> None:
    assert load(tmp_path, "archive.dir = './~old'").settings.archive.dir == "./~old"


def test_all_mistakes_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
[pace]
worker = 4
rate_per_min = "fast"
tries = 3

[achive]
dir = "x"
"""
    environ = {"HARVESTER_API_TRIE": "3", "HARVESTER_REPORTS_DEADLINE": "soon"}
    assert mistakes(tmp_path, text, environ, pace__workers=0) == [
        "harvester.toml line 2: unknown key pace.worker; did you mean workers?",
        "harvester.toml line 4: unknown key pace.tries; it belongs into [api]",
        "harvester.toml line 6: unknown table [achive]; did you mean archive?",
        "environment: unknown HARVESTER_API_TRIE; did you mean HARVESTER_API_TRIES?",
        "harvester.toml line 3: pace.rate_per_min = 'fast': not a rate; use 30/min, 2/s or 1800/h",
        "flag --workers: pace.workers = 0: expected a whole number >= 1",
        "environment HARVESTER_REPORTS_DEADLINE: reports.deadline = 'soon': not a duration; "
        "use 90s, 10m, 1h30m or 2d",
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("workers = 4", "line 1: unknown table [workers]; workers is a key of [pace]"),
        ("pace = 4", "line 1: pace is a table; write [pace] on a line of its own"),
        ("\n[[pace]]\nworkers = 4", "line 2: pace is a table; write [pace] on a line of its own"),
        ("[pace]\nxyzzy = 4", "line 2: unknown key pace.xyzzy; known are rate_per_min, burst, workers, "),
        ("[pace]\npause = 0", "line 2: pace.pause must be greater than zero"),
        ("[pace]\nrate_per_min = inf", "line 2: pace.rate_per_min = inf: expected a number <= 1000000000.0"),
        ("[pace]\nworkers = true", "line 2: pace.workers = True: expected a whole number, got true or false"),
        ("[filters]\nnames = 'a*'", "line 2: filters.names = 'a*': expected a list, got a text"),
        ("[filters]\ncreated_after = 'x'", "line 2: filters.created_after = 'x': use a date"),
        ("filters = {created_after = '2026-02-01', created_before = '2026-01-01'}", "so nothing fits"),
        (
            "[archive]\ntimezone = 'Mars/Olympus'",
            "line 2: archive.timezone = 'Mars/Olympus': not a time zone",
        ),
        ("[archive]\ntimezone = '../../etc/passwd'", "not a time zone"),
        ("[archive]\ndir = ' '", "line 2: archive.dir = ' ': not a directory"),
        ("[api]\nbase_url = 'ftp://example.org'", "line 2: api.base_url = 'ftp://example.org': not a URL"),
        ("[api]\nbase_url = 'https://example.org:port'", "line 2: api.base_url is not a URL"),
        ("[api]\nbase_url = 'http://example.org/api'", "plain http shows the signature"),
        ("[pace\nworkers = 1", "harvester.toml is not valid TOML: Expected ']'"),
        ("a = " + "[" * 5000, "harvester.toml is not valid TOML"),
    ],
)
def test_mistake_says_what_is_expected(tmp_path: Path, text: str, mistake: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert mistake in found


def test_broken_toml_names_line_and_column(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "[pace]\nworkers = = 2")
    assert "(at line 2, column 11)" in found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5612/api/v2", "http://localhost/api/v2", "http://[::1]/api/v2"]
)
def test_plain_http_is_fine_on_this_machine(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, f"api.base_url = '{url}'").settings.api.base_url == url


def test_plain_http_elsewhere_is_fine_when_it_is_allowed(tmp_path: Path) -> None:
    loaded = load(tmp_path, "[api]\nbase_url = 'http://proxy.example.org'\nallow_http = true")
    assert loaded.settings.api.allow_http


@pytest.mark.parametrize(
    "text",
    [
        "[credentials]\ntoken = 'CANARYCANARY'",
        "[credentials]\ntoken_file = ['CANARYCANARY']",
        "[api]\nbase_url = 'https://user:CANARYCANARY@example.org'",
        "[api]\nbase_url = 'https://example.org?token=CANARYCANARY'",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, text: str) -> None:
    assert "CANARY" not in "".join(mistakes(tmp_path, text))


def test_token_in_the_configuration_is_told_where_it_belongs(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "[credentials]\napi_token = 'x'")
    assert "name its file in credentials.token_file" in found


def test_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read: No such file or directory"):
        load_settings(path=tmp_path / "none.toml", environ={}, overrides={})


def test_file_that_is_no_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "harvester.toml"
    path.write_bytes(b"[pace]\nworkers = \xff\n")
    with pytest.raises(ConfigError, match="line 2: not UTF-8 text"):
        load_settings(path=path, environ={}, overrides={})


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "#" * 100_001)
    assert "larger than 100000 bytes" in found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("0x" + "f" * 5000, "a number of more than a hundred digits"),
        (f"[{'9' * 101}]", "a number of more than a hundred digits"),
        ("9" * 5000, "is not valid TOML"),
        (f"{{{'a.' * 2000}a = 1}}", "nests deeper than 20 levels"),
        ("[" * 40 + "]" * 40, "nests deeper than 20 levels"),
        ("[" * 5000, "is not valid TOML"),
    ],
)
@pytest.mark.parametrize("key", ["api.tries", "filters.projects", "accounts.a.archive.dir", "nonsense.x"])
def test_a_value_that_cannot_even_be_shown_is_no_valid_toml(
    tmp_path: Path, key: str, value: str, words: str
) -> None:
    (found,) = mistakes(tmp_path, f"{key} = {value}")
    assert words in found


def test_addresses_of_those_who_are_told_are_masked_from_then_on() -> None:
    urls = {
        "WEBHOOK_URL": "http://CANARY1/",
        "HEALTHCHECKS_URL": "http://CANARY2/",
        "APPRISE_URLS": "json://CANARY3",
    }
    environ = {f"HARVESTER_NOTIFY_{name}": url for name, url in urls.items()}
    load_settings(path=None, environ=environ, overrides={}, places=())
    assert mask(" ".join(urls.values())) == "*** *** ***"
