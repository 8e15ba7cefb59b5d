"""A browser without network, and pages opened from disk in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from playwright.sync_api import Browser, Route, sync_playwright
from support.pages import Opened, make_nights

CHROMIUM = shutil.which("chromium")
_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Debian's chromium is not installed"))


@pytest.fixture(autouse=True)
def blocked_loop_fails() -> None:
    """Playwright's own loop runs in this thread, and what is called here is not called in it."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True)
    context.set_default_timeout(5000)
    opened = Opened(context.new_page())

    def gate(route: Route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            opened.outside.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    opened.page.on("requestfailed", lambda request: opened.failed.append(request.url))
    opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.page.on(
        "console",
        lambda message: opened.said.append(message.text) if message.type in {"error", "warning"} else None,
    )
    yield opened
    context.close()


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second of two nights; nobody changes it."""
    archive = tmp_path_factory.mktemp("nights")
    with ThreadPoolExecutor(1) as threads:  # Playwright's loop has this one
        return threads.submit(anyio.run, make_nights, archive).result()
