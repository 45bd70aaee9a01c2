"""SIGHUP to a real `rtcore serve`: it reads its file again, keeps its clients, and never dies of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from rtcore_client import RealtimeClient

READY = re.compile(r"ready at (http://[\d.]+:\d+)")
SETTINGS = """
plugins = ["http", "websocket", "json", "echo", "ratelimit"]
log_level = "info"
drain_time = 0.2
rate_limit_per_second = {rate}
[http]
port = 0
origins = {origins}
"""


class Server:
    """One process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self.output = output
        self.url = ""

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    async def says(self, text: str, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.said.count(text) < times:
                assert self.process.returncode is None, self.said
                await asyncio.sleep(0.02)

    async def ends(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 20)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@asynccontextmanager
async def running(output: Path, *command: str, **options: Any) -> AsyncIterator[Server]:
    """Run a program; end it, if it does not end itself."""
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=out, stderr=out, **options
        )
    try:
        yield Server(process, output)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[Server]:
    """Run `rtcore serve`; it is ready."""
    command = ["-m", "rtcore", "serve", "--config", str(folder / "rtcore.toml")]
    async with running(folder / "output.txt", *command, **options) as server:
        await server.says("ready at")
        found = READY.search(server.said)
        assert found is not None
        server.url = found[1]
        yield server


def write(folder: Path, *, rate: float = 100, origins: str = "[]") -> None:
    (folder / "rtcore.toml").write_text(SETTINGS.format(rate=rate, origins=origins), encoding="utf-8")


async def lets_in(server: Server, origin: str) -> bool:
    async with (
        aiohttp.ClientSession() as http,
        http.post(server.url + "/rt/send", data=b"{}", headers={"Origin": origin}) as response,
    ):
        return response.status != 403


async def test_it_reads_its_file_again_and_its_clients_notice_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    async with serving(tmp_path) as server, RealtimeClient(server.url + "/rt") as client:
        losses: list[object] = []
        client.on("disconnect", losses.append)
        write(tmp_path, rate=7, origins='["https://new.example"]')
        server.hang_up()
        await server.says("read again: rate_limit_per_second, http.origins")
        assert await lets_in(server, "https://new.example")
        assert await client.request("echo", 1) == 1
        assert not losses
        async with RealtimeClient(server.url + "/rt") as another:
            welcome = another._session.welcome
            assert welcome is not None
            assert welcome.limits["rate_per_second"] == 7

        # What is bad is named, and nothing changes; what is no TOML at all as well.
        (tmp_path / "rtcore.toml").write_text(
            SETTINGS.format(rate=9, origins='["nonsense"]') + "prot = 1\n", encoding="utf-8"
        )
        server.hang_up()
        await server.says("not read again, the old settings stay in force: http.prot")
        await server.says("not read again, the old settings stay in force: http.origins")
        (tmp_path / "rtcore.toml").write_text("what is = [", encoding="utf-8")
        server.hang_up()
        await server.says("not read again", 3)
        (tmp_path / "rtcore.toml").unlink()
        server.hang_up()
        await server.says("not read again", 4)
        assert await lets_in(server, "https://new.example")

        write(tmp_path, rate=7)
        server.hang_up()
        await server.says("read again: http.origins\n")
        assert not await lets_in(server, "https://new.example")
        assert await client.request("echo", 2) == 2
        assert not losses
        server.process.terminate()
        assert await server.ends() == 0


async def test_a_signal_that_comes_while_it_starts_is_answered_when_it_has(tmp_path: Path) -> None:
    write(tmp_path)
    # The app boots before anybody listens to signals: a file of ours tells when it does.
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, sys\n"
        "from rtcore.app import App\n"
        "from rtcore.serve import run\n"
        "from rtcore.settings import load\n"
        "import logging\n"
        "logging.basicConfig(level='INFO')\n"
        "app = App(load(sys.argv[1]))\n"
        "start = app.start\n"
        "async def slow():\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    await start()\n"
        "app.start = slow\n"
        "run(app, ready=lambda: print('ready', flush=True))\n",
        encoding="utf-8",
    )
    command = [str(program), str(tmp_path / "rtcore.toml")]
    async with running(tmp_path / "output.txt", *command) as server:
        await server.says("read again: no setting has changed")
        server.process.terminate()
        assert await server.ends() == 0


async def test_one_whose_terminal_is_gone_drains_and_ends(tmp_path: Path) -> None:
    write(tmp_path)
    ours, theirs = os.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    try:
        async with serving(tmp_path, preexec_fn=take_terminal, stdin=theirs, pass_fds=[theirs]) as server:
            os.close(theirs)
            server.hang_up()
            await server.says("read again: no setting has changed")
            os.close(ours)
            assert await server.ends() == 0
            assert "stopped" in server.said
    finally:
        for fd in (ours, theirs):
            with suppress(OSError):
                os.close(fd)


async def test_one_that_is_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    write(tmp_path)

    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async with serving(tmp_path, preexec_fn=nohup) as server:
        server.hang_up()
        async with aiohttp.ClientSession() as http, http.get(server.url + "/healthz") as response:
            assert response.status == 200
        assert "read again" not in server.said
        server.process.terminate()
        assert await server.ends() == 0
