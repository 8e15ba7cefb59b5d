"""`harvester config show`: what people put where a secret does not belong is not shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import harvester

TOKEN = "CANARY0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("key", ["user_id", "token_file", "token_command"])
@pytest.mark.parametrize("table", ["credentials", "accounts.main.credentials"])
def test_a_token_in_place_of_something_else_is_masked(tmp_path: Path, table: str, key: str) -> None:
    text = f"{table}.{key} = '{TOKEN}'\n"
    if table.startswith("accounts"):
        text += "accounts.main.archive.dir = 'main'\n"
    (tmp_path / "harvester.toml").write_text(text)
    for more in ((), ("--json",)):
        done = harvester("config", "show", *more, cwd=tmp_path)
        assert done.code == 0, done.err
        assert "***" in done.out
        assert "CANARY" not in done.out + done.err
    for command in ("run", "doctor"):
        assert "CANARY" not in str(harvester(command, cwd=tmp_path))


@pytest.mark.parametrize("path", ["/etc/no/such/token", "./no-such-token", "token"])
def test_a_user_id_and_the_path_of_a_token_are_shown(tmp_path: Path, path: str) -> None:
    (tmp_path / "token").write_text("x")
    (tmp_path / "harvester.toml").write_text(
        f"[credentials]\nuser_id = 123456\ntoken_file = '{path}'\ntoken_command = ' '\n"
    )
    shown = harvester("config", "show", "--json", cwd=tmp_path).document()
    assert shown["credentials.user_id"]["value"] == "123456"
    assert shown["credentials.token_file"]["value"] == path
