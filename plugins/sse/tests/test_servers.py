"""The stream writes to the transport itself, so it is tried on each that there is: servers, TLS, event loops."""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rtcore_http
import rtcore_sse
import trustme
from rtcore_http.service import Http
from sse_client import FetchStream, message, until

from rtcore.app import App
from rtcore.testing import PlainCodec
from rtcore.testing.client import WireClient
from rtcore.wire.message import Message

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if importlib.util.find_spec("uvloop"):  # an extra of rtcore-http
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_stream_lives_its_whole_life(tmp_path: Path, loop: str, server: str, secure: bool) -> None:
    settings: dict[str, Any] = {"port": 0, "server": server}
    trust: ssl.SSLContext | bool = True
    if secure:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        pem = tmp_path / "all.pem"
        pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
        settings["tls_certificate"] = pem
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(life(settings, trust))


async def life(settings: dict[str, Any], trust: ssl.SSLContext | bool) -> None:
    app = App(
        {"http": settings, "message_buffer_size": 10_000, "message_buffer_bytes": 1 << 28},
        plugins=[rtcore_http, rtcore_sse, PlainCodec()],
    )
    async with app, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
        url = app.get(Http).urls[0]
        client = WireClient()
        await client.attach(FetchStream(http, url))
        [session] = app.manager.sessions.values()

        for n in range(20):
            app.manager.broadcast(message(n))
            assert (await client.receive(within=2.0)).payload == n

        # Nobody reads: it is noticed; somebody reads: that, too, and nothing is missing.
        sent = 0
        while session.connection is not None and not session.connection.paused:
            session.post(Message("n", [sent, "x" * 50_000]))
            sent += 1
            await asyncio.sleep(0)
        session.post(Message("n", [sent, ""]))
        assert [(await client.receive()).payload[0] for _ in range(sent + 1)] == list(range(sent + 1))
        await until(lambda: session.connection is not None and not session.connection.paused)

        await client.cut()
        await until(lambda: session.transport is None)
        await client.attach(FetchStream(http, url))
        assert client.welcome.resumed
        app.manager.disconnect(session.id)
        close = await client.closed()
        assert close is not None
        assert close.fields["code"] == "kicked"
        assert await client.duplex.response.content.read() == b"", "the body ended as HTTP wants it"  # type: ignore[attr-defined]
