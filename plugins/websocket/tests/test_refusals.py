"""What is refused before the upgrade: a status, a code, and nothing allocated."""

from __future__ import annotations

from typing import Any

import pytest

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake


class Door:
    """Lets in who has the word."""

    name = "door"

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        if handshake.token == "banned":
            raise Rejected("forbidden", "not you")
        if handshake.token != "sesame":
            raise Rejected("unauthenticated", "a wrong word")
        return Identity("ali")

    @hookimpl
    def rtcore_authenticators(self) -> list[Door]:
        return [self]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "é" * 20}, 400),
        ({"Content_Length": "5"}, 400),
    ],
)
async def test_what_is_no_opening_handshake_is_refused(
    server: Any, change: dict[str, str], status: int
) -> None:
    client = await server.connect()
    assert await client.upgrade(**change) == status
    if status == 426:
        assert client.headers["upgrade"] == "websocket"
    if "Sec_WebSocket_Version" in change:
        assert client.headers["sec-websocket-version"] == "13"
    await server.bystander_is_well()


async def test_a_page_of_another_host_is_refused(server: Any) -> None:
    client = await server.connect()
    assert await client.upgrade(Origin="https://evil.example", Cookie="session=stolen") == 403
    assert (await client.body())[1]["code"] == "origin_refused"


async def test_a_page_of_this_host_is_let_in(server: Any) -> None:
    client = await server.upgraded(Origin="http://127.0.0.1")
    await client.hello()


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_credentials_are_looked_at_before_the_upgrade(ws: Any, data_path: str) -> None:
    async with ws.serving(Door(), websocket={"data_path": data_path}) as server:
        for token, status, code in [("banned", 403, "forbidden"), ("wrong", 401, "unauthenticated")]:
            client = await server.connect()
            assert await client.upgrade(Authorization=f"Bearer {token}") == status
            assert (await client.body())[1]["code"] == code
        client = await server.upgraded(Authorization="Bearer sesame")
        welcome = await client.hello()
        assert server.app.manager.sessions[welcome["session"]].identity.subject == "ali"


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_a_token_may_come_in_hello_instead_and_never_in_the_url(ws: Any, data_path: str) -> None:
    async with ws.serving(Door(), websocket={"data_path": data_path}) as server:
        client = await server.connect()
        assert await client.upgrade(path="/rt/ws?token=sesame&access_token=sesame") == 101
        await client.send(ws.text(ws.hello))
        name, fields = await client.item()
        assert (name, fields["code"]) == ("close", "unauthenticated")
        other = await server.upgraded()
        assert (await other.hello(token="sesame"))["attach"] == 1


async def test_a_codec_that_nobody_has_is_refused(server: Any) -> None:
    client = await server.connect()
    assert await client.upgrade(path="/rt/ws?codec=morse") == 415
    assert (await client.body())[1]["code"] == "unsupported_codec"


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_a_full_house_says_when_to_come_back(ws: Any, data_path: str) -> None:
    async with ws.serving(max_greetings=1, websocket={"data_path": data_path}) as server:
        await server.upgraded()
        client = await server.connect()
        assert await client.upgrade() == 503
        assert (await client.body())[1]["code"] == "too_many_greetings"
        assert int(client.headers["retry-after"]) >= 1
    assert not server.transport._links


async def test_a_draining_server_takes_no_upgrades_and_keeps_its_connections(server: Any) -> None:
    old = await server.ready()
    await server.app.drain(within=0)
    client = await server.connect()
    assert await client.upgrade() == 503
    assert (await client.body())[1]["code"] == "going_away"
    assert (await old.item())[0] == "move"
    assert await old.ask_echo("still") == "still"


async def test_a_connection_that_never_says_hello_is_closed(ws: Any) -> None:
    async with ws.serving(hello_timeout=0.1) as server:
        client = await server.upgraded()
        name, fields = await client.item()
        assert (name, fields["code"]) == ("close", "hello_timeout")
        assert (await client.closed()).number == 4005
