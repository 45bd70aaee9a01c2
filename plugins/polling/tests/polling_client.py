"""A client that polls, by hand or as a `Duplex` of the test client."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from rtcore.errors import Rejected
from rtcore.spi.codec import Codec, Item
from rtcore.spi.compressor import Compressor
from rtcore.testing import PlainCodec
from rtcore.wire.codes import CODES
from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.format import unpack
from rtcore.wire.message import Message

WITHIN = 10.0


class Answer(tuple[int, list[Item]]):
    """A status and the items of the body."""

    __slots__ = ()

    @property
    def status(self) -> int:
        return self[0]

    @property
    def items(self) -> list[Item]:
        return self[1]

    @property
    def payloads(self) -> list[Any]:
        return [item.payload for item in self.items if isinstance(item, Message)]

    def control(self, name: str) -> dict[str, Any]:
        [fields] = [item.fields for item in self.items if isinstance(item, Control) and item.name == name]
        return dict(fields)

    @property
    def code(self) -> str:
        return str(self.control("error")["code"])


class Poller:
    """Says hello and polls when a test says so.

    Attributes:
        received: how many messages have arrived; what the next poll says.
        fields: session, secret and attach number, from the welcome.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        codec: Codec | None = None,
        compressor: Compressor | None = None,
    ) -> None:
        self.http = http
        self.url = url
        self.codec = codec or PlainCodec()
        self.compressor = compressor
        self.received = 0
        self.sent = 0
        self.fields: dict[str, Any] = {}
        self.last: aiohttp.ClientResponse
        self.body = b""

    async def post(self, path: str, *items: bytes, **request: Any) -> Answer:
        request.setdefault("headers", {"Content-Type": self.codec.content_type})
        async with self.http.post(
            f"{self.url}{path}?codec={self.codec.name}", data=self.codec.join(items), **request
        ) as response:
            self.body = await response.read()
        self.last = response
        return Answer(
            (response.status, list(unpack(self.body, self.codec, self.compressor, max_size=1 << 30)))
        )

    async def hello(self, **fields: Any) -> Answer:
        fields = {"attach": 1, "nonce": secrets.token_hex(8), **fields}
        return self.took(await self.post("/rt/poll", self.codec.encode_control("hello", fields)))

    async def poll(self, *more: bytes, **fields: Any) -> Answer:
        fields = {**self.fields, "received": self.received, **fields}
        return self.took(await self.post("/rt/poll", self.codec.encode_control("poll", fields), *more))

    async def send(self, *items: bytes) -> Answer:
        head = self.codec.encode_control("send", {**self.fields, "from": self.sent})
        answer = await self.post("/rt/send", head, *items)
        if answer.status == 200:
            self.sent = answer.control("ack")["n"]
        return answer

    def took(self, answer: Answer) -> Answer:
        """Count what arrived."""
        for item in answer.items:
            if isinstance(item, Message):
                self.received += 1
            elif isinstance(item, Control) and item.name == "welcome":
                self.fields = {name: item.fields[name] for name in ("session", "secret", "attach")}
                self.sent = item.fields["received"]
        return answer


class PollDuplex:
    """A `Duplex` of the test client: as a client should, it polls whenever all that has arrived was taken."""

    def __init__(self, http: aiohttp.ClientSession, url: str, *, codec: Codec | None = None) -> None:
        self.poller = Poller(http, url, codec=codec)
        self._frames: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = False
        self._polling: asyncio.Task[None] | None = None

    async def send(self, frame: bytes) -> None:
        if self._ended:
            raise ConnectionResetError("closed")
        if self._polling is not None:
            self._check(await self.poller.send(frame))
            return
        items = _items(self.poller.codec, frame)
        if items and isinstance(items[0], Control):
            self.poller.received = items[0].fields.get("received") or 0
        answer = self._check(await self.poller.post("/rt/poll", frame))
        self.poller.took(answer)
        self._polling = asyncio.create_task(self._poll())

    async def receive(self) -> bytes:
        while not self._frames:
            if self._ended:
                raise EOFError("closed")
            self._news.clear()
            await self._news.wait()
        frame = self._frames.popleft()
        if not self._frames:
            self._taken.set()  # by the time of the next poll it is taken indeed
        return frame

    async def close(self) -> None:
        self._end()
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    def _check(self, answer: Answer) -> Answer:
        if answer.status != 200:
            error = answer.control("error")
            raise Rejected(error["code"], error["reason"])
        self._arrived(self.poller.body)
        return answer

    async def _poll(self) -> None:
        codec = self.poller.codec
        while not self._ended:
            self._taken.clear()
            if self._frames:
                await self._taken.wait()
            try:
                answer = await self.poller.poll()
            except (aiohttp.ClientError, OSError):
                break
            if answer.status != 200:
                # A refusal has a status of its own; to the session's client it is a close like any other.
                error = answer.control("error")
                close = {"number": CODES[error["code"]].number, **error}
                self._arrived(codec.encode_control("close", close))
                break
            self._arrived(self.poller.body)
            if any(isinstance(item, Control) and item.name == "close" for item in answer.items):
                break
        self._end()

    def _arrived(self, frame: bytes) -> None:
        if frame:
            self._frames.append(frame)
            self._news.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()


def _items(codec: Codec, frame: bytes) -> Sequence[Item]:
    try:
        return codec.decode(frame)
    except WireError:
        return ()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


def message(n: int) -> Message:
    return Message("n", n)
