"""A real Chromium, real servers in processes of their own, and a network that can be cut.

Everything of a module shares one event loop: a browser is started once, a context per page is cheap.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, async_playwright

from tests.browser.playground import ELSEWHERE, Playground
from tests.browser.proxy import Proxy

HERE = Path(__file__).parent
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]
SAYING = """
from rtcore.serve import run
from rtcore_http.service import Http
run(app, ready=lambda: print("ready at", app.get(Http).urls[0], flush=True))
"""
READY = re.compile(r"ready at (http://[\d.]+:\d+)")

Open = Callable[..., Awaitable[Playground]]
Meet = Callable[..., Awaitable[list[Playground]]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class Server:
    """A server in a process of its own. `reading` takes what it writes until it ends."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, reading: asyncio.Task[None]) -> None:
        self.process = process
        self.url = url
        self.reading = reading

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self.reading


async def start_server(*arguments: str) -> Server:
    """Run a program until it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    output: list[str] = []
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            output.append(line.decode())
            if not url.done() and (match := READY.search(output[-1])):
                url.set_result(match[1])
        if not url.done():
            url.set_exception(RuntimeError("".join(output)))

    reading = asyncio.create_task(read(process.stdout), name="read the server")
    return Server(process, await asyncio.wait_for(url, 20), reading)


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start `rtcore serve` with settings, `"key=value"`; it stops when the test ends."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*options: str, port: int = 0) -> Server:
            quick = ("rate_limit_per_second=1000", "message_buffer_size=1000", "drain_time=0.5", *options)
            settings = [part for option in quick for part in ("--set", option)]
            server = await start_server("-m", "rtcore", "serve", "--port", str(port), *settings)
            stack.push_async_callback(server.stop)
            return server

        yield start


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def url() -> AsyncIterator[str]:
    """The address of an `rtcore serve` that most tests share, each in rooms of its own; in `small:…` two have names."""
    # A window for what a page misses in a few seconds, at the pace of a test.
    options = (
        "rate_limit_per_second=1000",
        "message_buffer_size=1000",
        "drain_time=0.5",
        'rooms.options."small:*".presence=2',
        f'http.allowed_hosts=["{ELSEWHERE}"]',
    )
    settings = [part for option in options for part in ("--set", option)]
    server = await start_server("-m", "rtcore", "serve", "--port", "0", *settings)
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def lab() -> AsyncIterator[str]:
    """The address of an application that does to its clients what it is asked to: see `lab.py`."""
    server = await start_server(str(HERE / "lab.py"))
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def assistant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of the program that docs/playground.md shows, on any port, and made to say where it is."""
    page = (HERE.parents[1] / "docs/playground.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert program.count("App()") == program.count("app.run()") == 1
    path = tmp_path_factory.mktemp("docs") / "assistant.py"
    path.write_text(
        program.replace("App()", 'App({"http": {"port": 0}})').replace("app.run()", SAYING), encoding="utf-8"
    )
    server = await start_server(str(path))
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def guarded() -> AsyncIterator[str]:
    """The address of one that wants a token."""
    server = await start_server(str(HERE / "lab.py"), "guarded")
    yield server.url
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A network between the pages and the server that can be cut."""
    async with Proxy(url) as between:
        yield between


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(
    browser: Browser, serve: Any, proxy: Proxy, request: pytest.FixtureRequest
) -> AsyncIterator[Open]:
    """Open the demo page as somebody, in a browser of their own. No page may complain in its console.

    It asks for `serve` and `proxy` only to end before they do: pages complain of a server that goes away.

    That a request met the end of its link, by a cut or a switch, is an answer of the protocol (409, 503), which
    Chromium reports as if it were an error; it is none. Nor is that a POST which was under way when the page said
    goodbye finds the session ended (404).

    `excused`: a part of the complaints that the test provokes, such as a refused WebSocket. `joins`: wait until the
    page is in the room; false for one that is not let in. `prepare`: called with the page before it loads anything.
    """
    room = re.sub(r"\W+", "-", request.node.name)
    async with contextlib.AsyncExitStack() as stack:
        complaints: list[str] = []

        async def open_page(
            url: str,
            name: str,
            *,
            transport: str | None = None,
            room: str = room,
            excused: str | None = None,
            width: int = 1280,
            height: int = 800,
            scheme: str = "light",
            motion: str = "no-preference",
            joins: bool = True,
            prepare: Callable[[Playground], Awaitable[None]] | None = None,
        ) -> Playground:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
                reduced_motion=motion,  # type: ignore[arg-type]
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(20_000)
            await context.add_init_script(f"localStorage.setItem('rtcore:name', '{name}')")
            page = await context.new_page()

            def hear(said: ConsoleMessage) -> None:
                where = said.location.get("url", "")
                over = "/rt/" in where and re.search(r"status of (409|503)", said.text)
                over = over or ("/rt/send" in where and "status of 404" in said.text)
                fine = over or (excused is not None and re.search(excused, said.text))
                if said.type in {"error", "warning"} and not fine:
                    complaints.append(f"{name}: {said.text} ({where})")

            page.on("console", hear)
            page.on("pageerror", lambda error: complaints.append(f"{name}: {error}"))
            opened = Playground(page)
            if prepare is not None:
                await prepare(opened)
            await page.goto(f"{url}/#{room}")
            if joins:
                await opened.connected()
                await opened.page.locator("#people li .name", has_text=f"{name} (you)").wait_for()
            if transport is not None:
                await opened.switch(transport)
            return opened

        yield open_page
        assert not complaints


@pytest_asyncio.fixture(loop_scope="session")
async def meet(visit: Open) -> Meet:
    """Open a page for each of several people at the same time, and wait until they see each other.

    `transports`: one for all, or one for each.
    """

    async def open_pages(
        url: str, *names: str, transports: str | Sequence[str | None] | None = None, **options: Any
    ) -> list[Playground]:
        each = [transports] * len(names) if transports is None or isinstance(transports, str) else transports
        pages = await asyncio.gather(
            *(visit(url, name, transport=one, **options) for name, one in zip(names, each, strict=True))
        )
        for page, name in zip(pages, names, strict=True):
            await page.sees(name, *names)
        return pages

    return open_pages
