"""Order under load, on real sockets: what is urgent arrives while megabytes wait, on every transport."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_client import RealtimeClient

from rtcore import Message, Session
from tests.end_to_end.slow_link import SlowLink
from tests.end_to_end.stack import make, serving, until

KIB = 1024


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_a_critical_message_and_a_ping_pass_five_mebibytes_on_a_slow_link(transport: str) -> None:
    app = make(message_buffer_size=10_000, message_buffer_bytes=16 * KIB * KIB, heartbeat_interval=1.0)

    @app.handler("fill")
    def fill(session: Session, message: Message) -> None:
        for i in range(2560):
            session.send("bulk", {"i": i, "text": "x" * 2 * KIB})

    @app.handler("urgent")
    def urgent(session: Session, message: Message) -> None:
        session.send("alarm", priority="critical")

    loop = asyncio.get_running_loop()
    async with serving(app) as port, SlowLink(port, rate=64 * KIB) as link:
        client = RealtimeClient(
            link.url,
            connection_type=transport,
            fallback_types=[],
            heartbeat_interval=1.0,
            enable_compression=False,
        )
        alarm: asyncio.Future[float] = loop.create_future()
        bulk: list[int] = []
        client.subscribe("alarm", lambda message: alarm.set_result(loop.time()))
        client.subscribe("bulk", lambda message: bulk.append(message.payload["i"]))
        async with client:
            await client.send("fill")
            await until(lambda: len(bulk) >= 5)
            session = next(iter(app.manager.sessions.values()))
            assert session.backlog > 1500, (
                "the rest waits in the server, not in buffers that nothing can overtake"
            )
            asked = loop.time()
            await client.send("urgent")
            assert await asyncio.wait_for(alarm, 10) - asked < 2.0
            assert len(bulk) < 1000
            await until(lambda: client.get_connection_info().latency is not None)
            assert (client.get_connection_info().latency or 9.0) < 2.0, (
                "a ping is answered while everything else waits"
            )
            assert bulk == list(range(len(bulk))), "what is not urgent stays in order"
            session.close()
