"""Two clients: one that streams by fetch, and one that does what the standard says of an `EventSource`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import aiohttp

from rtcore.errors import Rejected
from rtcore.spi.codec import Codec
from rtcore.testing import PlainCodec
from rtcore.wire.control import Control
from rtcore.wire.message import Message

WITHIN = 10.0
#: What a page may post to another host without asking first.
TEXT = {"Content-Type": "text/plain;charset=UTF-8"}


class Event(NamedTuple):
    data: str
    last_id: str
    type: str = "message"


class EventStream:
    """The interpretation of an event stream (WHATWG HTML, section 9.2.6), fed in any pieces."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = self._id = last_id
        self.retry: int | None = None
        self.comments = 0
        self._bytes = b""
        self._begun = False
        self._data: list[str] = []
        self._type = ""

    def feed(self, data: bytes) -> list[Event]:
        self._bytes += data
        if not self._begun and len(self._bytes) >= 3:
            self._begun = True
            self._bytes = self._bytes.removeprefix(b"\xef\xbb\xbf")
        events: list[Event] = []
        # A CR at the end may be half of a CR LF: it waits for what follows.
        while (end := re.search(rb"\r\n|\n|\r(?!\Z)", self._bytes)) is not None:
            line = self._bytes[: end.start()].decode()
            self._bytes = self._bytes[end.end() :]
            event = self._line(line)
            if event is not None:
                events.append(event)
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments += 1
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        data, self._data = self._data, []
        type_, self._type = self._type or "message", ""
        return Event("\n".join(data), self.last_id, type_) if data else None


class FetchStream:
    """A `Duplex` of the test client: a stream opened by POST, and POSTs for the way up."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        codec: Codec | None = None,
        ask: str = "",
        **options: Any,
    ) -> None:
        self.http = http
        self.url = url
        self.codec = codec or PlainCodec()
        self.ask = ask
        self.response: aiohttp.ClientResponse
        self.stream = EventStream()
        self.sent = 0
        self._fields: dict[str, Any] = {}
        self._events: deque[Event] = deque()
        self._frames: deque[bytes] = deque()
        self._opened = False

    async def send(self, frame: bytes) -> None:
        if not self._opened:
            self._opened = True
            await self._open(frame)
            return
        head = self.codec.encode_control("send", {**self._fields, "from": self.sent})
        body = self.codec.join([head, frame])
        async with self.http.post(f"{self.url}/rt/send", data=body, headers=TEXT) as response:
            body = await response.read()
        self._check(response.status, body)
        [ack] = self.codec.decode(body)
        assert isinstance(ack, Control)
        self.sent = ack.fields["n"]
        self._frames.append(body)

    async def receive(self) -> bytes:
        return self._frames.popleft() if self._frames else await self._event()

    async def _event(self) -> bytes:
        """Read until an event has come; others that came with it wait."""
        while not self._events:
            try:
                chunk = await self.response.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                raise EOFError(str(error)) from error
            if not chunk:
                raise EOFError("the stream has ended")
            self._events += self.stream.feed(chunk)
        frame = self._events.popleft().data.encode()
        self._note(frame)
        return frame

    async def close(self) -> None:
        if hasattr(self, "response"):
            self.response.close()

    async def _open(self, hello: bytes) -> None:
        query = f"?codec={self.ask}" if self.ask else ""
        response = await self.http.post(f"{self.url}/rt/sse{query}", data=hello, headers=TEXT)
        if response.status != 200:
            async with response:
                self._check(response.status, await response.read())
        self.response = response
        # The way up is known once the welcome is here.
        while not self._fields:
            self._frames.append(await self._event())

    def _check(self, status: int, body: bytes) -> None:
        if status != 200:
            [error] = self.codec.decode(body)
            assert isinstance(error, Control)
            raise Rejected(error.fields["code"], error.fields["reason"])

    def _note(self, frame: bytes) -> None:
        for item in self.codec.decode(frame):
            if isinstance(item, Control) and item.name == "welcome":
                self._fields = {name: item.fields[name] for name in ("session", "secret", "attach")}
                self.sent = item.fields["received"]


class EventSource:
    """What a browser's `EventSource` does (WHATWG HTML, section 9.2): it reconnects until it is told to stop.

    Attributes:
        state: `"connecting"`, `"open"` or `"closed"`; it does not come back from the last one.
        events: every event that was dispatched.
        requests: the `Last-Event-ID` of each request; `None` when there was none.
        statuses: of each answer.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, **headers: str) -> None:
        self.http = http
        self.url = url
        self.headers = headers
        self.state = "connecting"
        self.events: list[Event] = []
        self.requests: list[str | None] = []
        self.statuses: list[int] = []
        self.comments = 0
        self.last_id = ""
        self.retry = 50
        self._response: aiohttp.ClientResponse | None = None
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def messages(self) -> list[Any]:
        """The messages of the room, as JSON."""
        return [json.loads(event.data) for event in self.events if event.type == "message"]

    @property
    def payloads(self) -> list[Any]:
        return [message["payload"] for message in self.messages]

    def named(self, name: str) -> list[Any]:
        """What came by an event of this name."""
        return [json.loads(event.data) for event in self.events if event.type == name]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(WITHIN), self._news:
            await self._news.wait_for(condition)

    def cut(self) -> None:
        """The network goes; the browser notices and comes back."""
        if self._response is not None and self._response.connection is not None:
            transport = self._response.connection.transport
            if transport is not None:
                transport.abort()

    async def _run(self) -> None:
        while self.state != "closed":
            stream = EventStream(self.last_id)
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._connect(stream)
            self.last_id = stream.last_id
            self.retry = stream.retry if stream.retry is not None else self.retry
            async with self._news:
                self._news.notify_all()
            if self.state != "closed":
                self.state = "connecting"
                await asyncio.sleep(min(self.retry, 200) / 1000)

    async def _connect(self, stream: EventStream) -> None:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **self.headers}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        self.requests.append(self.last_id or None)
        async with self.http.get(self.url, headers=headers) as response:
            self._response = response
            self.statuses.append(response.status)
            if response.status != 200 or response.content_type != "text/event-stream":
                self.state = "closed"
                return
            self.state = "open"
            while chunk := await response.content.readany():
                self.events += stream.feed(chunk)
                self.comments = stream.comments
                self.last_id = stream.last_id
                async with self._news:
                    self._news.notify_all()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def message(n: int) -> Message:
    return Message("n", n)
