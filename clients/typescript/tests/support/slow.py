"""A link of so many bytes a second each way, with small buffers: `slow.py PORT RATE`. Says where it is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

#: Bytes: what a kernel may take ahead. With its own choice it would take megabytes, and no link would be slow.
BUFFER = 8 * 1024
PIECE = 2 * 1024


class Way:
    """One direction of everything that the link carries: its connections share the rate."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = 0.0

    async def pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, PIECE):
            await loop.sock_sendall(sink, data)
            self._due = max(self._due, loop.time()) + len(data) / self.rate
            await asyncio.sleep(self._due - loop.time())


def small() -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.setblocking(False)
    return made


async def main(port: int, rate: float) -> None:
    loop = asyncio.get_running_loop()
    up, down = Way(rate), Way(rate)
    tasks: set[asyncio.Task[None]] = set()
    door = small()
    door.bind(("127.0.0.1", 0))
    door.listen()
    sys.stdout.write(f"ready at http://127.0.0.1:{door.getsockname()[1]}\n")
    sys.stdout.flush()

    async def carry(near: socket.socket) -> None:
        far = small()
        near.setblocking(False)
        with contextlib.suppress(OSError):
            await loop.sock_connect(far, ("127.0.0.1", port))
            ways = [asyncio.ensure_future(up.pump(near, far)), asyncio.ensure_future(down.pump(far, near))]
            # With the end of one way both end, as with a peer that is gone.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        far.close()
        near.close()

    while True:
        near, _ = await loop.sock_accept(door)
        task = asyncio.ensure_future(carry(near))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
