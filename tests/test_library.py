"""Harvester from Python: what it exports, and a run and its results as a notebook would use them."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import anyio
import pytest
from support.builders import TOKEN, USER_ID, Watcher, make_backtests, make_scenario, make_settings

import harvester
import harvester.app
from harvester.archive import Archive
from harvester.model import account_fingerprint
from harvester.simulator import Simulator

EXPORTED = {
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
}


def test_what_is_exported_is_a_promise() -> None:
    assert set(harvester.__all__) == EXPORTED
    assert all(hasattr(harvester, name) for name in EXPORTED)


def test_type_checkers_see_what_is_exported() -> None:
    stub = ast.parse(Path(harvester.__file__).with_suffix(".pyi").read_text())
    (exported,) = (node for node in stub.body if isinstance(node, ast.Assign))
    assert set(ast.literal_eval(exported.value)) == EXPORTED


def test_every_name_of_the_use_cases_can_be_imported() -> None:
    assert [name for name in harvester.app.__all__ if not hasattr(harvester.app, name)] == []


def run(archive: Path, *, token: str = TOKEN, observer: Watcher | None = None) -> harvester.RunResult:
    """A run against a simulated account with three backtests in two projects."""
    main = harvester.run  # imported outside the event loop, as in a script

    async def simulated() -> harvester.RunResult:
        async with Simulator(make_scenario(make_backtests(2), make_backtests(1, first=3))) as simulator:
            settings = make_settings(simulator.base_url, archive)
            return await main(settings, credentials=(USER_ID, token), observer=observer)

    return anyio.run(simulated)


def test_a_run_from_python_prints_nothing_and_its_table_has_every_backtest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watcher = Watcher()
    result = run(tmp_path / "archive", observer=watcher)
    assert result.record is not None
    assert result.record.complete
    assert watcher.requests
    assert capfd.readouterr() == ("", "")
    archive = harvester.Archive.open(str(tmp_path / "archive"))
    (snapshot,) = archive.snapshots()
    assert snapshot.path == result.path == archive.snapshot().path
    rows = snapshot.table()
    assert [row["outcome"] for row in rows] == ["saved"] * 3
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}
    assert isinstance(rows[0]["sharpeRatio"], float)
    for entry in snapshot.inventory():
        assert snapshot.report(entry).backtest.backtest_id == entry.backtest_id
        assert snapshot.file(entry, "report.html").is_file()


def test_the_table_opens_in_pandas_and_polars(tmp_path: Path) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    run(tmp_path / "archive")
    rows = harvester.Archive.open(tmp_path / "archive").snapshot("latest").table()
    assert pandas.DataFrame(rows)["sharpeRatio"].notna().all()
    assert polars.DataFrame(rows)["backtest_id"].n_unique() == 3


def test_refused_credentials_are_raised_as_themselves_and_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(harvester.errors.AuthenticationError):
        run(tmp_path / "archive", token="wrong" + TOKEN)
    assert capfd.readouterr() == ("", "")


def test_an_archive_in_use_is_reported_by_its_own_error(tmp_path: Path) -> None:
    held = Archive.create_or_open(tmp_path / "archive", account=account_fingerprint(USER_ID))
    started, over = threading.Event(), threading.Event()

    def hold() -> None:
        with held.lock(command="test", wait_s=0):
            started.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait(60)
    try:
        with pytest.raises(harvester.errors.ArchiveLockedError):
            run(tmp_path / "archive")
    finally:
        over.set()
        holder.join()


def test_settings_come_from_the_same_places_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harvester.toml").write_text(
        "pace.workers = 3\naccounts.a.archive.dir = 'a'\naccounts.b.archive.dir = 'b'\n"
    )
    monkeypatch.setenv("HARVESTER_PACE_BURST", "2")
    settings = harvester.load_settings(account="b")
    assert (settings.pace.workers, settings.pace.burst, settings.archive.dir) == (3, 2, "b")
    with pytest.raises(harvester.errors.ConfigError):
        harvester.load_settings()
