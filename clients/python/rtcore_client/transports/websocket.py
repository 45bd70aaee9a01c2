"""WebSocket: one frame is one WebSocket message, text for text codecs, binary for anything else.

A writer task takes what is to be sent and waits where aiohttp's buffer is full, so that `send` never does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from rtcore.wire.codes import CODES
from rtcore.wire.format import COMPRESSED
from rtcore_client.tasks import end
from rtcore_client.transports.base import LinkLost, advice
from rtcore_client.transports.http import hint, said
from rtcore_client.transports.moved import Moved, hold_little
from rtcore_client.transports.upgrade import Refusal, upgrading

if TYPE_CHECKING:
    from rtcore.wire.parts import Part
    from rtcore_client.options import ConnectionType
    from rtcore_client.transports.base import Context, Speech

_DATA: Final = frozenset({aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY})
#: Bytes that may wait here, and as many again in the transport. Small: what waits there cannot be overtaken any more.
HIGH_WATER: Final = 16 * 1024
#: Seconds: the longest pause between two looks at whether the transport has room again.
STEP: Final = 0.02
#: Seconds for the closing handshake (RFC 6455, section 7).
CLOSING: Final = 1.0


class WebSocketLink:
    """A `Link` on aiohttp's WebSocket."""

    type: ConnectionType = "websocket"
    confirms = False

    def __init__(self, context: Context) -> None:
        self.codec = context.codec
        self._context = context
        self._speech: Speech | None = None
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._urgent: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._moved: Moved | None = None
        self._transport: asyncio.Transport | None = None
        self._broken: LinkLost | None = None

    @property
    def busy(self) -> bool:
        return self._bytes >= HIGH_WATER

    @property
    def free_since(self) -> float:
        return 0.0

    def moved(self) -> bool:
        return self._moved is not None and self._moved.since()

    async def open(self, hello: Callable[[], bytes]) -> None:
        context = self._context
        asked = None if self.codec.name == context.text.name else self.codec.name
        refusal = Refusal()
        try:
            with upgrading(refusal):
                self._socket = await context.http.ws_connect(
                    context.endpoint.of("ws", codec=asked),
                    headers=context.headers,
                    max_msg_size=context.max_frame,
                    decode_text=False,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING),
                    ssl=context.ssl or True,
                )
            self._transport = refusal.transport
            sock = self._socket.get_extra_info("socket")
            self._moved = Moved(sock)
            hold_little(sock)
            self._writer = asyncio.create_task(
                self._write(self._socket), name="rtcore-client:websocket-writer"
            )
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(error, refusal.body) from error
        except (aiohttp.ClientError, OSError) as error:
            raise LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}") from error
        self.control(hello())

    async def receive(self) -> bytes:
        if self._broken is not None:
            raise self._broken
        socket = self._socket
        if socket is None:
            raise LinkLost("NETWORK_ERROR", "not open")
        message = await socket.receive()
        if isinstance(message.data, bytes) and message.type in _DATA:
            return message.data
        raise self._why(socket, message)

    def speak(self, speech: Speech) -> None:
        self._speech = speech
        self.codec = speech.format.codec

    def send(self, items: Sequence[bytes], place: int) -> None:
        speech = self._speech
        if speech is None:
            return
        pack = speech.format
        if speech.batch == 1:
            frames = [pack.pack(item) for item in items]
        else:
            frames = [
                pack.pack(pack.codec.join(some)) for some in batches(items, speech.batch, speech.max_size)
            ]
        self._waiting.extend(frames)
        self._bytes += sum(map(len, frames))
        self._wake()

    def part(self, part: Part, place: int) -> None:
        speech = self._speech
        if speech is not None:
            pack, binary = speech.format, self.codec.binary
            frame = pack.pack(self.codec.encode_control("part", part.fields(binary=binary)))
            self._waiting.append(frame)
            self._bytes += len(frame)
            self._wake()

    def control(self, item: bytes) -> None:
        self._urgent.append(item)
        self._bytes += len(item)
        self._wake()

    async def flush(self) -> None:
        while (self._urgent or self._waiting) and self._writer is not None and not self._writer.done():
            self._idle.clear()
            await self._idle.wait()

    async def close(self) -> None:
        self._idle.set()
        if self._writer is not None:
            self._writer.cancel()
        if self._socket is not None:
            with contextlib.suppress(Exception):
                await self._socket.close()
        await end(self._writer)

    def _refused(self, error: aiohttp.WSServerHandshakeError, body: bytes) -> LinkLost:
        """Say what the answer to an upgrade means, if it was no 101."""
        status = error.status
        text = f"the upgrade was answered with {status}{hint(body)}"
        fields = said(body, self._context.text)
        if fields is not None:
            return LinkLost.by_server(fields)
        if status == 401:  # whoever it was that said so: without other credentials it will be the same again
            return LinkLost.by_server({"code": "unauthenticated", "reason": text})
        after = error.headers.get("Retry-After") if error.headers else None
        return LinkLost(
            "unsupported_codec" if status == 415 else "NETWORK_ERROR", text, retry_after=_seconds(after)
        )

    def _wake(self) -> None:
        self._work.set()

    async def _write(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """Send what waits, control first, until the socket is gone."""
        try:
            while True:
                while self._urgent or self._waiting:
                    frame = (self._urgent or self._waiting).popleft()
                    was_busy = self.busy
                    if frame[0] == COMPRESSED or self.codec.binary:
                        await socket.send_bytes(frame)
                    else:
                        await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
                    await self._drained()
                    self._bytes -= len(frame)
                    if was_busy and not self.busy:
                        self._context.drained()
                self._idle.set()
                self._work.clear()
                await self._work.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, the link ends, and `receive` says why
            self._broken = LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}")
            with contextlib.suppress(Exception):
                await socket.close()  # so that `receive` returns
        finally:
            self._idle.set()

    async def _drained(self) -> None:
        """Wait until the transport holds little: aiohttp waits only once much more is there."""
        transport, pause = self._transport, 0.0
        while (
            transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() > HIGH_WATER
        ):
            await asyncio.sleep(pause)
            pause = min(STEP, pause * 2 or 0.001)

    def _why(self, socket: aiohttp.ClientWebSocketResponse[bool], message: Any) -> LinkLost:
        """Say what ended a socket; the server's `close` item, if there was one, has said more."""
        if self._broken is not None:
            return self._broken
        if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            return LinkLost("message_too_big", f"a frame of more than {self._context.max_frame} bytes")
        error = socket.exception() if message.type is aiohttp.WSMsgType.ERROR else None
        if error is not None:
            return LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}")
        number = socket.close_code or 0
        name = next((code.name for code in CODES.values() if code.number == number and number), None)
        if name is None:
            return LinkLost("NETWORK_ERROR", f"closed with {number}" if number else "closed")
        return LinkLost.by_server({"code": name, "number": number})


def batches(items: Sequence[bytes], most: int, max_size: int) -> list[list[bytes]]:
    """Cut items into frames of at most `most` items and, where an item is not larger itself, `max_size` bytes.

    >>> batches([b"aa", b"bb", b"cc", b"dd"], 3, 6)
    [[b'aa', b'bb'], [b'cc', b'dd']]
    """
    made: list[list[bytes]] = []
    size = 0
    for item in items:
        # One byte between items, which is what JSON's line ends take.
        if made and len(made[-1]) < most and size + 1 + len(item) <= max_size:
            made[-1].append(item)
            size += 1 + len(item)
        else:
            made.append([item])
            size = len(item)
    return made


def _seconds(value: str | None) -> float | None:
    return advice(float(value)) if value is not None and value.isdecimal() else None
