"""A server whose code does not want to end: `stubborn.py SETTINGS`, as JSON. It says its port, and what has begun."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from rtcore_http.service import Http
from stack import make

from rtcore import hookimpl
from rtcore.serve import run

POOL = ThreadPoolExecutor(2)


def began() -> None:
    print("began", flush=True)


async def swallow() -> None:
    """Survive every cancellation, as a loop with a bare `except` does."""
    began()
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(3600)


class Lifespan:
    """Hangs in its end, if it is told to, and again when it is cancelled, if it is told that."""

    name = "hanging"

    def __init__(self) -> None:
        self.hangs = self.swallows = False

    @hookimpl
    def rtcore_lifespan(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self._life()

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        yield
        if self.hangs:
            try:
                await asyncio.sleep(3600)
            finally:
                if self.swallows:
                    await asyncio.sleep(3600)
        print("undone", flush=True)


def main() -> None:
    lifespan = Lifespan()
    app = make(lifespan, **json.loads(sys.argv[1]))
    strays = set()

    app.handler("swallows")(swallow)
    app.handler("swallows, detached", detached=True, concurrent=True)(swallow)

    @app.handler("a stray task")
    async def stray() -> None:
        strays.add(asyncio.create_task(swallow()))

    @app.handler("a thread of the loop")
    async def loops_thread() -> None:
        began()
        await asyncio.to_thread(time.sleep, 3600)

    @app.handler("a thread of a pool")
    def pools_thread() -> None:
        POOL.submit(time.sleep, 3600)
        began()

    @app.handler("an idle pool")
    def idle() -> None:
        POOL.submit(began)

    @app.handler("a thread of its own")
    def own_thread() -> None:
        threading.Thread(target=time.sleep, args=(3600,)).start()
        began()

    @app.handler("blocks")
    def blocks() -> None:
        began()
        time.sleep(3600)

    @app.handler("spins")
    def spins() -> None:
        began()
        while True:
            pass

    @app.handler("a lifespan that hangs")
    def hangs() -> None:
        lifespan.hangs = True
        began()

    @app.handler("a lifespan that swallows")
    def swallows() -> None:
        lifespan.hangs = lifespan.swallows = True
        began()

    run(app, ready=lambda: print(app.get(Http).port, flush=True))
    print("done", flush=True)


if __name__ == "__main__":
    main()
