"""Every example runs, without a warning, and prints what its first lines say."""

from __future__ import annotations

import asyncio
import re
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from rtcore_client import RealtimeClient, RequestError
from rtcore_http.service import Http

import rtcore
from rtcore import App

HERE = Path(__file__).parent
ROOT = HERE.parent
TEN = HERE / "ten_lines.py"
README = (ROOT / "README.md").read_text(encoding="utf-8")
README_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = sorted(
    path for path in HERE.glob("*.py") if path != TEN and not path.name.startswith(("test_", "conftest"))
)


def promised(source: str) -> str:
    """What an example says that it prints: the indented end of its docstring."""
    match = re.search(r"\nPrints:\n\n((?:    .*\n|\n)+)\"\"\"", source)
    assert match, "no `Prints:` in the docstring"
    return textwrap.dedent(match[1])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_promises(path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == promised(path.read_text(encoding="utf-8")), done.stderr
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_examples_are_those_that_are_asked_for():
    assert {path.stem for path in EXAMPLES} >= {
        "basic_communication", "fallback", "quality_monitoring", "prioritisation", "rooms", "error_handling",
    }  # fmt: skip


# -- the ten lines of the README -----------------------------------------------------------------------------


def test_the_readme_shows_the_ten_lines_as_they_are():
    source = TEN.read_text(encoding="utf-8")
    assert f"```python\n{source}```" in README
    assert len([line for line in source.splitlines() if line]) == 10


@pytest.fixture
def ten_lines(monkeypatch):
    """The application of the ten lines, on any free port."""
    made: list[App] = []

    class OnAnyPort(App):
        def __init__(self) -> None:
            super().__init__({"http": {"port": 0}})

        def run(self) -> None:
            made.append(self)

    monkeypatch.setattr(rtcore, "App", OnAnyPort, raising=False)
    runpy.run_path(str(TEN))
    return made[0]


async def test_the_ten_lines_are_an_application(ten_lines):
    async with ten_lines as app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url) as ada, RealtimeClient(url) as grace, grace.messages("best") as best:
            await ada.request("bid", 20)
            heard = await anext(best)
            assert heard.payload == {"amount": 20, "by": ada.get_connection_info().session_id}
            with pytest.raises(RequestError, match="the best bid is 20") as refused:
                await grace.request("bid", 15)
            assert refused.value.code == "app:too_low"
            with pytest.raises(RequestError) as wrong:
                await grace.request("bid", "a lot")
            assert wrong.value.code == "bad_payload"


async def test_the_readme_s_client_bids(ten_lines):
    [client] = [block for block in README_PYTHON.findall(README) if "RealtimeClient" in block]
    async with ten_lines as app:
        program = client.replace("http://localhost:8080", app.get(Http).urls[0])
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", program, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(running.communicate(), 30)
    assert said.startswith(b"{'amount': 20, 'by': '")
    assert running.returncode == 0


def test_the_readme_s_links_lead_somewhere():
    asked = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    missing = [link for link in asked if not link.startswith("https://") and not (ROOT / link).exists()]
    assert not missing
