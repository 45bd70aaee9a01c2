"""What the kernel's tests stand on: a codec of the standard library, a link in memory, a client with real counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from rtcore import App, Message, hookimpl
from rtcore.connection import Connection
from rtcore.spi.codec import Item
from rtcore.spi.transport import Handshake
from rtcore.wire import ClientLine, Control, Undecodable, UndecodableError, Welcome, mark, plain
from rtcore.wire.errors import FrameError
from rtcore.wire.parts import parse_part


class PlainJson:
    """JSON by the standard library: slow, and enough to see that the kernel needs no codec of its own."""

    name, binary, content_type = "json", False, "application/json"

    def encode(self, message: Message) -> bytes:
        fields = {
            key: getattr(message, key)
            for key in ("type", "id", "re", "room", "sender", "trace")
            if getattr(message, key) is not None
        }
        if message.priority != "normal":
            fields["priority"] = message.priority
        return json.dumps({**fields, "payload": mark(plain(message.value()))}).encode()

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        return json.dumps([name, fields]).encode()

    def join(self, items: Sequence[bytes]) -> bytes:
        return b"\n".join(items)

    def encode_payload(self, payload: Any) -> bytes:
        return json.dumps(mark(plain(payload))).encode()

    def decode_first(self, frame: bytes) -> tuple[Item | None, bytes]:
        first, _, rest = frame.partition(b"\n")
        return (self._item(first) if first else None), rest

    def decode(self, frame: bytes) -> Sequence[Item]:
        return [self._item(line) for line in frame.split(b"\n") if line]

    def decode_payload(self, raw: bytes) -> Any:
        try:
            return json.loads(raw)
        except ValueError as error:
            raise UndecodableError(str(error)) from error

    def _item(self, line: bytes) -> Item:
        if line[:1] not in (b"{", b"["):
            raise FrameError("neither an object nor an array")
        try:
            value = json.loads(line)
        except ValueError as error:
            return Undecodable(str(error))
        if isinstance(value, list):
            return Control(*value)
        if "type" not in value:
            return Undecodable("no type", value.get("id"))
        payload = value.pop("payload", None)
        return Message(value.pop("type"), payload, **value)


class Lines:
    """Frames end with a newline, so that joined ones can be told apart."""

    name = "lines"

    def frame(self, body: bytes, binary: bool) -> bytes:
        return body + b"\n"


LINES = Lines()


class MemoryLink:
    """The transport's end in memory: remembers what was written and what the kernel asked for."""

    framing = LINES

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class MemoryTransport:
    """Named, and nothing more: the tests bring the connections."""

    def __init__(self, name: str = "memory", *, binary: bool = True) -> None:
        self.name, self.binary = name, binary
        self.events: list[str] = []

    async def start(self, app: App) -> None:
        self.events.append("start")

    async def stop_accepting(self) -> None:
        self.events.append("stop_accepting")

    async def stop(self) -> None:
        self.events.append("stop")


class Basics:
    """The least plugin that makes the kernel talk."""

    name = "basics"

    def __init__(self, *transports: MemoryTransport) -> None:
        self.transports = transports or (MemoryTransport(),)

    @hookimpl
    def rtcore_codecs(self) -> list[PlainJson]:
        return [PlainJson()]

    @hookimpl
    def rtcore_transports(self) -> list[MemoryTransport]:
        return list(self.transports)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_app(settings: dict[str, Any] | None = None, *plugins: object, clock: Clock | None = None) -> App:
    """An app with the basics and whatever else is given."""
    return App(settings or {}, plugins=[Basics(), *plugins], clock=clock or Clock())


class Peer:
    """A client with real counts over connections in memory."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.line = ClientLine()
        self.link = MemoryLink()
        self.connection: Connection
        self.got: list[dict[str, Any]] = []
        self.controls: list[tuple[str, dict[str, Any]]] = []
        self._read = 0

    def connect(self, *, transport: str = "memory", hello: bool = True, **fields: Any) -> Peer:
        """Open a connection and say hello, unless told not to."""
        self.link, self._read = MemoryLink(), 0
        self.connection = self.app.manager.add_connection(self.link, Handshake(transport, "127.0.0.1:9"))
        if hello:
            said = self.line.hello(
                self.connection, token=fields.pop("token", None), parts=fields.pop("parts", 0)
            )
            self.say("hello", **{**said.fields(), **fields})
        return self

    def say(self, control: str, **fields: Any) -> None:
        """Send a control item."""
        self.connection.receive(json.dumps([control, fields]).encode())

    def send(self, type: str, payload: Any = None, **fields: Any) -> None:
        """Send a message, counted."""
        message = Message(type, payload, **fields)
        self.line.put(message, 1)
        self.connection.receive(PlainJson().encode(message))

    def cut(self) -> None:
        """The network is gone."""
        self.connection.lost("going_away")
        self.line.detach(self.connection)

    def read(self) -> list[dict[str, Any]]:
        """Take in what was written since the last time; return the new messages."""
        new: list[dict[str, Any]] = []
        text = b"".join(self.link.written[self._read :])
        self._read = len(self.link.written)
        for line in text.splitlines():
            value = json.loads(line)
            if isinstance(value, list):
                self.controls.append((value[0], value[1]))
                if value[0] == "welcome":
                    self.line.take_welcome(self.connection, Welcome.parse(value[1]))
                elif value[0] == "part":
                    item = self.line.take_part(
                        self.connection, parse_part(value[1], binary=False), limit=1 << 30
                    )
                    if item is not None:
                        new.append(json.loads(item))
            elif self.line.take(self.connection):
                new.append(value)
        self.got += new
        return new

    def control(self, name: str) -> dict[str, Any]:
        """The last control item of a name."""
        self.read()
        return next(fields for said, fields in reversed(self.controls) if said == name)

    @property
    def session(self) -> Any:
        """The server's session of this client."""
        return self.connection.session


async def until(condition: Callable[[], bool], *, turns: int = 10_000) -> None:
    """Let the loop turn until something is so."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be so")


async def turn() -> None:
    """Let everything that is due in this turn of the loop happen, and what follows from it."""
    for _ in range(4):
        await asyncio.sleep(0)
