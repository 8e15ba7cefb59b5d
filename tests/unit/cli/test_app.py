from __future__ import annotations

import pytest

from harvester.cli.app import expand_bare_refresh


@pytest.mark.parametrize(
    ("words", "spelled_out"),
    [
        (["run", "--refresh"], ["run", "--refresh=0"]),
        (["run", "--refresh", "--json"], ["run", "--refresh=0", "--json"]),
        (["run", "--refresh", "30"], ["run", "--refresh", "30"]),
        (["run", "--refresh", "0.5"], ["run", "--refresh", "0.5"]),
        (["run", "--refresh=30"], ["run", "--refresh=30"]),
        (["run"], ["run"]),
        ([], []),
    ],
)
def test_refresh_without_days_means_everything(words: list[str], spelled_out: list[str]) -> None:
    assert expand_bare_refresh(words) == spelled_out
