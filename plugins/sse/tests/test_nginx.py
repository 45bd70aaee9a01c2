"""Behind a real nginx: what its default buffering does to a stream, and what it does where it ignores our header.

What was found: over HTTP/1.1 nginx hands on each chunk as it comes, buffering or not, and our events are chunks. Over
HTTP/1.0, which is what nginx 1.22 speaks to a server if nobody says otherwise, it waits for a full buffer, unless our
header tells it not to.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import rtcore_memory
import rtcore_rooms
from sse_client import WITHIN, EventSource, EventStream, FetchStream, message, until

from rtcore.app import App
from rtcore.testing.client import WireClient

pytestmark = pytest.mark.nginx

#: Buffering is what nginx does when nobody says anything: `proxy_buffering` is on.
CONF = """
daemon off;
{user}
pid {at}/nginx.pid;
error_log {at}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {at}/body;
    proxy_temp_path {at}/proxy;
    fastcgi_temp_path {at}/fastcgi;
    uwsgi_temp_path {at}/uwsgi;
    scgi_temp_path {at}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{upstream};
            proxy_http_version {version};
            {more}
        }}
    }}
}}
"""

Proxy = Callable[..., Any]

ROOMS = (rtcore_rooms, rtcore_memory)
WITH_HISTORY: dict[str, Any] = {"plugins": ROOMS, "rooms": {"options": {"*": {"history": 100}}}}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def proxy(nginx: str, tmp_path: Path) -> Proxy:
    """Run one in front of a URL, with more directives, for as long as a block lasts."""

    @asynccontextmanager
    async def run(url: str, more: str = "", *, port: int = 0, version: str = "1.1") -> AsyncIterator[str]:
        port = port or free_port()
        conf = CONF.format(
            at=tmp_path,
            port=port,
            upstream=urlsplit(url).netloc,
            more=more,
            version=version,
            user="user root;" if os.geteuid() == 0 else "",
        )
        (tmp_path / "nginx.conf").write_text(conf)
        process = await asyncio.create_subprocess_exec(
            nginx, "-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")
        )
        try:
            async with asyncio.timeout(WITHIN):
                while process.returncode is None:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        await asyncio.sleep(0.02)
                    else:
                        writer.close()
                        await writer.wait_closed()
                        break
            assert process.returncode is None, (tmp_path / "error.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    return run


#: Of the requests that nginx makes to us.
versions = pytest.mark.parametrize("version", ["1.0", "1.1"])
IGNORING = "proxy_ignore_headers X-Accel-Buffering;"


async def arrive_one_by_one(app: App, http: aiohttp.ClientSession, url: str, events: int) -> None:
    """The next one is sent only when the last one is here, so none is pushed along by another."""
    client = WireClient()
    await client.attach(FetchStream(http, url))
    for n in range(events):
        app.manager.broadcast(message(n))
        assert (await client.receive(within=2.0)).payload == n
    assert (await client.request("echo", "up and down")).payload == "up and down"
    await client.cut()


@versions
async def test_single_small_events_pass_its_default_buffering_at_once_and_in_order(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy, version: str
) -> None:
    app, url = await serve()
    async with proxy(url, version=version) as proxied:
        await arrive_one_by_one(app, http, proxied, 100)


async def test_it_is_the_header_that_nginx_obeys(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    _, url = await serve(plugins=ROOMS)
    async with proxy(url, version="1.0") as proxied, http.get(f"{proxied}/rt/events/r") as response:
        assert "X-Accel-Buffering" not in response.headers, "nginx keeps what it understands to itself"
        assert await response.content.readuntil(b"joined")
    async with proxy(url, IGNORING, version="1.0") as proxied:
        # It waits for a full buffer, and the head of the response waits with it: no welcome, so a client falls back.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0), http.get(f"{proxied}/rt/events/r"):
                pass


async def test_where_it_is_ignored_chunks_pass_all_the_same(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    app, url = await serve()
    async with proxy(url, IGNORING, version="1.1") as proxied:
        await arrive_one_by_one(app, http, proxied, 50)


@versions
async def test_where_it_is_ignored_padding_pushes_each_event_through(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy, version: str
) -> None:
    app, url = await serve(sse={"flush_padding": 4096})
    async with proxy(url, IGNORING, version=version) as proxied:
        await arrive_one_by_one(app, http, proxied, 50)


async def test_an_eventsource_comes_back_to_where_it_was_through_it(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    app, url = await serve(sse={"retry": 0.1}, **WITH_HISTORY)
    async with proxy(url) as proxied, EventSource(http, f"{proxied}/rt/events/r") as events:
        await events.until(lambda: events.last_id)
        for n in range(20):
            app.manager.send_to_room("r", message(n))
            await events.until(lambda: len(events.messages) == n + 1)  # noqa: B023 - awaited in the loop
            if n % 5 == 0:
                events.cut()
        await events.until(lambda: len(events.requests) >= 4)
        assert events.payloads == list(range(20))


async def test_curl_reads_a_room_through_it(serve: Any, proxy: Proxy, curl: str) -> None:
    app, url = await serve(**WITH_HISTORY)
    for n in range(3):
        app.manager.send_to_room("r", message(n))
    async with proxy(url) as proxied:
        process = await asyncio.create_subprocess_exec(
            *(curl, "-sN", "--max-time", "20", f"{proxied}/rt/events/r?history=2"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        stream, events = EventStream(), []
        try:
            async with asyncio.timeout(WITHIN):
                while len(events) < 4:
                    events += stream.feed(await process.stdout.read(65536))
                    if len(events) == 3:
                        app.manager.send_to_room("r", message(3))
        finally:
            process.kill()
            await process.wait()
        assert [event.type for event in events] == ["joined", *["message"] * 3]
        assert [json.loads(event.data)["payload"] for event in events[1:]] == [1, 2, 3]


async def test_curl_is_told_what_is_wrong(serve: Any, proxy: Proxy, curl: str) -> None:
    _, url = await serve(**WITH_HISTORY)
    async with proxy(url) as proxied:
        process = await asyncio.create_subprocess_exec(
            *(curl, "-si", "--max-time", "20", f"{proxied}/rt/events/{'x' * 200}"),
            stdout=asyncio.subprocess.PIPE,
        )
        answer, _ = await process.communicate()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 400 " in head.split(b"\r\n")[0]
        assert json.loads(body)[1]["code"] == "bad_room"


async def test_comments_outlast_the_patience_of_a_proxy(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    app, url = await serve(sse={"keepalive": 0.2}, **WITH_HISTORY)
    async with (
        proxy(url, "proxy_read_timeout 1s;") as proxied,
        EventSource(http, f"{proxied}/rt/events/r") as events,
    ):
        await events.until(lambda: events.last_id)
        await events.until(lambda: events.comments >= 12)
        app.manager.send_to_room("r", message(1))
        await events.until(lambda: events.messages)
        assert len(events.requests) == 1


async def test_a_client_that_leaves_is_missed_through_it_too(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    app, url = await serve()
    async with proxy(url) as proxied:
        client = WireClient()
        await client.attach(FetchStream(http, proxied))
        [session] = app.manager.sessions.values()
        await client.cut()
        await until(lambda: session.transport is None)


async def test_a_proxy_that_is_restarted_costs_nothing(
    serve: Any, http: aiohttp.ClientSession, proxy: Proxy
) -> None:
    app, url = await serve(sse={"retry": 0.1}, **WITH_HISTORY)
    port = free_port()
    async with proxy(url, port=port) as proxied:
        events = EventSource(http, f"{proxied}/rt/events/r")
        await events.until(lambda: events.last_id)
        app.manager.send_to_room("r", message(0))
        await events.until(lambda: events.messages)
    async with events:
        for n in range(1, 6):
            app.manager.send_to_room("r", message(n))
        async with proxy(url, port=port):
            await events.until(lambda: len(events.messages) == 6)
            assert events.payloads == list(range(6))
