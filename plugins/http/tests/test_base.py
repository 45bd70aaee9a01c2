"""The base path: where it is, what it says of itself, and what is said beside it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import rtcore_http
from aiohttp import web
from rtcore_http.routes import Route
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.errors import SettingsError


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


@pytest.mark.parametrize(("base", "path"), [("/rt", "/rt/send"), ("/app/rt", "/app/rt/send"), ("/", "/send")])
async def test_everything_for_clients_lies_below_it(
    serve: Any, browser: aiohttp.ClientSession, base: str, path: str
) -> None:
    app, url = await serve(base=base)
    assert app.get(Http).base + "/send" == path
    async with browser.post(url + path, data=b"") as response:
        assert (await response.json())[1]["code"] in {"malformed_frame", "bad_control"}
    async with browser.get(url + "/healthz") as response:
        assert response.status == 200, "a probe needs no prefix"


@pytest.mark.parametrize("path", ["/rt", "/rt/"])
async def test_the_base_says_what_is_there(serve: Any, browser: aiohttp.ClientSession, path: str) -> None:
    _, url = await serve(Route("GET", "/rt/ws", hello, about="a WebSocket"))
    async with browser.get(url + path) as response:
        assert response.status == 200
        said = await response.json()
    assert (said["server"], said["protocol"], said["base"]) == ("rtcore", 1, "/rt")
    assert said["here"] == {
        "POST /rt/send": "messages of event streams and polls",
        "GET /rt/ws": "a WebSocket",
    }
    assert "url" in said["hint"]
    async with browser.head(url + path) as response:
        assert response.status == 200


async def test_whoever_has_the_root_keeps_it(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(Route("GET", "/", hello), base="/")
    async with browser.get(url + "/") as response:
        assert await response.text() == "hello"


async def test_a_wrong_path_is_told_the_right_one(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(base="/app/rt")
    async with browser.get(url + "/rt/ws") as response:
        assert response.status == 404
        said = await response.json()
    assert said["base"] == "/app/rt"
    assert "GET /app/rt" in said["hint"]


async def test_a_wrong_method_is_told_the_right_one(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve()
    async with browser.get(url + "/rt/send") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json())["allowed"] == ["POST"]


async def test_a_routes_own_404_is_its_own(serve: Any, browser: aiohttp.ClientSession) -> None:
    async def none(request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(text="no such picture")

    _, url = await serve(Route("GET", "/pictures/{name}", none))
    async with browser.get(url + "/pictures/cat") as response:
        assert (response.status, await response.text()) == (404, "no such picture")


@pytest.mark.parametrize("base", ["", "rt", "/rt/", "//rt", "/a/../b", "/a b", "/{name}", "/a?b"])
def test_what_is_no_path_is_refused(base: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.base.*a path such as"):
        App({"http": {"base": base}}, plugins=[rtcore_http]).boot()
