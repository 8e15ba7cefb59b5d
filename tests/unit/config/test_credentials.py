from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from harvester.config.credentials import Credentials, find_credentials
from harvester.config.settings import CredentialSettings
from harvester.errors import CredentialsError
from harvester.secrets import Secret

TOKEN = "aaaabbbbccccdddd"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def private(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def found(credentials: Credentials) -> tuple[int, str]:
    return credentials.user_id, credentials.token.reveal()


def find(home: Path | None, environ: dict[str, str] | None = None, **settings: str) -> Credentials:
    return find_credentials(CredentialSettings(**settings), environ or {}, home=home)


@pytest.mark.parametrize("prefix", ["QUANTCONNECT", "QC"])
def test_user_id_and_token_come_from_the_environment(home: Path, prefix: str) -> None:
    credentials = find(home, {f"{prefix}_USER_ID": " 123456 ", f"{prefix}_API_TOKEN": f"{TOKEN}\n"})
    assert found(credentials) == (123456, TOKEN)
    assert credentials.origin == f"environment {prefix}_USER_ID and {prefix}_API_TOKEN"


@pytest.mark.parametrize("prefix", ["QUANTCONNECT", "QC"])
def test_user_id_and_token_come_from_files_that_the_environment_names(home: Path, prefix: str) -> None:
    user, token = private(home / "id", "123456\n"), private(home / "token", f"{TOKEN}\n")
    credentials = find(home, {f"{prefix}_USER_ID_FILE": str(user), f"{prefix}_API_TOKEN_FILE": str(token)})
    assert found(credentials) == (123456, TOKEN)
    assert credentials.warnings == ()


def test_user_id_in_the_environment_completes_a_token_file_there(home: Path) -> None:
    token = private(home / "token", TOKEN)
    assert found(find(home, {"QC_USER_ID": "7", "QC_API_TOKEN_FILE": str(token)})) == (7, TOKEN)


def test_user_id_file_completes_a_token_in_the_environment(home: Path) -> None:
    user = private(home / "id", "7")
    assert found(find(home, {"QC_USER_ID_FILE": str(user), "QC_API_TOKEN": TOKEN})) == (7, TOKEN)


def test_token_comes_from_a_command(home: Path) -> None:
    credentials = find(home, user_id="7", token_command=f"echo '{TOKEN}'")
    assert found(credentials) == (7, TOKEN)
    assert credentials.origin == "credentials.token_command"


def test_user_id_and_token_come_from_systemd(home: Path, tmp_path: Path) -> None:
    private(tmp_path / "run" / "quantconnect_user_id", "7\n")
    private(tmp_path / "run" / "quantconnect_api_token", f"{TOKEN}\n")
    assert found(find(home, {"CREDENTIALS_DIRECTORY": str(tmp_path / "run")})) == (7, TOKEN)


def test_token_comes_from_a_file_of_the_settings(home: Path) -> None:
    path = private(home / "token", TOKEN)
    assert found(find(home, user_id="7", token_file=str(path))) == (7, TOKEN)


@pytest.mark.parametrize("text", [TOKEN, "k" * 300, "secrets/CANARY"])
def test_what_may_be_the_token_in_place_of_its_file_is_not_repeated(home: Path, text: str) -> None:
    with pytest.raises(CredentialsError, match=r"credentials\.token_file does not exist") as caught:
        find(home, user_id="7", token_file=text)
    assert text not in str(caught.value)


def test_user_id_and_token_come_from_the_official_client(home: Path) -> None:
    private(home / ".lean" / "credentials", f'{{"user-id": "7", "api-token": "{TOKEN}", "other": [1]}}')
    credentials = find(home)
    assert found(credentials) == (7, TOKEN)
    assert credentials.origin == f"{home}/.lean/credentials"


@pytest.mark.parametrize("content", ["", "{}", '{"user-id": null, "api-token": null}'])
def test_official_client_that_is_logged_out_has_none(home: Path, content: str) -> None:
    private(home / ".lean" / "credentials", content)
    with pytest.raises(CredentialsError, match="no credentials were found"):
        find(home)


def test_first_place_wins(home: Path, tmp_path: Path) -> None:
    private(home / ".lean" / "credentials", '{"user-id": "4", "api-token": "tttttttt4"}')
    private(home / "token", "tttttttt3")
    environ: dict[str, str] = {}
    settings = {"user_id": "3", "token_file": f"{home}/token"}
    assert find(home, environ, **settings).user_id == 3
    private(tmp_path / "run" / "quantconnect_user_id", "2")
    private(tmp_path / "run" / "quantconnect_api_token", "tttttttt2")
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "run")
    assert find(home, environ, **settings).user_id == 2
    environ |= {"QC_USER_ID": "1", "QC_API_TOKEN": "tttttttt1"}
    assert find(home, environ, **settings).user_id == 1
    environ |= {"QUANTCONNECT_USER_ID": "0", "QUANTCONNECT_API_TOKEN": "tttttttt0"}
    assert find(home, environ, **settings).user_id == 0


def test_command_is_not_run_when_an_earlier_place_has_a_token(home: Path) -> None:
    environ = {"QC_USER_ID": "1", "QC_API_TOKEN": TOKEN}
    assert find(home, environ, token_command="false").user_id == 1


def test_nothing_found_names_every_place_and_the_quickest_way(home: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        find(home)
    text = str(caught.value)
    for place in (
        "QUANTCONNECT_USER_ID and QUANTCONNECT_API_TOKEN",
        "QC_USER_ID and QC_API_TOKEN",
        "QC_API_TOKEN_FILE",
        "credentials.token_command",
        "$CREDENTIALS_DIRECTORY",
        "credentials.token_file",
        "~/.lean/credentials",
    ):
        assert place in text
    assert "set QUANTCONNECT_USER_ID and QUANTCONNECT_API_TOKEN, or run `lean login`" in text


def test_user_without_a_home_is_told_the_same() -> None:
    with pytest.raises(CredentialsError, match="no credentials were found"):
        find(None)


@pytest.mark.parametrize(
    ("environ", "settings", "place"),
    [
        ({"QC_USER_ID": "7"}, {}, "environment QC_USER_ID"),
        ({}, {"user_id": "7"}, "credentials.user_id"),
    ],
)
def test_user_id_without_a_token_says_what_is_missing(
    home: Path, environ: dict[str, str], settings: dict[str, str], place: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        find(home, environ, **settings)
    assert f"a user id (in {place}" in str(caught.value)
    assert "set QUANTCONNECT_API_TOKEN" in str(caught.value)


def test_token_without_a_user_id_says_what_is_missing(home: Path) -> None:
    with pytest.raises(CredentialsError, match="there is a token but no user id; set QUANTCONNECT_USER_ID"):
        find(home, {"QC_API_TOKEN": TOKEN})


def test_token_never_meets_the_user_id_of_another_place(home: Path) -> None:
    private(home / ".lean" / "credentials", f'{{"user-id": "7", "api-token": "{TOKEN}"}}')
    with pytest.raises(CredentialsError, match="no user id"):
        find(home, {"QC_API_TOKEN": "another-token"})


def test_swapped_user_id_and_token_are_not_repeated(home: Path) -> None:
    with pytest.raises(CredentialsError, match="the user id is not a number") as caught:
        find(home, {"QC_USER_ID": TOKEN, "QC_API_TOKEN": "123456"})
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "a\nb", "täglich", "tok\x00en"])
def test_token_with_strange_characters_is_refused_unshown(home: Path, token: str) -> None:
    with pytest.raises(CredentialsError, match="characters that no token has") as caught:
        find(home, {"QC_USER_ID": "7", "QC_API_TOKEN": token})
    assert token not in str(caught.value)


def test_file_that_others_can_read_is_a_warning_with_its_remedy(home: Path) -> None:
    path = private(home / "to ken", TOKEN)
    path.chmod(0o640)
    credentials = find(home, {"QC_USER_ID": "7", "QC_API_TOKEN_FILE": str(path)})
    assert credentials.warnings == (f"{path} can be read by others; run: chmod 600 '{path}'",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"x" * 64_001, "larger than"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_file_that_holds_no_token_is_told_with_its_path(
    home: Path, content: bytes | None, reason: str
) -> None:
    path = home / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=reason) as caught:
        find(home, user_id="7", token_file=str(path))
    assert str(path) in str(caught.value)


def test_file_of_the_official_client_that_is_damaged_is_told(home: Path) -> None:
    private(home / ".lean" / "credentials", "[broken")
    with pytest.raises(CredentialsError, match="is not what `lean login` writes"):
        find(home)


def test_secret_is_neither_shown_nor_pickled() -> None:
    secret = Secret(TOKEN)
    credentials = Credentials(7, secret, "a test")
    assert TOKEN not in f"{secret} {secret!r} {credentials} {credentials!r} {[secret]}"
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(credentials)
