"""Large messages on slow links: they arrive in the time that their bytes take, whatever passes meanwhile and breaks."""

from __future__ import annotations

import asyncio
import random
import string
from typing import Any

import pytest
from proxy import Proxy
from rtcore_client import RealtimeClient, Timing
from stack import make, serving, until

from rtcore import App, Session

TRANSPORTS = ("websocket", "sse", "polling")
#: A heart that beats quickly: much quicker than a message takes.
BEAT: dict[str, Any] = {"heartbeat_interval": 0.5, "ping_timeout": 0.5}


def text(size: int) -> str:
    """Text that nobody compresses much."""
    return "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))


def answering(app: App, got: list[Any]) -> None:
    """Take messages; send large ones."""

    @app.handler("up")
    def up(payload: str) -> None:
        got.append(payload)

    @app.handler("urgent")
    def urgent(session: Session) -> None:
        got.append("urgent")
        session.send("alarm", priority="critical")

    @app.handler("down")
    def down(session: Session, size: int) -> None:
        session.send("large", text(size))
        session.send("behind")


def seconds(began: float) -> float:
    return asyncio.get_running_loop().time() - began


async def down(transport: str, *, size: int, rate: float, beat: dict[str, Any], codec: str = "json") -> float:
    """Receive one large message over a slow link, and a critical one meanwhile; return the seconds that it took."""
    app = make(**beat)
    answering(app, [])
    async with serving(app) as port:
        proxy = Proxy(port)
        proxy.rate = rate
        async with proxy:
            client = RealtimeClient(
                proxy.url,
                connection_type=transport,
                fallback_types=(),
                codec=codec,
                enable_compression=False,
                **beat,
            )
            order: list[Any] = []
            client.subscribe("large", lambda m: order.append(m.payload))
            client.subscribe("alarm", lambda m: order.append((m.type, seconds(asked))))
            client.subscribe("behind", lambda m: order.append(m.type))
            for event in ("disconnect", "gap", "error"):
                client.on(event, order.append)
            async with client:
                began = seconds(0)
                await client.send("down", size)
                await until(lambda: client._core.session.line.assembly.place, within=60)
                asked = seconds(0)
                await client.send("urgent")
                await until(lambda: "behind" in order, within=4 * size / rate)
                took = seconds(began)
                alarm, large, behind = order
            assert alarm[0] == "alarm"
            assert alarm[1] < size / rate / 3, "what is urgent passes"
            assert large == text(size)
            assert behind == "behind"
            return took


async def up(transport: str, *, size: int, rate: float, beat: dict[str, Any], codec: str = "json") -> float:
    """Send one large message over a slow link, and a critical one meanwhile; return the seconds that it took."""
    app, got = make(**beat), []
    answering(app, got)
    async with serving(app) as port:
        proxy = Proxy(port)
        proxy.rate = rate
        async with proxy:
            client = RealtimeClient(
                proxy.url,
                connection_type=transport,
                fallback_types=(),
                codec=codec,
                enable_compression=False,
                **beat,
            )
            told: list[Any] = []
            for event in ("disconnect", "gap", "error"):
                client.on(event, told.append)
            async with client:
                began = seconds(0)
                large = asyncio.ensure_future(
                    client.send("up", text(size), confirm=True, timeout=4 * size / rate)
                )
                session = next(iter(app.manager.sessions.values()))
                await until(lambda: session.place, within=60)
                behind = asyncio.ensure_future(
                    client.send("up", "behind", confirm=True, timeout=4 * size / rate)
                )
                asked = seconds(0)
                await client.send("urgent", priority="critical", confirm=True, timeout=60)
                assert seconds(asked) < size / rate / 3, "what is urgent passes"
                await large
                took = seconds(began)
                await behind
                assert got == ["urgent", text(size), "behind"]
                assert not told
            return took


WAYS = pytest.mark.parametrize("way", [down, up])


@WAYS
@pytest.mark.parametrize("codec", ["json", "cbor"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_message_takes_as_long_as_its_bytes_though_that_is_much_longer_than_a_heartbeat(
    transport, way, codec
):
    took = await way(transport, size=400_000, rate=100_000, beat=BEAT, codec=codec)
    assert took < 3 * 4.0


@pytest.mark.slow
@pytest.mark.timeout(120)
@WAYS
async def test_a_megabyte_at_40_kilobytes_a_second_takes_half_a_minute_with_defaults(way):
    took = await asyncio.gather(
        *(way(transport, size=1_000_000, rate=40_000, beat={}) for transport in TRANSPORTS)
    )
    assert max(took) < 40, dict(zip(TRANSPORTS, took, strict=True))


@WAYS
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_link_that_breaks_again_and_again_goes_on_where_it_was(transport, way):
    """Each connection carries a tenth of the message: whole, it never got through."""
    app, got = make(session_ttl=60.0), []
    answering(app, got)
    size = 600_000
    async with serving(app) as port, Proxy(port) as proxy:
        client = RealtimeClient(
            proxy.url,
            connection_type=transport,
            fallback_types=(),
            enable_compression=False,
            reconnect_delay=0.02,
            max_reconnect_attempts=1000,
            timing=Timing(max_reconnect_delay=0.1),
        )
        order: list[Any] = []
        client.subscribe("*", lambda m: order.append(m.payload if m.type == "large" else m.type))
        client.on("gap", order.append)
        async with client:
            proxy.cut_after = lambda: 60_000
            proxy.cut()
            passed = proxy.passed
            if way is down:
                await client.send("down", size, confirm=True)
                await until(lambda: "behind" in order, within=30)
                assert order == [text(size), "behind"]
            else:
                await client.send("up", text(size), confirm=True, timeout=30)
                assert got == [text(size)]
            assert proxy.cuts >= 9
            assert proxy.passed - passed < 3 * size, "nothing is begun again and again"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_was_half_here_when_the_network_went_is_not_asked_for_again(transport):
    app = make(session_ttl=60.0)
    answering(app, [])
    size = 1_000_000
    async with serving(app) as port:
        proxy = Proxy(port)
        proxy.rate = 500_000
        async with proxy:
            client = RealtimeClient(
                proxy.url,
                connection_type=transport,
                fallback_types=(),
                enable_compression=False,
                reconnect_delay=0.02,
            )
            got: list[Any] = []
            client.subscribe("large", lambda m: got.append(m.payload))
            async with client:
                await client.send("down", size)
                line = client._core.session.line
                await until(lambda: line.assembly.at > size / 2)
                proxy.cut()
                proxy.passed = 0
                await until(lambda: got, within=20)
                assert got == [text(size)]
                assert proxy.passed < size * 0.7
