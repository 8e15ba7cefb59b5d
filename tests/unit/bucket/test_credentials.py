"""Keys for S3: AWS's own tool is the judge of where they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.bucket.credentials import S3Keys, hide_store_secrets, load_s3_profile
from harvester.errors import CredentialsError
from harvester.secrets import mask


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _shown(keys: S3Keys | None) -> tuple[str, str, str] | None:
    return keys and (keys.key_id, keys.secret.reveal(), keys.token.reveal() if keys.token else "")


_FILES = {
    "credentials": "[default]\naws_access_key_id = FILEKEY\naws_secret_access_key = file-secret\n"
    "[firm]\naws_access_key_id = FIRMKEY\naws_secret_access_key = firm-secret\n"
    "aws_session_token = firm-token\n",
    "config": "[default]\nregion = eu-west-1\n"
    "[profile firm]\nregion = eu-central-1\nendpoint_url = http://127.0.0.1:9000\n",
}


@pytest.mark.parametrize(
    ("environ", "keys", "region", "endpoint"),
    [
        ({}, ("FILEKEY", "file-secret", ""), "eu-west-1", ""),
        (
            {"AWS_PROFILE": "firm"},
            ("FIRMKEY", "firm-secret", "firm-token"),
            "eu-central-1",
            "http://127.0.0.1:9000",
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": "ENVKEY",
                "AWS_SECRET_ACCESS_KEY": "env-secret",
                "AWS_SESSION_TOKEN": "env-token",
            },
            ("ENVKEY", "env-secret", "env-token"),
            "eu-west-1",
            "",
        ),
        ({"AWS_REGION": "us-west-2"}, ("FILEKEY", "file-secret", ""), "us-west-2", ""),
    ],
)
def test_keys_are_found_where_other_tools_find_them(
    clean_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    keys: tuple[str, str, str],
    region: str,
    endpoint: str,
) -> None:
    for name, text in _FILES.items():
        _write(clean_environment / ".aws" / name, text)
    profile = load_s3_profile(environ, clean_environment)
    assert (_shown(profile.keys), profile.region, profile.endpoint) == (keys, region, endpoint)
    import botocore.session

    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = botocore.session.Session().get_credentials()
    assert (found.access_key, found.secret_key, found.token or "") == keys


def test_nothing_is_found_where_there_is_nothing(clean_environment: Path) -> None:
    profile = load_s3_profile({}, clean_environment)
    assert profile.keys is None
    assert not profile.region


def test_other_files_can_be_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "keys", _FILES["credentials"])
    profile = load_s3_profile({"AWS_SHARED_CREDENTIALS_FILE": str(path)}, tmp_path)
    assert _shown(profile.keys) == ("FILEKEY", "file-secret", "")


def test_a_profile_that_is_in_no_file_is_named(clean_environment: Path) -> None:
    with pytest.raises(CredentialsError, match="'nobody'"):
        load_s3_profile({"AWS_PROFILE": "nobody"}, clean_environment)


def test_a_damaged_file_is_named_and_not_repeated(clean_environment: Path) -> None:
    _write(clean_environment / ".aws" / "credentials", "aws_secret_access_key = very-secret-indeed\n")
    with pytest.raises(CredentialsError) as caught:
        load_s3_profile({}, clean_environment)
    assert "credentials is not an ini file" in str(caught.value)
    assert "very-secret-indeed" not in str(caught.value)


def test_secrets_of_stores_are_masked(clean_environment: Path) -> None:
    _write(clean_environment / ".aws" / "credentials", _FILES["credentials"])
    load_s3_profile({"AWS_PROFILE": "firm"}, clean_environment)
    hide_store_secrets({"AZURE_STORAGE_ACCOUNT_KEY": "azure-secret-key"})
    assert mask("firm-secret firm-token azure-secret-key") == "*** *** ***"
