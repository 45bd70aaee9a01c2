"""A stream opened by fetch: what a client that can say its own hello sees."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import aiohttp
import pytest
from sse_client import EventStream, FetchStream, message, until

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.testing import PlainCodec
from rtcore.testing.client import WireClient
from rtcore.wire.message import Message

HELLO = b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]'


def hello() -> bytes:
    return HELLO.replace(b"0123456789abcdef", secrets.token_hex(8).encode())


async def attached(http: aiohttp.ClientSession, url: str) -> WireClient:
    client = WireClient()
    await client.attach(FetchStream(http, url))
    return client


def only(app: App) -> Any:
    [session] = app.manager.sessions.values()
    return session


async def test_the_first_event_is_the_welcome(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    for content_type in ("text/plain", "application/json", "text/plain;charset=UTF-8"):
        async with http.post(
            f"{url}/rt/sse", data=hello(), headers={"Content-Type": content_type}
        ) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-store, no-transform"
            assert response.headers["X-Accel-Buffering"] == "no"
            stream, events = EventStream(), []
            while not events:
                events = stream.feed(await response.content.readany())
            name, fields = json.loads(events[0].data)
            assert (name, fields["transport"], fields["resumed"]) == ("welcome", "sse", False)
            assert stream.last_id == ""


async def test_the_stream_begins_with_as_much_padding_as_is_set(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    _, url = await serve(sse={"padding": 4000})
    async with http.post(f"{url}/rt/sse", data=HELLO) as response:
        first = await response.content.readexactly(4000)
    assert first == b":" + b" " * 3997 + b"\n\n"


async def test_messages_arrive_in_order_and_answers_find_their_way(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve()
    client = await attached(http, url)
    for n in range(50):
        app.manager.broadcast(message(n))
    assert [(await client.receive()).payload for _ in range(50)] == list(range(50))
    assert (await client.request("echo", {"a": "ä\r\n"})).payload == {"a": "ä\r\n"}
    await client.cut()


async def test_a_frame_of_several_items_is_one_event(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    client = await attached(http, url)
    session = only(app)
    items = [session.form.codec.encode(message(n)) for n in (1, 2)]
    session.connection.link.write(session.form.pack(session.form.codec.join(items)))
    assert await client.duplex.receive() == b"\n".join(items)
    await client.cut()


async def test_all_that_one_turn_brings_is_one_write(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    client = await attached(http, url)
    link = only(app).connection.link
    writes: list[bytes] = []
    link._transport, transport = Recorder(writes, link._transport), link._transport
    for n in range(20):
        app.manager.broadcast(message(n))
    assert [(await client.receive()).payload for _ in range(20)] == list(range(20))
    assert len(writes) == 1
    link._transport = transport
    await client.cut()


class Recorder:
    def __init__(self, writes: list[bytes], transport: Any) -> None:
        self._writes = writes
        self._transport = transport

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)


async def test_a_binary_codec_is_answered_with_the_text_one(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve(plugins=(PlainCodec("turned", binary=True),))
    async with http.post(f"{url}/rt/sse?codec=turned", data=HELLO) as response:
        events: list[Any] = []
        stream = EventStream()
        while not events:
            events = stream.feed(await response.content.readany())
        assert json.loads(events[0].data)[1]["codec"] == "json"


async def test_what_a_cut_stream_did_not_bring_comes_after_the_next_hello(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve()
    client = await attached(http, url)
    app.manager.broadcast(message(0))
    assert (await client.receive()).payload == 0
    await client.cut()
    for n in range(1, 10):
        app.manager.broadcast(message(n))
    await client.attach(FetchStream(http, url))
    assert client.welcome.resumed
    assert [(await client.receive()).payload for _ in range(9)] == list(range(1, 10))
    await client.cut()


async def test_a_client_that_leaves_is_missed_at_once(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    client = await attached(http, url)
    session = only(app)
    assert session.transport == "sse"
    await client.cut()
    await until(lambda: session.transport is None)
    assert app.manager.get_metrics().connection_count == 0


async def test_the_server_says_why_before_the_stream_ends(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    client = await attached(http, url)
    app.manager.broadcast(message(1))
    app.manager.disconnect(client.welcome.session, "enough for today")
    close = await client.closed()
    assert close is not None
    assert (close.fields["code"], close.fields["reason"]) == ("kicked", "enough for today")
    # The body ended as HTTP wants it: a cut one raises here.
    assert await client.duplex.response.content.read() == b""  # type: ignore[attr-defined]
    assert (await client.receive()).payload == 1


async def test_a_superseded_stream_ends_with_that_code(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    client = await attached(http, url)
    old = client.duplex
    await client.attach(FetchStream(http, url))
    events = [json.loads(await old.receive())]
    assert events[0][1]["code"] == "superseded"
    assert events[0][1]["number"] == 4200
    with pytest.raises(EOFError):
        await old.receive()
    assert (await client.request("echo", 1)).payload == 1
    await client.cut()


async def test_a_stream_whose_client_does_not_pong_is_closed(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(heartbeat_interval=0.2, ping_timeout=0.2)
    async with http.post(f"{url}/rt/sse", data=HELLO) as response:
        body = await response.content.read()
    items = [json.loads(event.data) for event in EventStream().feed(body)]
    assert [item[0] for item in items] == ["welcome", "ping", "close"]
    assert items[-1][1]["code"] == "ping_timeout"
    await until(lambda: only(app).transport is None)


async def test_a_stream_whose_client_pongs_lives(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(heartbeat_interval=0.1, ping_timeout=0.5)
    client = await attached(http, url)
    with pytest.raises(TimeoutError):
        await client.receive(within=1.5)
    assert only(app).transport == "sse"
    await client.cut()


async def test_a_silent_stream_gets_comments_and_a_busy_one_does_not(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(sse={"keepalive": 0.32, "padding": 0})
    client = await attached(http, url)
    stream = client.duplex.stream  # type: ignore[attr-defined]
    for n in range(20):
        app.manager.broadcast(message(n))
        await client.receive()
        await asyncio.sleep(0.05)
    assert stream.comments == 0
    reading = asyncio.create_task(client.receive())
    await until(lambda: stream.comments >= 2)
    reading.cancel()
    await client.cut()


async def test_an_http_1_0_client_gets_no_chunks(serve: Any) -> None:
    app, url = await serve(sse={"padding": 0})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(
        b"POST /rt/sse HTTP/1.0\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b"
        % (len(HELLO), HELLO)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    assert b"chunked" not in head
    assert (await reader.readuntil(b"\n\n")).startswith(b'data: ["welcome",')
    app.manager.broadcast(message(7))
    assert await reader.readuntil(b"\n\n") == b'data: {"type":"n","payload":7}\n\n'
    app.manager.disconnect(only(app).id)
    assert (await reader.read()).startswith(b'data: ["close",')
    writer.close()


async def test_a_slow_reader_makes_messages_wait_and_the_urgent_one_overtakes(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(message_buffer_size=10_000, message_buffer_bytes=100_000_000)
    client = await attached(http, url)
    session = only(app)
    for _ in range(5000):
        app.manager.broadcast(Message("bulk", "x" * 2000, priority="low"))
        if session.connection.paused:
            break
        await asyncio.sleep(0)
    assert session.connection.paused
    for _ in range(200):
        app.manager.broadcast(Message("bulk", "x" * 2000, priority="low"))
    app.manager.broadcast(Message("urgent", priority="critical"))
    waiting = len(session.outbox)
    assert waiting >= 201
    types = [(await client.receive()).type]
    while "urgent" not in types:
        types.append((await client.receive()).type)
    left = session.window.sent + len(session.outbox) - len(types)
    assert left >= 150, "the urgent message came behind what was waiting"
    assert [(await client.receive()).type for _ in range(left)] == ["bulk"] * left
    await until(lambda: not session.connection.paused)
    await client.cut()


async def test_a_stream_that_nobody_reads_does_not_outlast_its_close(serve: Any) -> None:
    app, url = await serve(sse={"close_timeout": 0.2}, message_buffer_bytes=100_000_000)
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), limit=1)
    writer.write(b"POST /rt/sse HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(HELLO), HELLO))
    await until(lambda: app.manager.sessions)
    session = only(app)
    while not session.connection.paused:
        app.manager.broadcast(Message("bulk", "x" * 100_000))
        await asyncio.sleep(0)
    app.manager.disconnect(session.id)
    await until(lambda: app.manager.get_metrics().transports["sse"].connections == 0)
    writer.close()


async def test_the_app_stops_with_streams_open(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    clients = [await attached(http, url) for _ in range(20)]
    started = asyncio.get_running_loop().time()
    await app.stop()
    assert asyncio.get_running_loop().time() - started < 2.0
    for client in clients:
        close = await client.closed()
        assert close is not None
        assert close.fields["code"] == "going_away"


class Slow:
    """An authenticator that answers when it is told to."""

    name = "slow"

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    @hookimpl
    def rtcore_authenticators(self) -> list[Slow]:
        return [self]

    async def authenticate(self, handshake: Any) -> Identity | None:
        self.asked.set()
        await self.go.wait()
        return Identity(handshake.token) if handshake.token else None


async def test_a_client_that_leaves_while_it_is_checked_leaves_nothing_behind(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    slow = Slow()
    app, url = await serve(plugins=(slow,))
    request = asyncio.create_task(http.post(f"{url}/rt/sse", data=HELLO))
    await slow.asked.wait()
    assert app.manager.get_metrics().transports["sse"].connections == 1
    request.cancel()
    await until(lambda: app.manager.get_metrics().transports["sse"].connections == 0)
    slow.go.set()
    await asyncio.sleep(0)
    assert not app.manager.sessions


async def test_the_token_in_the_hello_decides_and_a_refusal_has_a_status(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    slow = Slow()
    slow.go.set()
    app, url = await serve(plugins=(slow,))
    client = WireClient()
    await client.attach(FetchStream(http, url), token="ada")
    assert only(app).identity.subject == "ada"
    await client.cut()
    async with http.post(f"{url}/rt/sse", data=HELLO) as response:
        assert response.status == 401
        assert (await response.json())[1]["code"] == "unauthenticated"


async def test_one_that_asks_by_post_and_does_not_read_its_stream_is_not_answered_without_end(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(message_buffer_size=1000, message_buffer_bytes=100_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), limit=1)
    writer.write(b"POST /rt/sse HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(HELLO), HELLO))
    await until(lambda: app.manager.sessions)
    session = only(app)
    while len(session.outbox) < 500:  # what the sockets hold was full long ago
        app.manager.broadcast(Message("bulk", "x" * 100_000))
        await asyncio.sleep(0)
    codec, fields = PlainCodec(), {"session": session.id, "secret": session.secret, "attach": session.attach}
    head = codec.encode_control("send", {**fields, "from": 0})
    body = codec.join([head, *[codec.encode_control("ping", {"t": "x" * 100})] * 1000])

    async def post() -> int:
        async with http.post(f"{url}/rt/send", data=body) as response:
            return response.status

    assert await post() == 200
    transport = session.connection.link._transport
    answered = transport.get_write_buffer_size()
    posting = [asyncio.create_task(post()) for _ in range(5)]
    await until(lambda: sum(task.done() for task in posting) == 3)
    assert [task.result() for task in posting if task.done()] == [429] * 3, "as many wait as may"
    assert transport.get_write_buffer_size() == answered
    while not all(task.done() for task in posting):
        await reader.read(1_000_000)
    assert sorted(task.result() for task in posting) == [200, 200, 429, 429, 429]
    writer.close()


async def test_a_long_replay_waits_in_the_kernel_until_the_stream_is_open_and_takes_it(
    serve: Any, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rtcore_sse.link import StreamLink

    early: list[int] = []
    original = StreamLink.open

    def open_(self: StreamLink, *args: Any, **fields: Any) -> None:
        early.append(sum(map(len, self._early)))
        original(self, *args, **fields)

    monkeypatch.setattr(StreamLink, "open", open_)
    app, url = await serve(message_buffer_size=1000, message_buffer_bytes=100_000_000)
    client = await attached(http, url)
    await client.cut()
    await until(lambda: only(app).connection is None)
    for n in range(800):
        app.manager.broadcast(Message("bulk", {"n": n, "text": "x" * 5000}))
    await client.attach(FetchStream(http, url))
    got = [(await client.receive()).payload["n"] for _ in range(800)]
    assert got == list(range(800))
    assert early[-1] < 200_000, "four megabytes were put into the connection at once"
    await client.cut()
