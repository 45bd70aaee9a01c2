"""One message that somebody on the way refuses for good fails alone, and says why; those around it arrive."""

from __future__ import annotations

import asyncio

import pytest
from firewall import Firewall
from rtcore_client import RealtimeClient, RequestError
from stack import make, serving, until

SLOW = pytest.mark.parametrize("transport", ["sse", "polling"])


@SLOW
@pytest.mark.parametrize("codec", ["json", "cbor"])
async def test_a_body_that_is_too_large_for_a_proxy_goes_through_in_pieces(transport, codec):
    app, notes = make(), []

    @app.handler("note")
    def note(text: str) -> None:
        notes.append(len(text))

    async with serving(app) as port, Firewall(port) as firewall:
        firewall.refuses = lambda _path, body: 413 if len(body) > 5_000 else None
        async with RealtimeClient(
            firewall.url, connection_type=transport, fallback_types=(), codec=codec, enable_compression=False
        ) as client:
            await asyncio.gather(
                *(client.send("note", "x" * n, confirm=True) for n in (150_000, 1, 9_000, 2))
            )
            assert notes == [150_000, 1, 9_000, 2]
            refused = len(firewall.refused)
            await asyncio.gather(*(client.send("note", "x" * n, confirm=True) for n in (60_000, 3)))
            assert len(firewall.refused) <= refused + 1, "it remembers what was too large"


@SLOW
@pytest.mark.parametrize("status", [403, 400, 451])
async def test_a_message_that_a_firewall_does_not_like_fails_and_all_others_arrive(transport, status):
    app, notes = make(), []

    @app.handler("note")
    def note(text: str) -> None:
        notes.append(text)

    @app.handler("ask")
    def ask(text: str) -> str:
        return text

    async with serving(app) as port, Firewall(port) as firewall:
        firewall.refuses = lambda _path, body: status if b"<script>" in body else None
        async with RealtimeClient(
            firewall.url, connection_type=transport, fallback_types=(), enable_compression=False
        ) as client:
            errors, links = [], []
            client.on("error", errors.append)
            client.on("disconnect", links.append)
            texts = [f"text {n}" if n % 10 != 7 else "<script>" for n in range(40)]
            said = [client.send("note", text, confirm=True) for text in texts]
            asked = [client.request("ask", text) for text in ("a", "<script>", "b")]
            told = await asyncio.gather(*said, *asked, return_exceptions=True)
            assert notes == [text for text in texts if text != "<script>"]
            for text, outcome in zip(texts, told, strict=False):
                if text == "<script>":
                    assert isinstance(outcome, RequestError)
                    assert outcome.code == "blocked"
                    assert str(status) in str(outcome)
                else:
                    assert outcome is None
            assert told[40] == "a"
            assert isinstance(told[41], RequestError)
            assert told[41].code == "blocked"
            assert told[42] == "b"
            assert await client.request("echo", 1) == 1
            assert not errors, "who waits is told; nobody else needs to be"
            assert not links


@SLOW
async def test_one_that_nobody_waits_for_is_told_as_an_error(transport):
    app, notes = make(), []

    @app.handler("note")
    def note(text: str) -> None:
        notes.append(text)

    async with serving(app) as port, Firewall(port) as firewall:
        firewall.refuses = lambda _path, body: 403 if b"<script>" in body else None
        async with RealtimeClient(firewall.url, connection_type=transport, fallback_types=()) as client:
            errors = []
            client.on("error", errors.append)
            await client.send("note", "<script>")
            await client.send("note", "fine")
            await until(lambda: notes and errors)
            assert [error.code for error in errors] == ["blocked"]
            assert notes == ["fine"]


@SLOW
async def test_part_of_a_large_message_that_is_not_liked_fails_all_of_it_and_nothing_else(transport):
    app, notes = make(), []

    @app.handler("note")
    def note(text: str) -> None:
        notes.append(len(text))

    async with serving(app) as port, Firewall(port) as firewall:
        firewall.refuses = lambda _path, body: 403 if b"<" in body else None
        async with RealtimeClient(
            firewall.url, connection_type=transport, fallback_types=(), enable_compression=False
        ) as client:
            for place in (0, 70_000, 139_900):
                text = "x" * place + "<" + "x" * (140_000 - place)
                told = await asyncio.gather(
                    client.send("note", text, confirm=True),
                    client.send("note", "x" * 50_000, confirm=True),
                    client.send("note", "x", confirm=True),
                    return_exceptions=True,
                )
                assert isinstance(told[0], RequestError)
                assert told[0].code == "blocked"
                assert told[1:] == [None, None]
            assert notes == [50_000, 1] * 3


@SLOW
async def test_where_no_post_gets_through_the_message_waits_for_another_way(transport):
    app, notes = make(), []

    @app.handler("note")
    def note(text: str) -> None:
        notes.append(text)

    async with serving(app) as port, Firewall(port) as firewall:
        firewall.refuses = lambda path, _body: 403 if path.endswith("/send") else None
        client = RealtimeClient(
            firewall.url, connection_type=transport, fallback_types=(), reconnect_delay=0.05
        )
        async with client:
            lost = []
            client.on("disconnect", lost.append)
            sending = asyncio.ensure_future(client.send("note", "fine", confirm=True))
            await until(lambda: lost)
            firewall.refuses = lambda _path, _body: None
            await client.connect()
            await sending
            assert notes == ["fine"]


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_an_answer_that_is_larger_than_the_client_takes_is_an_error_and_the_session_goes_on(transport):
    app, lost = make(), []

    @app.handler("give")
    def give(n: int) -> str:
        return "x" * n

    async with serving(app) as port:
        client = RealtimeClient(
            f"http://127.0.0.1:{port}/rt",
            connection_type=transport,
            fallback_types=(),
            enable_compression=False,
        )
        async with client:
            client.on("disconnect", lost.append)
            assert len(await client.request("give", 3_000_000)) == 3_000_000
            with pytest.raises(RequestError) as refused:
                await client.request("give", 20_000_000)
            assert refused.value.code == "message_too_big"
            assert await client.request("echo", "on we go") == "on we go"
            assert not lost
