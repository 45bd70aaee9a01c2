"""What a program learns when it cannot connect, or goes on in another session: every cause, and none hides another."""

from __future__ import annotations

import asyncio
import traceback

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from proxy import Proxy
from rtcore_client import NetworkError, NewSession, Refused, Suspended, Timing, UnknownOutcome
from stack import make, serving, until

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity

TRANSPORTS = ("websocket", "sse", "polling")


@attrs.frozen
class Gate:
    """Lets in who shows a token of these."""

    tokens: dict[str, str]
    name: str = "gate"

    @hookimpl
    def rtcore_authenticators(self):
        return [self]

    def authenticate(self, handshake):
        if handshake.token is None:
            return None
        if handshake.token not in self.tokens:
            raise Rejected(
                "unauthenticated", "this token was revoked on Monday", details={"token": "revoked"}
            )
        return Identity(self.tokens[handshake.token])


# -- why it cannot connect -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_reason_of_a_refused_upgrade_is_kept(client_of, transport):
    async with serving(make(Gate({}))) as port:
        client = client_of(
            url=f"http://127.0.0.1:{port}/rt",
            connection_type=transport,
            authentication={"headers": {"Authorization": "Bearer old"}},
        )
        with pytest.raises(Refused) as raised:
            await client.connect()
        assert raised.value.code == "unauthenticated"
        assert raised.value.reason == "this token was revoked on Monday"


@pytest.mark.parametrize("body", ["<h1>Sign in first</h1>", ""])
async def test_a_401_of_somebody_else_is_an_end_as_well(client_of, body):
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=401, text=body, content_type="text/html")

    site = web.Application()
    site.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(site) as front:
        client = client_of(url=str(front.make_url("/rt")), fallback_types=())
        with pytest.raises(Refused) as raised:
            await client.connect()
        assert raised.value.code == "unauthenticated"
        assert "401" in raised.value.reason


async def test_the_error_holds_what_became_of_each_transport(client_of, proxy):
    proxy.blocked = {"/rt/ws"}
    proxy.hanging = {"/rt/sse"}
    proxy.cut_after = lambda: 1
    client = client_of(max_reconnect_attempts=0, timing=Timing(open=0.3))
    with pytest.raises(Suspended) as raised:
        await client.connect()
    error = raised.value
    assert list(error.failures) == ["websocket", "sse", "polling"]
    assert isinstance(error.failures["websocket"].__cause__, aiohttp.WSServerHandshakeError)
    assert isinstance(error.failures["sse"].__cause__, TimeoutError)
    assert isinstance(error.failures["polling"].__cause__, aiohttp.ClientError)
    for part in ("websocket: ", "403", "sse: ", "no welcome within 0.3 s", "polling: "):
        assert part in error.reason
    shown = "".join(traceback.format_exception(error))
    for part in ("WSServerHandshakeError", "no welcome within 0.3 s", "ServerDisconnectedError"):
        assert part in shown, "a log of it says all"


async def test_what_is_the_same_for_all_is_said_once(client_of):
    client = client_of(url="http://127.0.0.1:9/rt", max_reconnect_attempts=0)
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert raised.value.reason.startswith("websocket, sse, polling: ")
    assert raised.value.reason.count("Cannot connect") == 1
    assert set(raised.value.failures) == set(TRANSPORTS)


async def test_a_refusal_says_what_was_tried_before_it(client_of):
    async with serving(make(Gate({}))) as port, Proxy(port) as way:
        way.blocked = {"/rt/ws"}
        client = client_of(url=way.url, authentication={"token": "old"})
        with pytest.raises(Refused) as raised:
            await client.connect()
    assert raised.value.code == "unauthenticated"
    assert list(raised.value.failures) == ["websocket"]
    assert "403" in raised.value.failures["websocket"].reason


async def test_without_reconnects_the_first_error_holds_it_all_too(client_of):
    client = client_of(url="http://127.0.0.1:9/rt", auto_reconnect=False)
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert not isinstance(raised.value, Suspended)
    assert set(raised.value.failures) == set(TRANSPORTS)
    assert isinstance(raised.value.__cause__, ExceptionGroup)


# -- another session ------------------------------------------------------------------------------------------------


@pytest.fixture
def app():
    app = make(max_detached_per_identity=1, session_ttl=600)
    app.hold = asyncio.Event()

    @app.handler("hold")
    async def hold() -> None:
        await app.hold.wait()

    return app


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("end", ["expired", "evicted", "session_closed", "kicked"])
async def test_another_session_is_an_event_that_says_why(client_of, proxy, app, transport, end):
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    order, sessions = [], []
    for name in ("connect", "disconnect", "reconnect", "session", "error"):
        client.on(name, lambda _value, name=name: order.append(name))
    client.on("session", sessions.append)
    await client.connect()
    first = client.get_connection_info().session_id
    session = app.manager.sessions[first]
    asked = asyncio.create_task(client.request("hold"))
    await client.send("echo", confirm=True)
    if end in {"expired", "evicted"}:
        await proxy.down()
        await until(lambda: not client.is_connected)
        if session.connection is not None:
            session.connection.give_up("ping_timeout")  # a poll that is not renewed, found by the server
        app.manager.close_session(session, "session_expired" if end == "expired" else end)
        await proxy.up()
    else:
        app.manager.disconnect(first, end)
        if end == "kicked":
            await until(lambda: client.get_connection_info().state == "stopped")
            assert not sessions
            await client.connect()
    await until(lambda: client.is_connected and sessions)
    second = client.get_connection_info().session_id
    assert sessions == [NewSession(second, first, end)]
    assert second != first
    with pytest.raises((UnknownOutcome, Refused)):
        await asked
    assert order.index("session") < len(order) - 1
    assert order[-1] in {"reconnect", "connect"}, "it is told before the program hears that it is back"


async def test_a_server_that_was_restarted_is_another_session_too(client_of):
    app = make()
    async with serving(app) as port, Proxy(port) as way:
        client = client_of(url=way.url, max_reconnect_attempts=1000)
        sessions = []
        client.on("session", sessions.append)
        await client.connect()
        first = client.get_connection_info().session_id
        async with serving(make()) as other:
            way.target = other
            way.cut()
            await until(lambda: sessions)
            assert (sessions[0].previous, sessions[0].reason) == (first, "node_lost")
            await client.close()


async def test_a_session_that_goes_on_is_no_event(client_of, proxy):
    client = client_of(max_reconnect_attempts=1000)
    sessions = []
    client.on("session", sessions.append)
    await client.connect()
    for n in range(1, 4):
        proxy.cut()
        # It may be back before anybody has looked.
        await until(
            lambda n=n: client.is_connected and client.get_connection_info().counters["reconnects"] >= n
        )
    await client.switch_transport("polling")
    assert client.get_connection_info().resumed
    assert not sessions
