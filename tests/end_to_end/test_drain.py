"""A server that is told to stop: clients learn of it, get what is pending, and find another one."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from proxy import Proxy
from rtcore_client import RealtimeClient, Timing
from stack import until


@asynccontextmanager
async def process(**settings: Any) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run a server as a process; give it and its port."""
    program = Path(__file__).parent / "program.py"
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(program), json.dumps(settings), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        yield server, int(await asyncio.wait_for(server.stdout.readline(), 30))
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.communicate()


async def status(method: str, url: str) -> tuple[int, str | None]:
    async with aiohttp.ClientSession() as http, http.request(method, url, data='["hello",{}]') as answer:
        return answer.status, answer.headers.get("Retry-After")


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_a_client_gets_what_is_pending_and_follows_to_another_server(transport: str) -> None:
    async with AsyncExitStack() as stack:
        old, old_port = await stack.enter_async_context(process(drain_time=10.0, message_buffer_size=1000))
        _, new_port = await stack.enter_async_context(process())
        proxy = await stack.enter_async_context(Proxy(old_port))
        client = RealtimeClient(proxy.url, connection_type=transport, fallback_types=[], reconnect_delay=0.05)
        numbers: list[int] = []
        client.subscribe("number", lambda message: numbers.append(message.payload))
        await stack.enter_async_context(client)
        assert await client.request("port") == old_port
        proxy.target = new_port
        await client.send("fill and stop", 200)
        await until(lambda: len(numbers) == 200)
        assert numbers == list(range(200))
        assert await asyncio.wait_for(old.wait(), 20) == 0
        await until(lambda: client.is_connected)
        assert await client.request("port") == new_port


async def test_who_is_new_is_sent_away_and_a_second_signal_ends_at_once() -> None:
    async with process(drain_time=250.0) as (server, port):
        base = f"http://127.0.0.1:{port}"
        client = RealtimeClient(
            f"{base}/rt", reconnect_delay=0.05, max_reconnect_attempts=1000, timing=Timing(close=0.1)
        )
        async with client:
            assert (await status("GET", f"{base}/readyz"))[0] == 200
            server.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                while (await status("GET", f"{base}/readyz"))[0] != 503:  # noqa: ASYNC110 - another process; there is no event of it here
                    await asyncio.sleep(0.02)
            assert (await status("GET", f"{base}/healthz"))[0] == 200
            for method, path in (("POST", "sse"), ("POST", "poll")):
                refused, retry_after = await status(method, f"{base}/rt/{path}")
                assert refused == 503
                assert retry_after is not None
            assert client.is_connected
            server.send_signal(signal.SIGTERM)
            await asyncio.wait_for(server.wait(), 20)
