"""docs/slow-clients.md: its settings are valid together, its programs load, and what it names is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
import rtcore_json
import rtcore_memory
import rtcore_ratelimit
import rtcore_rooms

from rtcore import App
from rtcore.settings import Options
from rtcore.wire.policy import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "slow-clients.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PLUGINS = (rtcore_json, rtcore_memory, rtcore_rooms, rtcore_ratelimit)


def blocks(kind: str) -> list[str]:
    return [block["text"] for block in BLOCK.finditer(PAGE) if block["kind"] == kind]


def test_its_settings_are_valid_and_do_what_their_comments_say() -> None:
    settings: dict[str, Any] = {}
    for text in blocks("toml"):
        settings |= tomllib.loads(text)
    app = App(settings, plugins=PLUGINS)
    app.boot()
    assert set(app.options.policies) == {"price", "stream:data", "order:*"}


@pytest.mark.parametrize("text", blocks("python"))
def test_its_programs_can_be_loaded(text: str) -> None:
    app = App(plugins=PLUGINS)
    exec(compile(text, "docs/slow-clients.md", "exec"), {"app": app})  # noqa: S102 - our own page
    app.boot()
    assert app.policies or {"export", "replay"} <= set(app.registry.routes)


def test_it_names_every_policy_and_only_settings_that_there_are() -> None:
    assert all(f"`{kind}`" in PAGE for kind in KINDS)
    known = {field.name for field in attrs.fields(Options)}
    named = set(re.findall(r"`((?:max|message|batch|enable|rate|session)_[a-z_]+)`", PAGE))
    assert named <= known, named - known
    assert named >= {"message_buffer_size", "max_backlog_bytes", "max_backlog_messages", "max_detached_bytes"}


def test_its_commands_name_what_is_there() -> None:
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^\$ (.*)$", "".join(blocks("console")), re.MULTILINE):
        for word in command.split("#")[0].split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), word
        if command.startswith("make "):
            assert f"\n{command.split()[1]}:" in targets
