"""docs/codes.md and the vectors have the table of the code, and the code uses no code that is not in it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from rtcore.wire.codes import CODES, RESUME_REASONS

ROOT = Path(__file__).parents[2]
#: Calls whose first text is a code.
SPEAKERS = {"Rejected", "Closed", "close_session", "AttachRefusedError"}


@pytest.fixture
def codes_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import codes_page

    yield codes_page
    del sys.modules["codes_page"]


def test_the_tables_of_the_page_are_those_of_the_code(codes_page):
    text = codes_page.PAGE.read_text(encoding="utf-8")
    assert text == codes_page.page(text), "run tools/codes_page.py"
    assert {found["name"] for found in codes_page.BLOCK.finditer(text)} == set(codes_page.tables())


def test_the_vectors_have_every_code(codes_page):
    assert codes_page.VECTORS.read_text(encoding="utf-8") == codes_page.vectors(), "run tools/codes_page.py"


def spoken():
    """Every code that a source file of the tree names where it refuses something."""
    for folder in ("rtcore", "plugins", "contrib", "clients/python"):
        for file in (ROOT / folder).rglob("*.py"):
            if "tests" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and getattr(node.func, "attr", getattr(node.func, "id", "")) in SPEAKERS
                ):
                    texts = [
                        arg.value
                        for arg in node.args
                        if isinstance(arg, ast.Constant) and type(arg.value) is str
                    ]
                    if texts:
                        yield texts[0], f"{file.relative_to(ROOT)}:{node.lineno}"


def test_no_code_is_spoken_that_is_not_in_the_table():
    said = dict(spoken())
    assert len(said) > 20
    assert {
        code: where for code, where in said.items() if code not in CODES and not code.startswith("app:")
    } == {}


def test_every_reason_for_not_resuming_is_explained():
    assert all(meaning for meaning in RESUME_REASONS.values())
