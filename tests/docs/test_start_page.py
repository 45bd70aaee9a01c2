"""The tutorial, done from top to bottom: its files are written, its commands are run, its outputs are compared.

What runs a server stays until the next one is started. The port is any free one instead of 8080.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r'^```(?P<kind>\w+)(?: title="(?P<file>[\w.]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
SERVERS = re.compile(r"rtcore serve|python quiz\.py")


def words(command: str) -> list[str]:
    return shlex.split(command.removeprefix(".venv/bin/"))


class Student:
    """Does what the page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RTCORE_HTTP__PORT": self.port,
            "PYTHONWARNINGS": "error",
        }
        self.server: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.replace("8080", self.port), encoding="utf-8")

    def run(self, command: str) -> str:
        done = subprocess.run(
            words(command),
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def serve(self, command: str) -> None:
        self.stop()
        self.server = subprocess.Popen(
            words(command),
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                assert self.server.poll() is None, f"{command} ended"
                assert time.monotonic() < until, f"{command} does not get ready"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            assert self.server.wait(20) == 0
            self.server = None


@pytest.fixture
def student(tmp_path: Path) -> Iterator[Student]:
    someone = Student(tmp_path)
    yield someone
    if someone.server is not None and someone.server.poll() is None:
        someone.server.kill()
        someone.server.wait()


def plain(output: str) -> str:
    """An output without what changes with every plugin that is added."""
    return re.sub(r"\d+ plugins", "N plugins", output)


def test_everything_on_the_page_works_as_it_says(student):
    page = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    done = 0
    for block in BLOCK.finditer(page):
        if block["file"]:
            student.write(block["file"], block["text"])
        elif block["kind"] == "console":
            for command, output in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block["text"], re.MULTILINE):
                if command.startswith("make"):
                    continue  # that is how this test came to run
                if SERVERS.search(command):
                    student.serve(command)
                else:
                    said = student.run(command)
                    assert not output or plain(said) == plain(output), command
                    assert "Traceback" not in said
                done += 1
    student.stop()
    assert done >= 10
    assert not re.findall(r"^```python\n", page, re.MULTILINE), "a program without a name is not run"


def test_make_targets_that_the_page_and_the_readme_name_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in ("README.md", "docs/start.md", "docs/index.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        asked = " ".join(re.findall(r"(?:^\$ |`)make ((?:[a-z-]+ ?)+)", text, re.MULTILINE))
        assert set(asked.split()) <= targets | {"make"}, name
