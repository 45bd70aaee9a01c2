"""The page as HTTP: what is served, as what, and what it may do in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import aiohttp
import pytest
import rtcore_http
import rtcore_playground
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.errors import PluginError, SettingsError
from rtcore.hooks import hookimpl
from rtcore.testing import PlainCodec

STATIC = files("rtcore_playground").joinpath("static")
NAMES = sorted(file.name for file in STATIC.iterdir() if not file.name.endswith(".d.ts"))
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def app(*plugins: object, **settings: object) -> App:
    return App(
        {"http": {"port": 0}, "playground": settings},
        plugins=[rtcore_http, rtcore_playground, PlainCodec(), *plugins],
    )


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with app() as running:
        yield running.get(Http).urls[0]


def where(name: str) -> str:
    return "/" if name == "index.html" else f"/playground/{name}"


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served_as_what_it_is(url, browser, name):
    async with browser.get(url + where(name)) as answer:
        assert answer.status == 200
        assert await answer.read() == STATIC.joinpath(name).read_bytes()
        assert answer.headers["Content-Type"] == TYPES[name[name.rindex(".") :]] + "; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", NAMES)
async def test_a_browser_that_has_the_file_is_told_so(url, browser, name):
    async with browser.get(url + where(name)) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        tag = answer.headers["ETag"]
    async with browser.get(url + where(name), headers={"If-None-Match": f'"other", {tag}'}) as again:
        assert again.status == 304
        assert await again.read() == b""
        assert again.headers["ETag"] == tag
    async with browser.get(url + where(name), headers={"If-None-Match": '"other"'}) as changed:
        assert changed.status == 200


async def test_the_head_of_the_page_is_that_of_the_page(url, browser):
    async with browser.head(url) as head, browser.get(url) as whole:
        assert await head.read() == b""
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]


async def test_the_page_may_run_its_own_files_and_nothing_else(url, browser):
    async with browser.get(url) as answer:
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
        )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)


def test_the_files_fetch_nothing_from_elsewhere_and_have_nothing_inline():
    for name in NAMES:
        text = STATIC.joinpath(name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""(src|href|url|import|from)\W{1,3}(https?:)?//""", text), name
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), name
    page = STATIC.joinpath("index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []


def test_the_page_asks_only_for_files_that_are_there():
    for name in NAMES:
        text = STATIC.joinpath(name).read_text(encoding="utf-8")
        asked = re.findall(r'"playground/([^"]+)"', text) + re.findall(r'from "\./([^"]+)"', text)
        assert set(asked) <= {*NAMES, "offers.json"}, name


async def test_what_is_for_those_who_work_on_the_page_is_not_served(url, browser):
    assert STATIC.joinpath("rtcore-client.d.ts").is_file()
    async with browser.get(url + "/playground/rtcore-client.d.ts") as answer:
        assert answer.status == 404


# -- what the server offers --------------------------------------------------------------------------------


async def offers(browser: aiohttp.ClientSession, running: App) -> dict[str, bool]:
    async with browser.get(running.get(Http).urls[0] + "/playground/offers.json") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def test_a_server_without_an_assistant_and_without_tokens_says_so(browser):
    async with app() as running:
        assert await offers(browser, running) == {"assistant": False, "token": False}


@pytest.mark.parametrize(
    ("pattern", "assistant"),
    [("chat:message", True), ("chat:*", True), ("chat:messages", False), ("chat", False), ("*", False)],
)
async def test_a_handler_for_questions_is_an_assistant_and_one_for_everything_is_not(
    browser, pattern, assistant
):
    answering = app()

    @answering.handler(pattern)
    def answer() -> None: ...

    async with answering as running:
        assert (await offers(browser, running))["assistant"] is assistant


async def test_a_server_that_asks_who_one_is_says_that_a_token_is_of_use(browser):
    class Names:
        name = "names"

        @hookimpl
        def rtcore_authenticators(self):
            return [self]

        async def authenticate(self, handshake):
            return None

    async with app(Names()) as running:
        assert (await offers(browser, running))["token"] is True


async def test_the_page_can_be_elsewhere(browser):
    async with app(path="/demo") as running:
        url = running.get(Http).urls[0]
        async with browser.get(url + "/demo") as page, browser.get(url + "/playground/page.js") as script:
            assert page.status == script.status == 200
        async with browser.get(url) as root:
            assert root.status == 404


def test_a_path_that_cannot_be_is_refused_at_boot():
    with pytest.raises(SettingsError, match=r"playground\.path"):
        app(path="demo/page").boot()


async def test_a_page_of_the_application_s_own_at_the_same_path_is_refused_with_both():
    class Own:
        name = "own"

        @hookimpl
        def rtcore_http_routes(self, app):
            return rtcore_playground.rtcore_http_routes(app)

    twice = App({"http": {"port": 0}}, plugins=[rtcore_http, rtcore_playground, PlainCodec(), Own()])
    with pytest.raises(PluginError, match="/"):
        await twice.start()
