"""The server of a day: rooms with history, and requests whose every run is written down. `server.py NODE PORT LOG`.

LOG gets a line for each run of a handler, before its answer: what a client is told can be compared with what was done.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import attrs
import rtcore_cbor
import rtcore_deflate
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_polling
import rtcore_rooms
import rtcore_sse
import rtcore_websocket

from rtcore import App

PLUGINS = [
    rtcore_http, rtcore_websocket, rtcore_sse, rtcore_polling, rtcore_json, rtcore_cbor, rtcore_deflate,
    rtcore_memory, rtcore_rooms,
]  # fmt: skip


@attrs.frozen
class Asked:
    """A request: whose, and its number."""

    by: str
    n: int


def make(node: str, port: int, log: str) -> App:
    """Make the application."""
    settings: dict[str, Any] = {
        "node": node,
        "drain_time": 8.0,
        "session_ttl": 60.0,
        "http": {"host": "127.0.0.1", "port": port},
        "rooms": {"options": {"life:*": {"history": 100_000, "history_for": 3600.0}}},
    }
    app = App(settings, plugins=PLUGINS)
    runs = Path(log).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the process lives

    @app.handler("square")
    def square(asked: Asked) -> int:
        runs.write(f"{asked.by} {asked.n}\n")
        return asked.n * asked.n

    @app.handler("think")
    async def think(asked: Asked) -> int:
        runs.write(f"{asked.by} {asked.n}\n")
        await asyncio.sleep(0.05)
        return asked.n * asked.n

    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    make(sys.argv[1], int(sys.argv[2]), sys.argv[3]).run()
