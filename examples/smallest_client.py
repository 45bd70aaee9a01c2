"""The smallest client that loses nothing, written from `docs/wire.md` alone: no rtcore, only a WebSocket and JSON.

It sends ten numbers to a server, loses its connection in the middle, comes back to its session, and has every answer
once. What a real client adds: other transports, time-outs, bounded queues, rooms with cursors, large messages in parts.

Prints:

    hello: a new session
    the connection is gone
    hello: the session goes on
    [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

RESUME, AFRESH, STOP = 40, 41, 42  # a close's number / 100: attach again, begin a new session, stay away


class SmallestClient:
    """One session. `sent` and `received` are the only state that a resume needs, and `window` what it sends again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.nonce = secrets.token_urlsafe(16)
        self.attach = 0
        self.session: str | None = None
        self.secret: str | None = None
        self.received = 0  # messages of the server, counted as they arrive
        self.skip = 0  # messages that come a second time
        self.sent = 0  # messages of ours, counted as they are written
        self.window: deque[dict[str, Any]] = deque()  # the last of them, which the server has not confirmed
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def send(self, message: dict[str, Any]) -> None:
        """Count a message out. It leaves now, or with the next welcome."""
        self.window.append(message)
        self.sent += 1
        if self.socket is not None and not self.socket.closed:
            await self._write(message)

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield every message of the server once, in order, across any number of connections."""
        async with aiohttp.ClientSession() as http:
            while True:
                next_ = RESUME
                try:
                    async with http.ws_connect(self.url) as socket:
                        await self._hello(socket)
                        async for frame in socket:
                            for line in frame.data.splitlines():
                                item = json.loads(line)
                                if isinstance(item, list):
                                    next_ = await self._control(socket, *item)
                                elif self.skip:
                                    self.skip -= 1
                                else:
                                    self.received += 1
                                    yield item
                            await self._write(["ack", {"n": self.received}])
                except (aiohttp.ClientError, OSError):
                    pass
                self.socket = None
                if next_ == STOP:
                    return
                if next_ == AFRESH:
                    self.session = self.secret = None
                await asyncio.sleep(self.pause())

    def pause(self) -> float:
        """Return the seconds before the next attempt. A real client doubles the limit from one failure to the next."""
        return secrets.randbelow(500) / 1000

    async def _hello(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.attach += 1
        hello: dict[str, Any] = {"v": 1, "attach": self.attach, "nonce": self.nonce}
        if self.session is not None:
            hello |= {
                "session": self.session,
                "secret": self.secret,
                "received": self.received,
                "sent": self.sent,
            }
        await socket.send_str(json.dumps(["hello", hello]))

    async def _control(
        self, socket: aiohttp.ClientWebSocketResponse, name: str, fields: dict[str, Any]
    ) -> int:
        """Do what a control item says; return what to do when the connection ends."""
        if name == "welcome":
            await self._welcome(socket, fields)
        elif name == "ping":
            await self._write(["pong", fields])
        elif name == "ack":
            self._confirm(fields["n"])
        elif name == "close":
            return int(fields["number"]) // 100
        return RESUME

    async def _welcome(self, socket: aiohttp.ClientWebSocketResponse, fields: dict[str, Any]) -> None:
        print("hello:", "the session goes on" if fields["resumed"] else "a new session")
        if fields["session"] != self.session or fields.get("reason") in {"reset", "unknown"}:
            # Both counts begin again. What was sent and not confirmed may or may not have arrived in the old session.
            self.received = self.sent = 0
            unknown, self.window = self.window, deque()
            self.nonce = secrets.token_urlsafe(16)
        else:
            unknown = deque()
        self.session, self.secret = fields["session"], fields["secret"]
        self.skip = max(0, self.received - fields["from"])
        if self.received < fields["from"]:
            print(fields["from"] - self.received, "messages are lost")
            self.received = fields["from"]
        self._confirm(fields["received"])
        self.socket = socket
        for message in (
            *self.window,
            *unknown,
        ):  # `unknown` again: only because asking for a square twice does no harm
            await self._write(message)
        self.window.extend(unknown)
        self.sent += len(unknown)

    def _confirm(self, n: int) -> None:
        while self.sent - len(self.window) < n:
            self.window.popleft()

    async def _write(self, item: object) -> None:
        try:
            if self.socket is not None:
                await self.socket.send_str(json.dumps(item))
        except (ConnectionError, aiohttp.ClientError):
            pass  # the connection is gone; the next welcome says what to send again


async def main() -> None:
    """Run a server and a client of it, and cut the connection between them."""
    from rtcore_http.service import Http

    from rtcore import App

    app = App({"http": {"port": 0}})

    @app.handler("square")
    def square(payload: int) -> int:
        return payload * payload

    async with app:
        client = SmallestClient(app.get(Http).urls[0].replace("http", "ws", 1) + "/rt/ws")
        answers: list[int] = []
        for n in range(5):
            await client.send({"type": "square", "id": str(n), "payload": n})
        async for message in client.messages():
            if message["type"] == "reply":
                answers.append(message["payload"])
            if len(answers) == 10:
                break
            if len(answers) == 5 and client.sent == 5:
                print("the connection is gone")
                [session] = app.manager.sessions.values()
                session.connection.give_up("internal")
                for n in range(5, 10):
                    await client.send({"type": "square", "id": str(n), "payload": n})
    print(answers)


if __name__ == "__main__":
    asyncio.run(main())
