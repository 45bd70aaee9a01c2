"""Credentials run out while a connection stands, on every transport: it ends then, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest
from stack import make, until

from rtcore import Message, hookimpl
from rtcore.spi.auth import Identity

TRANSPORTS = ("websocket", "sse", "polling")


class Tickets:
    """Each token is good for a while; the default heartbeat is much longer."""

    name = "tickets"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[float] = []

    @hookimpl
    def rtcore_authenticators(self):
        return [self]

    def authenticate(self, handshake):
        if not handshake.token:
            return None
        expires = float(handshake.token)
        self.asked.append(expires)
        return Identity("ann", expires=expires)


@pytest.fixture
def tickets():
    return Tickets(1.0)


@pytest.fixture
def app(tickets):
    return make(tickets)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_ends_when_its_credentials_do_and_the_session_goes_on(
    app, client_of, tickets, transport
):
    ends: list[float] = []
    client = client_of(
        connection_type=transport,
        fallback_types=(),
        authentication={"token": lambda: str(time.time() + tickets.seconds)},
    )
    got: list[int] = []
    client.subscribe("n", lambda message: got.append(message.payload))
    client.on("disconnect", lambda code: ends.append((code, time.time())))
    await client.connect()
    session = client.get_connection_info().session_id
    first = tickets.asked[-1]
    sent = 0
    async with asyncio.timeout(20):
        while len(ends) < 2 or not client.is_connected:
            app.manager.broadcast(Message("n", sent))
            sent += 1
            await asyncio.sleep(0.01)
    await until(lambda: len(got) == sent)
    assert got == list(range(sent))
    assert client.get_connection_info().session_id == session
    code, when = ends[0]
    assert code == "credentials_expired"
    assert -0.01 <= when - first < 5.0, "and not with the next ping, after half a minute"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_credentials_that_have_run_out_open_nothing(app, client_of, transport):
    client = client_of(
        connection_type=transport,
        fallback_types=(),
        max_reconnect_attempts=1,
        authentication={"token": str(time.time() - 1)},
    )
    with pytest.raises(Exception, match="credentials"):
        await client.connect()
    assert not app.manager.sessions
