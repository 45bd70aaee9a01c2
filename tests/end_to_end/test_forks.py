"""A child that a handler forks keeps neither the port nor the connections of clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from rtcore_client import RealtimeClient


def listens(port: int) -> bool:
    """Whether somebody else has the port."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
        except OSError:
            return True
        return False


@pytest.mark.parametrize("way", ["fork", "multiprocessing"])
@pytest.mark.parametrize("kind", ["aiofastnet", "asyncio"])
async def test_a_forked_child_keeps_no_port_and_no_connection(way: str, kind: str) -> None:
    settings = {"http": {"host": "127.0.0.1", "port": 0, "server": kind}, "tcp_ndjson": {"port": 0}}
    # Not asyncio's: its processes have not ended before their pipes have, which children keep.
    program = str(Path(__file__).parent / "forking.py")
    server = subprocess.Popen([sys.executable, program, json.dumps(settings)], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert server.stdout is not None
    children: list[int] = []
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        ports = [int(text) for text in (await asyncio.to_thread(server.stdout.readline)).split()]
        idle += [await asyncio.open_connection("127.0.0.1", port) for port in ports]
        async with RealtimeClient(f"http://127.0.0.1:{ports[0]}/rt", auto_reconnect=False) as client:
            client.on("error", lambda error: None)
            children += [await client.request(way)]
            children += [await client.request(way)]  # the parent goes on as before
            server.kill()
            server.wait()
            for reader, _ in idle:
                with suppress(ConnectionError):
                    await asyncio.wait_for(reader.read(), 10)
        assert not [port for port in ports if listens(port)]
        for child in children:
            os.kill(child, 0)  # it lives
    finally:
        for _, writer in idle:
            writer.close()
        server.kill()
        for child in children:
            os.kill(child, signal.SIGKILL)
        server.communicate()
