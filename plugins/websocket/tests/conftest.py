"""Servers on every combination of what may carry them, and a client that can do what no client should."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import rtcore_http
import rtcore_websocket
import trustme
import uvloop
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.testing import PlainCodec

#: Seconds that a test waits for anything.
PATIENCE = 10.0


class Tls:
    """A certificate for 127.0.0.1, in files, and who trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)


class Frame(NamedTuple):
    """A frame from the server: its first byte and its payload."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 15

    @property
    def number(self) -> int:
        """Of a close frame."""
        return int.from_bytes(self.payload[:2], "big")

    def item(self) -> Any:
        payload = self.payload
        if self.first & 0x40:  # deflated (RFC 7692)
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        return json.loads(payload)


def masked(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = b"\x01\x02\x03\x04"
) -> bytes:
    """A client's frame (RFC 6455, section 5.2)."""
    mask = b"\x01\x02\x03\x04"
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    n = len(payload)
    if n < 126:
        head = bytes((first, 0x80 | n))
    elif n < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, n)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, n)
    padded = (mask * (n // 4 + 1))[:n]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(padded, "big")).to_bytes(n, "big")


def text(item: Any, **how: Any) -> bytes:
    """A JSON item in a text frame."""
    return masked(1, json.dumps(item, ensure_ascii=False).encode(), **how)


HELLO: Any = ["hello", {"v": 1, "attach": 1, "nonce": "0123456789abcdef", "received": 0}]


class Client:
    """A WebSocket client that frames by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.status = 0
        self.headers: dict[str, str] = {}

    async def upgrade(
        self, *, early: bytes = b"", path: str = "/rt/ws", drop: str = "", **headers: str
    ) -> int:
        """Ask for the upgrade; return the status. `early` goes out in the same packet."""
        self.ask(early=early, path=path, drop=drop, **headers)
        return await self.answer()

    def ask(self, *, early: bytes = b"", path: str = "/rt/ws", drop: str = "", **headers: str) -> None:
        asked = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "keep-alive, Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        asked.pop(drop, None)
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items()), "", ""]
        self.writer.write("\r\n".join(lines).encode() + early)

    async def answer(self) -> int:
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value for line in lines if line for name, value in [line.split(": ", 1)]
        }
        return self.status

    async def body(self) -> Any:
        """The JSON body of a refusal."""
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.reader.readexactly(int(self.headers["content-length"])))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            first, n = await self.reader.readexactly(2)
            if n == 126:
                (n,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif n == 127:
                (n,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return Frame(first, await self.reader.readexactly(n))

    async def item(self) -> Any:
        """The next JSON item; acks are passed over."""
        while True:
            item = (await self.frame()).item()
            if not (isinstance(item, list) and item[0] == "ack"):
                return item

    async def hello(self, **fields: Any) -> Any:
        """Say hello; return the fields of the welcome."""
        await self.send(text(["hello", {**HELLO[1], "nonce": os.urandom(8).hex(), **fields}]))
        name, welcome = await self.item()
        assert name == "welcome", (name, welcome)
        return welcome

    async def ask_echo(self, payload: Any, id: str = "1") -> Any:
        await self.send(text({"type": "echo", "id": id, "payload": payload}))
        reply = await self.item()
        assert (reply["type"], reply["re"]) == ("reply", id)
        return reply["payload"]

    async def closed(self) -> Frame | None:
        """Read to the end; return the close frame, if there was one."""
        close = None
        async with asyncio.timeout(PATIENCE):
            try:
                while True:
                    frame = await self.frame()
                    if frame.opcode == 8:
                        close = close or frame
            except (asyncio.IncompleteReadError, ConnectionError):
                return close

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Server:
    """An app, and the way to it."""

    def __init__(self, app: App, tls: Tls | None) -> None:
        self.app = app
        self.transport: Any = app.registry.transports["websocket"]
        self._tls = tls
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        """Open a socket."""
        context = self._tls.client if self._tls is not None else None
        client = Client(*await asyncio.open_connection("127.0.0.1", self.app.get(Http).port, ssl=context))
        self._clients.append(client)
        return client

    async def upgraded(self, **how: str) -> Client:
        """Open a WebSocket."""
        client = await self.connect()
        assert await client.upgrade(**how) == 101
        return client

    async def ready(self) -> Client:
        """Open a WebSocket and say hello."""
        client = await self.upgraded()
        await client.hello()
        return client

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to come true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - conditions of other people's objects
                await asyncio.sleep(0.005)

    async def bystander_is_well(self) -> None:
        """Somebody else notices nothing."""
        client = await self.ready()
        assert await client.ask_echo("still here") == "still here"
        await client.close()

    async def leave(self) -> None:
        for client in self._clients:
            await client.close()


def echo(payload: Any) -> Any:
    return payload


def waiting(gate: asyncio.Event) -> Any:
    """A handler that echoes when the gate is open."""

    async def wait(payload: Any) -> Any:
        await gate.wait()
        return payload

    return wait


@asynccontextmanager
async def serving(*plugins: object, tls: Tls | None = None, **settings: Any) -> AsyncIterator[Server]:
    """Run a server. Keywords are settings; `handlers`: of messages that are answered when an event is set."""
    handlers: dict[str, asyncio.Event] = settings.pop("handlers", {})
    http = {"port": 0, **settings.pop("http", {})}
    if tls is not None:
        http |= {"tls_certificate": str(tls.certificate), "tls_key": str(tls.key)}
    websocket = {"close_timeout": 0.5, **settings.pop("websocket", {})}  # the client below answers no closes
    given = {"http": http, "websocket": websocket, **settings}
    app = App(given, plugins=[rtcore_http, rtcore_websocket, PlainCodec(), *plugins])
    app.handler("echo")(echo)
    for name, gate in handlers.items():
        app.handler(name)(waiting(gate))
    async with app:
        server = Server(app, tls)
        try:
            yield server
        finally:
            await server.leave()


@pytest.fixture(autouse=True)
def no_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does is no error of the server."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["picows", "aiohttp"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A server on each data path."""
    async with serving(websocket={"data_path": request.param}, max_message_size=100_000) as running:
        yield running


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Place:
    """One combination of server, TLS and event loop."""

    def __init__(self, server: str, tls: Tls | None, loop: str) -> None:
        self.server, self.tls, self.loop = server, tls, loop

    def run(self, test: Callable[[Server], Awaitable[None]], *plugins: object, **settings: Any) -> None:
        """Run a test against a server there, and see that nothing is left of it."""

        async def inside() -> None:
            http = {"server": self.server, **settings.pop("http", {})}
            async with serving(*plugins, tls=self.tls, http=http, **settings) as server:
                await test(server)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left: {left}"

        with asyncio.Runner(loop_factory=LOOPS[self.loop]) as runner:
            runner.run(inside())


@pytest.fixture(
    params=[
        pytest.param((server, secure, loop), id=f"{server}-{'tls' if secure else 'plain'}-{loop}")
        for server in ("aiofastnet", "asyncio")
        for secure in (False, True)
        for loop in LOOPS
    ]
)
def place(request: pytest.FixtureRequest, tls: Tls) -> Place:
    """Every combination."""
    server, secure, loop = request.param
    return Place(server, tls if secure else None, loop)


Test = Callable[[Server], Coroutine[Any, Any, None]]


@pytest.fixture
def ws() -> Any:
    """What tests need of this file: with importlib mode it cannot be imported."""

    class Tools:
        masked = staticmethod(masked)
        text = staticmethod(text)
        serving = staticmethod(serving)
        hello = HELLO

    return Tools
