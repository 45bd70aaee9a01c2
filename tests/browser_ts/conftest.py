"""The built TypeScript client in a real Chromium, a real server, and a network between them that can be cut.

The pages are made here and served from the network's own address, so that they are of the server's origin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright

from tests.browser_ts.server import Server
from tests.end_to_end.proxy import Proxy

HERE = Path(__file__).parent
DIST = HERE.parents[1] / "clients/typescript/dist"
BUNDLE = DIST / "rtcore-client.js"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that the test itself answers has no address, and Chromium takes it for one of the wide world.
    "--disable-features=LocalNetworkAccessChecks",
]

Visit = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    if not BUNDLE.is_file():
        pytest.fail("the TypeScript client is not built; `make client-ts` builds it", pytrace=False)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=chromium,
            args=FLAGS,
            # As people have it: a page that is left is put away, and may come back as it was.
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def server() -> AsyncIterator[Server]:
    """The server that most tests share, each in rooms of its own."""
    running = Server()
    await running.start()
    yield running
    await running.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def network(server: Server) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as between:
        yield between


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """One person's browser."""
    made = await browser.new_context()
    made.set_default_timeout(20_000)

    async def page(route: Route) -> None:
        await route.fulfill(path=HERE / "page.html", content_type="text/html")

    async def bundle(route: Route) -> None:
        await route.fulfill(path=BUNDLE, content_type="text/javascript")

    async def part(route: Route) -> None:
        await route.fulfill(
            path=DIST / "esm" / route.request.url.rpartition("/")[2], content_type="text/javascript"
        )

    await made.route("**/page*", page)
    await made.route("**/rtcore-client.js", bundle)
    await made.route("**/esm/*", part)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(context: BrowserContext, network: Proxy) -> Visit:
    """Open a page; with options, start its client. No page may fail unheard."""

    async def opened(
        options: dict[str, Any] | None = None, *, through: Proxy = network, leaf: str = "page"
    ) -> Page:
        page = await context.new_page()
        await page.goto(f"http://127.0.0.1:{through.port}/{leaf}")
        await page.wait_for_function("window.ready")
        if options is not None:
            await page.evaluate("options => start(options)", options)
        return page

    return opened
