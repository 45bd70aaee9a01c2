"""A client without luxuries, for tests: it says hello, counts, answers pings, and shows everything else.

The counting is `rtcore.wire.client_line`'s, so a test that reconnects sees what a real client would see. Nothing
reconnects by itself here, nothing is read unless a test reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from rtcore.testing.plain import PlainCodec
from rtcore.wire.client_line import ClientLine, Resumption
from rtcore.wire.control import Control
from rtcore.wire.hello import Welcome
from rtcore.wire.message import Message

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec

#: Seconds that a test waits for anything.
PATIENCE = 10.0


class Duplex(Protocol):
    """The client's end of one transport connection: whole frames, without the transport's framing."""

    async def send(self, frame: bytes) -> None:
        """Send a frame; may wait while the server does not read.

        Raises:
            OSError: the connection is gone.
        """

    async def receive(self) -> bytes:
        """Return the next frame. May be cancelled without losing one.

        Raises:
            EOFError: the server has closed, or the connection is gone, and everything was received.
        """

    async def close(self) -> None:
        """End it without a word, as when the network goes. Again is harmless."""


class WireClient:
    """A session's client, over one duplex at a time.

    Args:
        codec: what is spoken.
        limit: messages of its own that it can send again.

    Attributes:
        line: the counts.
        welcome: the last one.
        controls: every control item that came and was not a ping or an ack, oldest first.
    """

    def __init__(self, codec: Codec | None = None, *, limit: int = 100_000) -> None:
        self.codec = codec or PlainCodec()
        self.line = ClientLine(limit)
        self.welcome: Welcome
        self.controls: list[Control] = []
        self.duplex: Duplex
        self._inbox: deque[Message] = deque()
        self._ids = 0

    async def attach(self, duplex: Duplex, **fields: Any) -> Resumption:
        """Say hello, wait for the welcome, send again what the server has not received.

        Raises:
            Refused: the server closed instead.
        """
        self.duplex = duplex
        hello = self.line.hello(duplex, **fields)
        await duplex.send(self.codec.encode_control("hello", hello.fields()))
        async with asyncio.timeout(PATIENCE):
            while (resumption := await self._step()) is None:
                if refusal := next((control for control in self.controls if control.name == "close"), None):
                    raise Refused(refusal)
        for message in resumption.resend:
            await duplex.send(self.codec.encode(message))
        return resumption

    async def send(self, type: str, payload: Any = None, **fields: Any) -> None:
        """Send one message."""
        await self.send_all(Message(type, payload, **fields))

    async def send_all(self, *messages: Message) -> None:
        """Send messages in one frame."""
        items = [self.codec.encode(message) for message in messages]
        for message, item in zip(messages, items, strict=True):
            self.line.put(message, len(item))
        await self.duplex.send(self.codec.join(items))

    async def request(self, type: str, payload: Any = None, **fields: Any) -> Message:
        """Send a message and return its reply or error; what else arrives meanwhile waits for `receive`."""
        self._ids += 1
        await self.send(type, payload, id=str(self._ids), **fields)
        seen = 0
        async with asyncio.timeout(PATIENCE):
            while True:
                for message in list(self._inbox)[seen:]:
                    if message.re == str(self._ids):
                        self._inbox.remove(message)
                        return message
                seen = len(self._inbox)
                await self._step()

    async def receive(self, within: float = PATIENCE) -> Message:
        """Return the next message.

        Raises:
            EOFError: the connection is gone.
            TimeoutError: nothing came within so many seconds.
        """
        async with asyncio.timeout(within):
            while not self._inbox:
                await self._step()
        return self._inbox.popleft()

    async def control(self, name: str) -> Control:
        """Read until a control item of this name has come; return it.

        Raises:
            EOFError: the connection is gone.
        """
        async with asyncio.timeout(PATIENCE):
            while True:
                for control in self.controls:
                    if control.name == name:
                        self.controls.remove(control)
                        return control
                await self._step()

    async def closed(self, within: float = PATIENCE) -> Control | None:
        """Read until the transport ends; return the `close` item that said why, if one did."""
        async with asyncio.timeout(within):
            while True:
                try:
                    await self._step()
                except EOFError:
                    break
        self.line.detach(self.duplex)
        return next((control for control in self.controls if control.name == "close"), None)

    async def say(self, name: str, **fields: Any) -> None:
        """Send one control item."""
        await self.duplex.send(self.codec.encode_control(name, fields))

    async def cut(self) -> None:
        """Lose the connection."""
        self.line.detach(self.duplex)
        await self.duplex.close()

    async def _step(self) -> Resumption | None:
        """Take one frame; return what a welcome in it means."""
        duplex = self.duplex
        resumption = None
        for item in self.codec.decode(await duplex.receive()):
            if isinstance(item, Message):
                if self.line.take(duplex):
                    self._inbox.append(item)
                continue
            assert isinstance(item, Control), f"the server sent what cannot be decoded: {item}"
            if item.name == "welcome":
                self.welcome = Welcome.parse(item.fields)
                resumption = self.line.take_welcome(duplex, self.welcome) or resumption
            elif item.name == "ping":
                await self.say("pong", **item.fields)
            elif item.name == "ack":
                assert self.line.confirm(item.fields["n"]), f"an ack of what was never sent: {item}"
            else:
                self.controls.append(item)
        return resumption


class Refused(Exception):
    """The server closed the connection instead of a welcome; `close` says why."""

    def __init__(self, close: Control) -> None:
        self.close = close
        super().__init__(f"{close.fields.get('code')}: {close.fields.get('reason')}")
