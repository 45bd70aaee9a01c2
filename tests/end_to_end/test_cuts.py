"""The promise, over real sockets: whatever is cut, nothing is lost, nothing is repeated, everything is in order."""

from __future__ import annotations

import asyncio
import random

import pytest
from proxy import Proxy
from rtcore_client import Limits, Message, NetworkError, QueueFull, RealtimeClient, Timing
from stack import make, serving, until

from rtcore.session import Session

MESSAGES = 100_000  # each way
CUTS = 200
TRANSPORTS = ("websocket", "sse", "polling")
#: Sent and not yet received by the server's own sender: less than the window, which drops its oldest beyond that.
AHEAD = 1_000


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_hundred_thousand_messages_each_way_survive_two_hundred_cuts_on_all_transports():
    chance = random.Random(20)
    app = make(message_buffer_size=20_000, message_buffer_bytes=64 * 1024 * 1024, session_ttl=60.0)
    up: list[int] = []
    down: list[int] = []
    by: dict[str, int] = dict.fromkeys(TRANSPORTS, 0)
    gaps: list[object] = []
    server_done = asyncio.Event()

    @app.handler("up")
    def received(payload: int) -> None:
        up.append(payload)
        if len(up) >= MESSAGES:
            server_done.set()

    async def send_down(session: Session) -> None:
        for n in range(MESSAGES):
            session.send("down", n)
            if n % 100 == 0:
                await asyncio.sleep(0)
                # Hand in hand with what comes up, so that both ways are busy until the end.
                await until(lambda: session.backlog < AHEAD and n < len(up) + AHEAD, within=60)  # noqa: B023

    @app.handler("begin")
    def begin(session: Session) -> None:
        app.spawn(send_down(session), name="down")

    async with serving(app) as port, Proxy(port) as proxy:
        client = RealtimeClient(
            proxy.url,
            reconnect_delay=0.02,
            max_reconnect_attempts=1000,
            heartbeat_interval=2.0,
            ping_timeout=2.0,
            timing=Timing(open=2.0, climb=600.0, max_reconnect_delay=0.2),
            limits=Limits(window=2_000, inbox=5_000),
        )

        def delivered(message: Message) -> None:
            down.append(message.payload)
            by[client.get_connection_info().connection_type or ""] += 1

        client.subscribe("down", delivered)
        client.on("gap", gaps.append)
        async with client:
            session_id = client.get_connection_info().session_id
            await client.request("begin")
            proxy.cut_after = lambda: chance.randrange(1, 60_000)

            async def send_up() -> None:
                for n in range(MESSAGES):
                    while True:
                        try:
                            await client.send("up", n, timeout=60)
                            break
                        except QueueFull:  # offline for a moment, and as much waits as may
                            await until(lambda: client.is_connected, within=60)

            async def wander() -> None:
                """Move between the transports, and cut what has lived for long."""
                while True:
                    await asyncio.sleep(chance.uniform(0.05, 0.25))
                    try:
                        await client.switch_transport(chance.choice(TRANSPORTS))
                    except NetworkError:
                        continue
                    proxy.cut()

            wandering = asyncio.create_task(wander())
            await asyncio.wait_for(send_up(), 200)
            await asyncio.wait_for(server_done.wait(), 60)
            await until(lambda: len(down) >= MESSAGES, within=60)
            wandering.cancel()
            proxy.cut_after = None
            info = client.get_connection_info()

        assert up == list(range(MESSAGES))
        assert down == list(range(MESSAGES))
        assert not gaps
        assert info.session_id == session_id, "one session from the first message to the last"
        assert proxy.cuts >= CUTS
        assert all(count > MESSAGES // 50 for count in by.values()), by
