"""An application that does to its clients what a test asks for. Run as a program; it says where it is.

lab:drop       close the connection of every session; the sessions live on
lab:broadcast  send the payload to every session of the server
lab:stopped    how many answers were given up
chat:message   an assistant: streams ANSWER word by word; the question is the pause between two, in seconds

`lab.py guarded`: whoever has not the token is refused.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_playground
import rtcore_polling
import rtcore_rooms
import rtcore_sse
import rtcore_websocket
from rtcore_http.service import Http

from rtcore import App, Message, Rejected, Session
from rtcore.hooks import hookimpl
from rtcore.serve import run
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake

ANSWER = " ".join(f"word-{n}" for n in range(60))
TOKEN = "open-sesame-5713"
SETTINGS = {
    "http": {"port": 0},
    "rate_limit_per_second": 1000,
    "message_buffer_size": 1000,
    "drain_time": 0.5,
    "sse": {"retry": 0.5},
    "rooms": {"options": {"news": {"history": 100}}},
}
PLUGINS = [
    rtcore_http, rtcore_json, rtcore_memory, rtcore_playground, rtcore_polling, rtcore_rooms, rtcore_sse,
    rtcore_websocket,
]  # fmt: skip


class Guard:
    """Takes the token and nothing else."""

    name = "guard"

    @hookimpl
    def rtcore_authenticators(self) -> list[Guard]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        if handshake.token != TOKEN:
            raise Rejected("unauthenticated", "that token is none of ours")
        return Identity("ada")


class Lab:
    """The handlers, and what they count."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stopped = 0
        for type_ in ("drop", "broadcast", "stopped"):
            app.handler(f"lab:{type_}")(getattr(self, type_))
        app.handler("chat:message")(self.answer)

    def drop(self) -> int:
        sessions = self._app.manager.sessions.values()
        connected = [session.connection for session in sessions if session.connection]
        for connection in connected:
            connection.close("slow_consumer")
        return len(connected)

    def broadcast(self, payload: dict[str, Any]) -> int:
        return self._app.manager.broadcast(Message("lab:news", payload))

    def stopped(self) -> int:
        return self._stopped

    async def answer(self, session: Session, payload: dict[str, Any]) -> dict[str, Any]:
        of = {"conversationId": payload["conversationId"]}
        try:
            session.post(Message("stream:start", of))
            for word in ANSWER.split():
                session.post(Message("stream:data", {**of, "content": f"{word} "}))
                await asyncio.sleep(float(payload["content"]))
        except asyncio.CancelledError:
            self._stopped += 1
            raise
        session.post(Message("tool:result", {**of, "toolName": "counter", "result": {"words": 60}}))
        session.post(Message("stream:end", of))
        session.post(Message("chat:response", {**of, "content": ANSWER}))
        return {"taken": True}


if __name__ == "__main__":
    app = App(SETTINGS, plugins=[*PLUGINS, Guard()] if sys.argv[1:] == ["guarded"] else None)
    Lab(app)
    run(app, ready=lambda: print(f"ready at {app.get(Http).urls[0]}", flush=True))
