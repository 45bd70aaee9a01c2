"""The plugins that docs/plugins.md writes are written to files, and their tests are run."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rtcore import testing

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
BLOCK = re.compile(
    r'^```(?P<language>\w+) title="(?P<file>[\w.]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


def files() -> dict[str, str]:
    return {found["file"]: found["text"] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}


def test_every_block_of_code_on_the_page_is_one_of_the_files():
    python = re.findall(r"^```python(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(python) == 6
    assert all("title=" in head for head in python)


@pytest.mark.parametrize(
    ("test", "at_least"), [("test_pipe.py", 20), ("test_keys.py", 8), ("test_doors.py", 1)]
)
def test_the_plugins_on_the_page_pass_their_contracts(tmp_path, test, at_least):
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= at_least


def test_the_files_beside_the_code_are_what_they_say():
    project = tomllib.loads(files()["pyproject.toml"])
    assert project["project"]["entry-points"]["rtcore"] == {"pipe": "rtcore_pipe"}
    digests = tomllib.loads(files()["rtcore.toml"])["keys"]["digests"]
    [key] = re.findall(r'"(key_alice_\w+)"', files()["test_keys.py"])
    assert digests == {"alice": hashlib.sha256(key.encode()).hexdigest()}


def test_the_page_names_everything_that_is_in_the_box():
    text = PAGE.read_text(encoding="utf-8")
    # `Contract` is what suites are made of, `Duplex` what a client's end can do, `InMemoryEnd` one of them.
    unnamed = {name for name in testing.__all__ if name not in text} - {"Contract", "Duplex", "InMemoryEnd"}
    assert unnamed == set()
