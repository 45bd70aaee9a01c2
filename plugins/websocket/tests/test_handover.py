"""The hand-over, everywhere: what aiohttp leaves behind, what comes early, who leaves, what stays."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from rtcore_http.guard import Guarded

from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake


class Gate:
    """An authenticator that takes its time."""

    name = "gate"

    def __init__(self) -> None:
        self.asked = 0
        self.open: asyncio.Event | None = None

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        self.asked += 1
        if self.open is None:
            self.open = asyncio.Event()
        await self.open.wait()
        return Identity("gate")

    @hookimpl
    def rtcore_authenticators(self) -> list[Gate]:
        return [self]


def guarded() -> int:
    """How many of aiohttp's protocols there are."""
    return sum(type(one) is Guarded for one in gc.get_objects())


def test_a_session_lives_on_the_handed_over_socket(place: Any) -> None:
    async def test(server: Any) -> None:
        client = await server.ready()
        for payload in ("short", "x" * 70_000, "y" * 500_000, "short again"):
            assert await client.ask_echo(payload) == payload
        await server.bystander_is_well()

    place.run(test)


def test_sixteen_kibibytes_of_headers_pass(place: Any) -> None:
    async def test(server: Any) -> None:
        one = await server.upgraded(Cookie="session=" + "x" * 16_384)
        many = await server.upgraded(**{f"X_Header_{n}": "y" * 400 for n in range(40)})
        for client in (one, many):
            await client.hello()
            assert await client.ask_echo("hello") == "hello"

    place.run(test)


def test_frames_that_come_with_the_upgrade_are_not_lost(place: Any, ws: Any) -> None:
    async def test(server: Any) -> None:
        client = await server.connect()
        asked = [{"type": "echo", "id": str(n), "payload": n} for n in range(20)]
        early = ws.text(ws.hello) + b"".join(map(ws.text, asked))
        assert await client.upgrade(early=early + ws.masked(9, b"half")[:-2]) == 101
        assert (await client.item())[0] == "welcome"
        assert [(await client.item())["payload"] for _ in range(20)] == list(range(20))
        await client.send(ws.masked(9, b"half")[-2:])
        assert (await client.frame()).payload == b"half"

    place.run(test)


def test_more_than_aiohttp_would_hold_may_come_early(place: Any, ws: Any) -> None:
    gate = Gate()

    async def test(server: Any) -> None:
        client = await server.connect()
        messages = [ws.text({"type": "echo", "id": str(n), "payload": "z" * 2000}) for n in range(300)]
        client.ask(early=ws.text(ws.hello) + b"".join(messages))
        await server.until(lambda: gate.open is not None)
        await asyncio.sleep(0.05)  # let the socket fill, up to where aiohttp stops reading it
        gate.open.set()
        assert await client.answer() == 101
        assert (await client.item())[0] == "welcome"
        assert [(await client.item())["re"] for _ in range(300)] == [str(n) for n in range(300)]

    place.run(test, gate, rate_limit_per_second=100_000, message_buffer_size=1000)


def test_a_client_may_leave_while_it_is_asked_who_it_is(place: Any) -> None:
    gate = Gate()

    async def test(server: Any) -> None:
        client = await server.connect()
        client.ask()
        await server.until(lambda: gate.open is not None)
        client.writer.transport.abort()
        await asyncio.sleep(0.02)
        gate.open.set()
        await server.bystander_is_well()
        metrics = server.app.manager.get_metrics().transports["websocket"]
        await server.until(lambda: not server.transport._links)
        assert metrics.connections <= 1

    place.run(test, gate)


def test_nothing_is_left_with_aiohttp(place: Any) -> None:
    async def test(server: Any) -> None:
        gc.collect()
        before = guarded()
        clients = [await server.ready() for _ in range(5)]
        for client in clients:
            assert await client.ask_echo("a") == "a"
        await server.until(lambda: (gc.collect(), guarded())[1] == before)

    place.run(test)


def test_a_stop_closes_every_socket_cleanly(place: Any) -> None:
    clients: list[Any] = []

    async def test(server: Any) -> None:
        clients.extend([await server.ready() for _ in range(3)])
        stopping = asyncio.create_task(server.app.stop())
        for client in clients:
            name, fields = await client.item()
            assert (name, fields["code"]) == ("close", "going_away")
            close = await client.frame()
            assert close.number == 4000
            await client.close()
        async with asyncio.timeout(5):
            await stopping
        assert not server.transport._links

    place.run(test)


def test_the_upgrade_is_logged_and_dressed_as_any_answer(
    place: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rtcore.http.access")

    async def test(server: Any) -> None:
        client = await server.upgraded(
            Origin="https://app.example", Sec_WebSocket_Protocol="other, rtcore.v1"
        )
        assert client.headers["access-control-allow-origin"] == "https://app.example"
        assert client.headers["server"] == "rtcore"
        assert client.headers["sec-websocket-protocol"] == "rtcore.v1"
        await server.until(lambda: "GET /rt/ws 101" in caplog.text)

    place.run(test, http={"origins": ["https://app.example"], "access_log": True})


def test_a_large_message_does_not_leave_its_buffer_behind(ws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = []

    async def main() -> None:
        from rtcore_websocket import link

        renew = link.renew
        monkeypatch.setattr(link, "renew", lambda *a, **k: (renewed.append(1), renew(*a, **k)))
        async with ws.serving() as server:
            client = await server.ready()
            await client.ask_echo("small")
            assert not renewed
            for n in range(3):
                assert await client.ask_echo("z" * 300_000) == "z" * 300_000
                assert len(renewed) == n + 1
                assert await client.ask_echo("small") == "small"
            # Two large ones in a row, the second of them cut in two: what was read already is not lost.
            big = ws.text({"type": "echo", "id": "b", "payload": "z" * 300_000})
            await client.send(big + big[:100_000])
            await client.send(big[100_000:])
            for _ in range(2):
                assert (await client.item())["re"] == "b"

    asyncio.run(main())


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_authentication_that_never_ends_has_its_time(ws: Any, data_path: str) -> None:
    gate = Gate()
    async with ws.serving(gate, hello_timeout=0.1, websocket={"data_path": data_path}) as server:
        client = await server.connect()
        assert await client.upgrade() == 408
        assert (await client.body())[1]["code"] == "hello_timeout"
        assert server.transport._asked == 0


async def test_only_so_many_may_be_asked_at_once(ws: Any) -> None:
    gate = Gate()
    async with ws.serving(gate, max_greetings=2) as server:
        waiting = [await server.connect() for _ in range(2)]
        for client in waiting:
            client.ask()
        await server.until(lambda: gate.asked == 2)
        third = await server.connect()
        assert await third.upgrade() == 503
        assert (await third.body())[1]["code"] == "too_many_greetings"
        gate.open.set()  # type: ignore[union-attr]
        for client in waiting:
            assert await client.answer() == 101
