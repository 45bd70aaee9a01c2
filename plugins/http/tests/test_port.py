"""The port: it opens last, answers, speaks TLS, refuses what is wrong, and closes without a trace."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rtcore_http
from aiohttp import web
from rtcore_http.routes import Route
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.errors import PluginError, Rejected, SettingsError
from rtcore.hooks import hookimpl
from rtcore.testing import PlainCodec


async def hello(request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")


@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_route_of_another_plugin_answers(
    serve: Any, browser: aiohttp.ClientSession, tls: Any, server: str, secure: bool
) -> None:
    more = {"tls_certificate": str(tls.certificate), "tls_key": str(tls.key)} if secure else {}
    _, url = await serve(Route("GET", "/hello", hello), server=server, **more)
    assert url.startswith("https" if secure else "http:")
    async with browser.get(url + "/hello", ssl=tls.client if secure else True) as response:
        assert (response.status, await response.text()) == (200, "hello")
        assert response.headers["Server"] == "rtcore"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_two_routes_for_the_same_path_are_refused(serve: Any) -> None:
    with pytest.raises(PluginError, match="two routes for GET /healthz"):
        await serve(Route("GET", "/healthz", hello))


async def test_an_address_in_use_says_so(serve: Any) -> None:
    app, _ = await serve()
    with pytest.raises(PluginError, match=r"cannot listen on 127\.0\.0\.1 port .*http\.port"):
        await serve(port=app.get(Http).port)


async def test_tls_files_that_are_wrong_are_named(serve: Any, tls: Any, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no file at"):
        await serve(tls_certificate=str(tmp_path / "none.pem"))
    with pytest.raises(PluginError, match="cannot be used") as failure:
        await serve(tls_certificate=str(tls.certificate), tls_key=str(tls.certificate))
    assert "BEGIN" not in str(failure.value)


def test_settings_that_do_not_fit_are_refused() -> None:
    wrong = {"port": 70_000, "origins": ["example.org/path"], "trusted_proxies": ["300.1.1.1"]}
    with pytest.raises(SettingsError) as failure:
        App({"http": wrong}, plugins=[rtcore_http]).boot()
    assert {problem.key for problem in failure.value.problems} == {
        "http.port",
        "http.origins",
        "http.trusted_proxies",
    }


async def test_a_refusal_is_a_status_and_a_frame(serve: Any, browser: aiohttp.ClientSession) -> None:
    async def full(request: web.Request) -> web.StreamResponse:
        raise Rejected("server_full", retry_after=4.2)

    _, url = await serve(Route("GET", "/full", full))
    async with browser.get(url + "/full") as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
        name, fields = await response.json()
    assert (name, fields["code"], fields["retry_after"]) == ("error", "server_full", 4.2)


async def test_a_route_that_fails_says_nothing_of_why(
    serve: Any, browser: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError("the password is swordfish")

    _, url = await serve(Route("GET", "/fail", fail))
    async with browser.get(url + "/fail") as response:
        assert response.status == 500
        assert "swordfish" not in await response.text()
    assert "GET /fail failed" in caplog.text


async def test_the_access_log_has_no_query(
    serve: Any, browser: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rtcore.http.access")
    _, url = await serve(Route("GET", "/hello", hello), access_log=True)
    async with browser.get(url + "/hello?secret=swordfish"):
        pass
    assert "GET /hello 200" in caplog.text
    assert "swordfish" not in caplog.text


# -- health --------------------------------------------------------------------------------------------------


class Check:
    def __init__(self, name: str, answer: Any) -> None:
        self.name = name
        self.answer = answer

    async def check(self) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == "hang":
            await asyncio.Event().wait()
        return self.answer  # type: ignore[no-any-return]

    @hookimpl
    def rtcore_health(self, app: App) -> list[Check]:
        return [self]


async def test_health_is_ok_while_the_loop_turns(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve()
    async with browser.get(url + "/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with browser.head(url + "/healthz") as response:
        assert response.status == 200


async def test_readiness_names_what_is_wrong(
    serve: Any, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtcore_http.health.TIMEOUT", 0.05)
    checks = [
        Check("good", None),
        Check("redis", "no connection"),
        Check("stuck", "hang"),
        Check("bad", ValueError("swordfish")),
    ]
    _, url = await serve(plugins=checks)
    async with browser.get(url + "/readyz") as response:
        assert response.status == 503
        answer = await response.json()
    assert answer["status"] == "not ready"
    assert answer["checks"]["good"] == "ok"
    assert answer["checks"]["redis"] == "no connection"
    assert answer["checks"]["stuck"].startswith("no answer within")
    assert "swordfish" not in json.dumps(answer)


async def test_a_ready_node_says_so(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(plugins=[Check("good", None)])
    async with browser.get(url + "/readyz") as response:
        assert (response.status, await response.json()) == (
            200,
            {"status": "ready", "checks": {"good": "ok"}},
        )


async def test_a_draining_node_is_not_ready_and_alive(serve: Any, browser: aiohttp.ClientSession) -> None:
    app, url = await serve()
    await app.drain(within=0)
    async with browser.get(url + "/readyz") as response:
        assert (response.status, await response.json()) == (503, {"status": "draining"})
    async with browser.get(url + "/healthz") as response:
        assert response.status == 200


# -- the end -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_stop_ends_requests_that_hang(server: str, secure: bool, tls: Any) -> None:
    began = asyncio.Event()
    cancelled = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    class Hanging:
        @hookimpl
        def rtcore_http_routes(self, app: App) -> list[Route]:
            return [Route("GET", "/hang", hang)]

    more = {"tls_certificate": str(tls.certificate), "tls_key": str(tls.key)} if secure else {}
    settings = {"http": {"port": 0, "server": server, "stop_timeout": 0.2, **more}}
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as client:
        app = App(settings, plugins=[rtcore_http, PlainCodec(), Hanging()])
        async with app:
            url = app.get(Http).urls[0]
            waiting = asyncio.create_task(client.get(url + "/hang", ssl=tls.client if secure else True))
            await began.wait()
        assert cancelled.is_set()
        assert (app.get(Http).port, app.get(Http).urls) == (0, [])
        with pytest.raises(aiohttp.ClientError):
            await waiting
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(url + "/healthz", ssl=tls.client if secure else True)
    gc.collect()  # a socket or a task that was forgotten would warn here, and a warning is an error
    assert asyncio.all_tasks() == before


async def test_a_port_that_was_closed_can_be_opened_again() -> None:
    app = App({"http": {"port": 0}}, plugins=[rtcore_http, PlainCodec()])
    for _ in range(2):
        async with app:
            assert app.get(Http).port > 0
        assert app.get(Http).port == 0
