"""docs/settings.md says what the classes say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from rtcore.settings import Options
from rtcore.settings.words import help_text

ROOT = Path(__file__).parents[3]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "tools/settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return tool()


@pytest.fixture(scope="module")
def known(maker: ModuleType) -> dict[str, type[Any]]:
    """The kernel's class, and those of the tree's own plugins that are installed here."""
    found: dict[str, type[Any]] = maker.ours(maker.classes())
    return found


def test_the_tables_are_as_the_classes_say(maker: ModuleType, known: dict[str, type[Any]]) -> None:
    text = maker.PAGE.read_text(encoding="utf-8")
    assert maker.page(text, known) == text, "python tools/settings_page.py writes the tables anew"


def test_every_class_has_its_table(maker: ModuleType, known: dict[str, type[Any]]) -> None:
    tables = {found["name"] for found in maker.BLOCK.finditer(maker.PAGE.read_text(encoding="utf-8"))}
    assert known.keys() <= tables, "python tools/settings_page.py adds it"


def test_every_key_is_explained(known: dict[str, type[Any]]) -> None:
    silent = [
        f"{name}.{f.name}"
        for name, cls in known.items()
        for f in attrs.fields(cls)
        if not help_text(cls, f.name)
    ]
    assert silent == []


def test_the_missions_options_have_its_names_and_defaults() -> None:
    options = Options()
    assert {
        "max_connections": 1000,
        "heartbeat_interval": 30.0,
        "ping_timeout": 5.0,
        "max_reconnect_attempts": 5,
        "reconnect_delay": 1.0,
        "message_buffer_size": 100,
        "max_message_size": 1_048_576,
        "rate_limit_per_second": 10,
        "enable_compression": True,
        "enable_batching": False,
        "batch_interval": 0.1,
        "batch_size": 10,
    }.items() <= attrs.asdict(options).items()


def test_every_option_has_a_type_that_is_explained(maker: ModuleType) -> None:
    # Rows of nested tables have a dotted name and stand below their key.
    lines = [line for line in maker.rows(Options) if "." not in line.split("|")[1]]
    assert len(lines) == len(attrs.fields(Options))
    form = re.compile(r"\| `\w+` \| (`[^`]+`( \w+)?)? \| \S.* \| [A-Z].*\. \|\n")
    assert [line for line in lines if not form.fullmatch(line)] == []


@attrs.frozen
class Inner:
    """Nested.

    Attributes:
        x, y: where it is,
            in metres.
        z: how high.

    Raises:
        Nothing: ever.
    """

    x: int = 10_000
    y: int | None = None
    z: str = attrs.field(default="a|b", repr=False, metadata={"secret": True, "help": "Not the docstring."})


@attrs.frozen
class Outer:
    """No attributes are explained."""

    inner: Inner = Inner()
    options: dict[str, Inner] = attrs.field(factory=dict)
    time: float = attrs.field(default=1.0, metadata={"unit": "s"})


def test_nested_classes_follow_their_key(maker: ModuleType) -> None:
    assert [line.rstrip() for line in maker.rows(Outer)] == [
        "| `inner.x` | `10_000` | a whole number | Where it is, in metres. |",
        "| `inner.y` |  | a whole number | Where it is, in metres. |",
        '| `inner.z` | `"a\\|b"` | text; a secret: also `{file = "path"}` or `{env = "NAME"}` | Not the docstring. |',
        "| `options` | `{}` | a table of tables |  |",
        "| `options.‹name›.x` | `10_000` | a whole number | Where it is, in metres. |",
        "| `options.‹name›.y` |  | a whole number | Where it is, in metres. |",
        (
            '| `options.‹name›.z` | `"a\\|b"` | text; a secret: also `{file = "path"}` or `{env = "NAME"}` '
            "| Not the docstring. |"
        ),
        "| `time` | `1.0` s | a number |  |",
    ]


def test_a_class_without_a_table_gets_one_in_its_place(maker: ModuleType) -> None:
    table = "### {0}\n\n<!-- settings: {0} -->\n<!-- end -->\n\n"
    page = table.format("b") + table.format("d") + maker.LAST
    made = maker.completed(page, dict.fromkeys("abcde", Inner))
    assert made == "".join(map(table.format, "abcde")) + maker.LAST


def test_a_table_of_an_unknown_plugin_stays(maker: ModuleType) -> None:
    text = "before\n<!-- settings: foo -->\nby hand\n<!-- end -->\nafter"
    assert maker.page(text, {}) == text
    assert "by hand" not in maker.page(text, {"foo": Inner})
