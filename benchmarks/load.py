"""One measurement: a server on CPU 0, `rtload` on CPU 1, what it delivered and what it cost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TEXT = "hello everyone in this room, how are you today?"


class CannotRun(Exception):
    """A target cannot be measured here; the text says why."""


def rtload() -> str:
    """Return the load generator, compiled if nobody has compiled this very source."""
    source = HERE / "rtload.c"
    name = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    binary = Path(tempfile.gettempdir()) / f"rtload-{os.getuid()}-{name}"
    if not binary.exists():
        made = binary.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-o", str(made), str(source)], check=True)
        made.replace(binary)
    return str(binary)


def free_port() -> int:
    """Return a TCP port that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process and its children, in KiB."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    total = 0
    for one in [pid, *map(int, children.split())]:
        status = Path(f"/proc/{one}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
        total += int(found[1]) if found else 0
    return total


def resident(pid: int) -> int:
    """Return the resident memory of one process, in bytes; cheap enough to be asked all the time."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pinned(cpu: int, command: Sequence[str]) -> list[str]:
    """Put a command on one CPU, where the machine has more than one."""
    return ["taskset", "-c", str(cpu), *command] if (os.cpu_count() or 1) > 1 else list(command)


@contextmanager
def server(target: Mapping[str, Any], *more: str) -> Iterator[tuple[int, int]]:
    """Run a target's server; yield its port and process id.

    Raises:
        CannotRun: it ends, or does not open its port within 20 seconds.
    """
    port = free_port()
    text = target["command"].replace("{port}", str(port)).replace("{python}", sys.executable)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*pinned(0, shlex.split(text)), *more], stdout=log, stderr=log, cwd=HERE, start_new_session=True
        )
        try:
            _wait_for(port, process, log)
            yield port, process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Any) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
            raise CannotRun(f"its server ended: {last[0]}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(0.3)  # the first accept warms the server up; measurements begin after it
                return
        time.sleep(0.05)
    raise CannotRun("its server did not open its port")


def command(port: int, target: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """Return the call of `rtload` that connects as a target wants it."""
    call = [rtload(), "--port", str(port), "--path", target["path"], *arguments]
    for option, keys in (("init", ("hello", "init")), ("header", ("header",))):
        for value in (value for key in keys for value in target.get(key, [])):
            call += [f"--{option}", value]
    if target.get("reply"):
        call += ["--reply", target["reply"]]
    if target.get("binary"):
        call += ["--binary", "--hex"]
    if target.get("welcomes"):
        call.append("--welcomed")
    return call


def drive(port: int, pid: int, target: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """Run `rtload` with a target's connection and the case's arguments; return what it printed, and the memory."""
    base = peak = rss_kib(pid)
    with loading(command(port, target, arguments)) as load:
        while load.running:
            peak = max(peak, rss_kib(pid))
            time.sleep(0.1)
        result = load.result()
    opened = max(result.get("open", 0), 1)
    return {**result, "kib_per_conn": (peak - base) / opened}


class Load:
    """An `rtload` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def opened(self) -> None:
        """Wait until all its connections are open; it was given `--announce`."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "open\n":
            raise CannotRun("the load generator could not connect")

    def turn(self) -> dict[str, Any]:
        """End a round and begin another; return what the one that ended measured."""
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        figures: dict[str, Any] = json.loads(self._process.stdout.readline())
        return figures

    def result(self) -> dict[str, Any]:
        """Wait for its end; return what it measured."""
        printed = self._process.communicate()[0].strip().splitlines()
        result: dict[str, Any] = json.loads(printed[-1]) if printed else {}
        return result


@contextmanager
def loading(call: Sequence[str], *, eager: bool = False) -> Iterator[Load]:
    """Run an `rtload` beside something else. An eager one is served first by the CPU that they share."""
    first = ["nice", "-n", "-5" if os.getuid() == 0 else "0"] if eager else []
    process = subprocess.Popen(pinned(1, [*first, *call]), stdout=subprocess.PIPE, text=True)
    try:
        yield Load(process)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
