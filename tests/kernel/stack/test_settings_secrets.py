"""Secrets: from files or the environment, and in no text that rtcore writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import validators as v

from rtcore.errors import SettingsError
from rtcore.settings import Resolved, from_mapping, load, resolve

SECRET = {"secret": True}


@attrs.frozen
class Lock:
    key: str | None = attrs.field(
        default=None, repr=False, metadata=SECRET, validator=v.optional(v.min_len(4))
    )
    keys: dict[str, str] = attrs.field(factory=dict, repr=False, metadata=SECRET)
    pin: int = attrs.field(default=0, repr=False, metadata=SECRET)


@attrs.frozen
class Door:
    locks: dict[str, Lock] = attrs.field(factory=dict)


def lock(values: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Lock:
    return resolve(from_mapping({"lock": values}, env=env), {"lock": Lock}).section(Lock)


def refusal(sources_or_values: Any) -> str:
    sources = (
        from_mapping({"lock": sources_or_values}, env={})
        if isinstance(sources_or_values, dict)
        else sources_or_values
    )
    with pytest.raises(SettingsError) as caught:
        resolve(sources, {"lock": Lock})
    return str(caught.value)


def test_a_secret_may_stand_in_a_file_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    assert lock({"key": {"file": str(tmp_path / "key")}}).key == "hunter2"


def test_a_relative_file_is_looked_up_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    (tmp_path / "rtcore.toml").write_text('[lock]\nkey = {file = "key"}\n')
    assert resolve(load(tmp_path / "rtcore.toml"), {"lock": Lock}).section(Lock).key == "hunter2"


def test_a_secret_may_stand_in_a_variable_of_another_name() -> None:
    assert lock({"key": {"env": "MY_KEY"}}, {"MY_KEY": "hunter2"}).key == "hunter2"


def test_a_secret_may_stand_in_its_own_variable() -> None:
    sources = load(None, {"RTCORE_LOCK__KEY": "12345"})
    assert resolve(sources, {"lock": Lock}).section(Lock).key == "12345"


def test_a_variable_may_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    sources = load(None, {"RTCORE_LOCK__KEY": f'{{file = "{tmp_path}/key"}}'})
    assert resolve(sources, {"lock": Lock}).section(Lock).key == "hunter2"


def test_several_secrets_are_looked_up_one_by_one() -> None:
    assert lock({"keys": {"a": {"env": "A"}, "file": "plain"}}, {"A": "hunter2"}).keys == {
        "a": "hunter2",
        "file": "plain",
    }


def test_the_command_line_takes_a_reference() -> None:
    sources = load(None, {"K": "hunter2"}, ['lock.key={env = "K"}'])
    assert resolve(sources, {"lock": Lock}).section(Lock).key == "hunter2"


@pytest.mark.parametrize(
    "override",
    ["lock.key=hunter2", 'lock.key="hunter2"', 'lock={key = "hunter2"}', 'lock.keys={a = "hunter2"}'],
)
def test_the_command_line_takes_no_secret_in_the_clear(override: str) -> None:
    said = refusal(load(overrides=[override]))
    assert "everybody can read a command line" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (
            {"file": "/nowhere"},
            'given {file = "/nowhere"}, expected a file that can be read and is not empty',
        ),
        ({"env": "NOWHERE"}, 'given {env = "NOWHERE"}, expected a variable that is set and not empty'),
        ({"file": "a", "env": "b"}, 'given a table, expected text, {file = "path"} or {env = "NAME"}'),
        ({"other": "hunter2"}, "given a table, expected text"),
        (["hunter2"], "given (secret), expected text"),
        (31337, "given (secret), expected text"),
    ],
)
def test_a_reference_that_leads_nowhere_is_reported(value: object, part: str) -> None:
    said = refusal({"key": value})
    assert part in said
    assert "hunter2" not in said
    assert "31337" not in said


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    assert "is not empty" in refusal({"key": {"file": str(tmp_path / "key")}})


@pytest.mark.parametrize(
    "value", [{"key": "abc"}, {"pin": "abc"}, {"pin": 3.5}, {"keys": "abc"}, {"keys": {"a": 3.5}}]
)
def test_a_secret_that_does_not_fit_is_not_shown(value: dict[str, Any]) -> None:
    said = refusal(value)
    assert "(secret)" in said
    assert "abc" not in said
    assert "3.5" not in said


def test_secrets_are_never_printed() -> None:
    sources = from_mapping(
        {"lock": {"key": "hunter2", "keys": {"a": "hunter2"}}, "door": {"locks": {"x": {"key": "hunter2"}}}},
        env={},
    )
    resolved: Resolved = resolve(sources, {"lock": Lock, "door": Door})
    rows = {row.key: row.value for row in resolved.rows()}
    assert rows["lock.key"] == "(secret)"
    assert rows["lock.keys"] == "(secret)"
    assert rows["door.locks.x.key"] == "(secret)"
    assert "hunter2" not in f"{rows} {resolved!r} {sources!r}"


def test_an_unset_secret_is_not_mysterious() -> None:
    rows = {row.key: row.value for row in resolve(load(), {"lock": Lock}).rows()}
    assert rows["lock.key"] == "unset"
