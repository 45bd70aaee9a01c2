"""Stop is pressed while the network is away: the server's work ends all the same, on every transport."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rtcore_client import Timeout
from stack import make, until

TRANSPORTS = ("websocket", "sse", "polling")
each = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture
def app() -> Any:
    app: Any = make(rate_limit_per_second=0)
    app.began, app.ends = [], []

    @app.handler("ask", concurrent=True)
    async def ask(payload: object) -> object:
        app.began.append(payload)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            app.ends.append(payload)
            raise
        return payload

    return app


@each
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_a_request_that_was_given_up_offline_is_cancelled_after_the_resume(
    transport: str, how: str, app: Any, proxy: Any, client_of: Any
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    await client.connect()
    asking = asyncio.create_task(client.request("ask", 1, timeout=3600 if how == "cancelled" else 0.5))
    await until(lambda: app.began)
    await proxy.down()
    await until(lambda: not client.is_connected)
    if how == "cancelled":
        asking.cancel()
    with pytest.raises((asyncio.CancelledError, Timeout)):
        await asking
    assert app.ends == []
    await proxy.up()
    await until(lambda: app.ends)
    await until(lambda: not client._session.requests.given_up)
    assert (await client.request("echo", 2), app.ends) == (2, [1])


@each
async def test_one_that_had_not_arrived_is_begun_and_cancelled(
    transport: str, app: Any, proxy: Any, client_of: Any
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    await client.connect()
    proxy.silent = True
    with pytest.raises(Timeout):
        await client.request("ask", 1, timeout=0.2)
    assert app.began == []
    proxy.silent = False
    proxy.cut()
    await until(lambda: app.ends)
    await until(lambda: not client._session.requests.given_up)
    assert (app.began, app.ends) == ([1], [1])


@each
async def test_in_a_network_that_cuts_all_the_time_every_one_is_cancelled_and_none_twice(
    transport: str, app: Any, proxy: Any, client_of: Any
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    await client.connect()
    sizes = iter(range(1500, 60_000, 700))
    proxy.cut_after = lambda: next(sizes, 1_000_000)
    asking = [asyncio.create_task(client.request("ask", n)) for n in range(100)]
    for n, task in enumerate(asking):
        await asyncio.sleep(0.003)
        if n % 7 == 0:
            proxy.cut()
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await until(lambda: not client._session.requests.given_up)
    assert sorted(app.ends) == sorted(set(app.began))
    assert await client.request("echo", 2) == 2
