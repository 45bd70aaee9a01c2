"""`rtcore serve`, as a process of its own: real signals, real sockets, a plugin that opens a port."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rtcore import __version__
from rtcore.cli import main
from rtcore.cli.serve import addresses, unopened

LISTENER = """
import asyncio
import contextlib
from rtcore.hooks import Lifespan, Phase

@attrs.frozen
class S:
    port: int = 0
    dawdle: float = 0.0

@hookimpl
def rtcore_settings():
    return S

class Port:
    urls = ()

port = Port()

@hookimpl
def rtcore_services(app):
    return {Port: port}

@hookimpl
def rtcore_lifespan(app):
    return Lifespan(listening(app), phase=Phase.TRANSPORTS)

@contextlib.asynccontextmanager
async def listening(app):
    settings = app.settings(S)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", settings.port)
    port.urls = ["tcp://127.0.0.1:%d" % server.sockets[0].getsockname()[1]]
    try:
        yield
    finally:
        server.close()
        print("closing", flush=True)
        await asyncio.sleep(settings.dawdle)
        print("closed", flush=True)
"""


class Served:
    """A running `rtcore serve`."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtcore", "serve", *arguments],
            cwd=folder.parent,
            env={**os.environ, "PYTHONPATH": str(folder), "RTCORE_PLUGINS": "listener", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name="reader")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())

    def line(self) -> str:
        return self._lines.get(timeout=30)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was said on stderr."""
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        code = self.process.wait(30)
        self._reader.join()
        return code, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def listener(shelf, folder: Path) -> Path:
    shelf.add("listener", LISTENER)
    return folder


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, **env: str) -> Iterator[Served]:
    served = Served(folder, *arguments, **env)
    try:
        yield served
    finally:
        served.close()


def test_one_line_says_where_with_what_and_how_fast(listener: Path) -> None:
    began = time.monotonic()
    with serving(listener) as served:
        line = served.line()
        took = (time.monotonic() - began) * 1000
        form = re.escape(f"rtcore {__version__} is ready at tcp://127.0.0.1:")
        found = re.fullmatch(form + r"(\d+): 1 plugin, (\d+) ms", line)
        assert found, line
        assert 0 < int(found[2]) <= took + 50
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=10) as client:
            assert client.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gently(listener: Path, number: signal.Signals) -> None:
    with serving(listener) as served:
        served.line()
        served.send(number)
        assert [served.line(), served.line()] == ["closing", "closed"]
        code, said = served.ended()
        assert code == 0
        assert "Traceback" not in said


def test_a_second_signal_ends_it_at_once(listener: Path) -> None:
    with serving(listener, "--set", "listener.dawdle=60") as served:
        served.line()
        served.send(signal.SIGTERM)
        assert served.line() == "closing"
        served.send(signal.SIGTERM)
        began = time.monotonic()
        served.process.wait(30)
        assert time.monotonic() - began < 20
        _, said = served.ended()
        assert "Traceback" not in said


def test_a_port_that_is_in_use_is_named(listener: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(listener, "--set", f"listener.port={port}") as served:
            code, said = served.ended()
    assert code == 2
    assert (
        f"rtcore: port {port} on 127.0.0.1 is in use; stop what listens there, or choose another one" in said
    )
    assert "Traceback" not in said


def test_the_file_in_this_directory_is_used(listener: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (listener.parent / "rtcore.toml").write_text(f"[listener]\nport = {port}\n")
    with serving(listener) as served:
        assert f"at tcp://127.0.0.1:{port}: " in served.line()


def test_log_lines_go_to_stderr_from_the_level_asked_for(listener: Path) -> None:
    for level, informed in (("info", True), ("error", False)):
        with serving(listener, "--log-level", level, RTCORE_DISABLED="not_here") as served:
            served.line()
            served.send(signal.SIGTERM)
            _, said = served.ended()
        assert ("rtcore.app: started" in said) is informed
        assert ("disabled names `not_here`, which is not installed" in said) is informed


def test_the_kernel_alone_serves_too(folder: Path) -> None:
    with serving(folder, RTCORE_PLUGINS="[]") as served:
        assert f"rtcore {__version__} is ready with no port of its own: 0 plugins, " in served.line()


# -- --host and --port ------------------------------------------------------------------------------------------

HTTP = """
@attrs.frozen
class S:
    host: str = "localhost"
    port: int = 8080

@hookimpl
def rtcore_settings():
    return S
"""


def test_host_and_port_are_the_http_plugins(shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shelf.add("http", HTTP)
    monkeypatch.chdir(tmp_path)
    seen = {}

    def run(app, *, ready, reload) -> None:
        seen.update({row.key: (row.value, row.origin) for row in app.resolved.rows()})

    monkeypatch.setattr("rtcore.serve.run", run)
    arguments = ["serve", "--set", "http.port=1", "--host", "::1", "--port", "9000", "--log-level", "error"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert seen["http.host"] == ('"::1"', "command line")
    assert seen["http.port"] == ("9000", "command line")
    assert seen["log_level"] == ('"error"', "command line")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("", "is not installed: pip install rtcore-http"),
        ("disabled = ['http']", "is disabled in the settings"),
        ("plugins = ['listener']", "is not among `plugins` in the settings"),
    ],
)
@pytest.mark.parametrize("option", [["--port", "9000"], ["--host", "::"]])
def test_host_and_port_without_the_http_plugin_are_refused(
    shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: str, why: str, option: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rtcore.toml").write_text(settings)
    result = CliRunner().invoke(main, ["serve", *option])
    assert result.exit_code == 2
    assert result.output == f"rtcore: --host and --port belong to the plugin `http`, which {why}\n"


def test_a_port_that_cannot_be_is_refused() -> None:
    result = CliRunner().invoke(main, ["serve", "--port", "70000"])
    assert result.exit_code == 2
    assert "70000 is not in the range" in result.output


# -- what could not be opened --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EADDRINUSE, "error while attempting to bind on address ('::1', 80, 0, 0): in use"),
            "port 80 on ::1 is in use; stop what listens there, or choose another one",
        ),
        (OSError(errno.EADDRINUSE, "Address already in use"), "a port is in use; stop what listens there"),
        (
            OSError(errno.EACCES, "error while attempting to bind on address ('0.0.0.0', 80): denied"),
            "port 80 on 0.0.0.0 may not be opened by this user; ports from 1024 on may",
        ),
        (
            OSError(errno.EADDRNOTAVAIL, "error while attempting to bind on address ('9.9.9.9', 80): no"),
            "port 80 on 9.9.9.9 cannot be opened: this machine does not have that address",
        ),
        (ExceptionGroup("x", [ValueError(), OSError(errno.EADDRINUSE, "in use")]), "a port is in use"),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(error: Exception, said: str) -> None:
    assert (unopened(error) or "").startswith(said)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "broken"), ValueError(), ExceptionGroup("x", [ValueError()])]
)
def test_any_other_error_is_not_explained_away(error: Exception) -> None:
    assert unopened(error) is None


def test_an_address_is_listed_once() -> None:
    class Here:
        def __init__(self, urls: object) -> None:
            self.urls = urls

    assert addresses([Here(["a", "b"]), object(), Here(("b",)), Here(None)]) == ["a", "b"]
