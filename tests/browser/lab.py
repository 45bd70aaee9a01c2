"""An application that does to its clients what a test asks for. Run as a program; it says where it is.

lab:drop       close the connection of every session in the sender's rooms; the sessions live on
lab:broadcast  send the payload to every session of the server
"""

from __future__ import annotations

from typing import Any

from rtcore_http.service import Http

from rtcore import App, Message
from rtcore.serve import run

app = App({"http": {"port": 0}, "rate_limit_per_second": 1000, "drain_time": 0.5})


@app.handler("lab:drop")
def drop() -> int:
    connected = [session.connection for session in app.manager.sessions.values() if session.connection]
    for connection in connected:
        connection.close("slow_consumer")
    return len(connected)


@app.handler("lab:broadcast")
def broadcast(message: Message, payload: dict[str, Any]) -> int:
    return app.manager.broadcast(Message("lab:news", payload))


if __name__ == "__main__":
    run(app, ready=lambda: print(f"ready at {app.get(Http).urls[0]}", flush=True))
