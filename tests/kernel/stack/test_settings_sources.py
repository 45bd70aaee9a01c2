"""Where settings come from, and which of them wins."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from rtcore.errors import SettingsError
from rtcore.settings import Sources, from_mapping, load, resolve


@attrs.frozen
class Box:
    size: int = 1
    name: str = "box"
    tags: tuple[str, ...] = ()
    inner: dict[str, int] = attrs.field(factory=dict)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rtcore.toml"
    file.write_text(text)
    return file


def box(sources: Sources) -> Box:
    return resolve(sources, {"box": Box}).section(Box)


def failure(sources: Sources) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(sources, {"box": Box})
    return str(caught.value)


def test_nothing_at_all_gives_the_defaults() -> None:
    resolved = resolve(load(), {"box": Box})
    assert resolved.options.max_connections == 1000
    assert resolved.section(Box) == Box()
    assert resolved.origin("box.size") == "default"


def test_the_command_line_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "max_connections = 1\nbatch_size = 1\nsession_ttl = 1\n[box]\nsize = 2\n")
    env = {"RTCORE_BATCH_SIZE": "2", "RTCORE_BOX__SIZE": "3", "PATH": "/bin"}
    resolved = resolve(load(file, env, ["box.size=4"]), {"box": Box})
    assert (resolved.options.max_connections, resolved.options.batch_size) == (1, 2)
    assert resolved.section(Box).size == 4
    assert resolved.origin("max_connections") == f"file {file}"
    assert resolved.origin("batch_size") == "env RTCORE_BATCH_SIZE"
    assert resolved.origin("box.size") == "command line"
    assert resolved.origin("box.name") == "default"


def test_the_later_of_two_overrides_wins() -> None:
    assert box(load(overrides=["box.size=1", "box.size=2"])).size == 2


def test_tables_are_merged_key_by_key(tmp_path: Path) -> None:
    file = write(tmp_path, "[box]\nname = 'a'\n[box.inner]\nx = 1\ny = 2\n")
    made = box(load(file, {"RTCORE_BOX__INNER__Y": "3"}, ["box.inner.z=4"]))
    assert made == Box(name="a", inner={"x": 1, "y": 3, "z": 4})


def test_an_inline_table_in_the_environment_can_be_added_to() -> None:
    sources = load(None, {"RTCORE_BOX__INNER": "{x = 1, y = 2}"}, ["box.inner.y=3"])
    resolved = resolve(sources, {"box": Box})
    assert resolved.section(Box).inner == {"x": 1, "y": 3}
    assert resolved.origin("box.inner.x") == "env RTCORE_BOX__INNER"
    assert resolved.origin("box.inner.y") == "command line"


def test_a_value_replaces_a_whole_table_and_its_origins(tmp_path: Path) -> None:
    file = write(tmp_path, "[box.inner]\nx = 1\n")
    resolved = resolve(load(file, {}, ["box.inner={y = 2}"]), {"box": Box})
    assert resolved.section(Box).inner == {"y": 2}
    assert resolved.origin("box.inner.y") == "command line"
    assert resolved.origin("box.inner.x") == "default"


def test_a_quoted_key_may_hold_what_separates_keys() -> None:
    assert box(load(overrides=['box.inner."a.b=c"=1'])).inner == {"a.b=c": 1}


@pytest.mark.parametrize(
    ("text", "read"),
    [("7", "7"), ("true", "true"), ('"7"', "7"), ("'x'", "x"), ("a b", "a b"), ('"open', '"open'), ("", "")],
)
def test_text_stays_text_where_text_is_wanted(text: str, read: str) -> None:
    assert box(load(None, {"RTCORE_BOX__NAME": text})).name == read


@pytest.mark.parametrize("text", ["a,b", " a , b ", '["a", "b"]', "a,b,"])
def test_a_list_may_be_typed_with_commas(text: str) -> None:
    assert box(load(overrides=[f"box.tags={text}"])).tags == ("a", "b")


def test_a_list_of_names_can_be_read_before_anything_is_checked() -> None:
    assert load(overrides=["plugins=http,json"]).names("plugins") == ("http", "json")
    assert load(overrides=['plugins=["http", "json"]']).names("plugins") == ("http", "json")
    assert from_mapping({"plugins": ["http"]}).names("plugins") == ("http",)
    assert load().names("plugins") is None
    assert from_mapping({"plugins": [1]}).names("plugins") is None
    assert from_mapping({"plugins": "http"}).names("plugins") is None


def test_sections_are_the_tables_however_they_were_given() -> None:
    sources = load(None, {"RTCORE_A__X": "1", "RTCORE_B": "{x = 1}", "RTCORE_NODE": "n"}, ["c.x=1"])
    assert sources.sections() == ("a", "b", "c")
    assert from_mapping({"box": Box()}).sections() == ("box",)


def test_a_program_gives_a_mapping() -> None:
    resolved = resolve(from_mapping({"batch_size": 3, "box": {"tags": ("a",)}}), {"box": Box})
    assert resolved.options.batch_size == 3
    assert resolved.section(Box).tags == ("a",)
    assert resolved.origin("box.tags") == "program"


def test_a_program_may_give_an_instance_of_the_section() -> None:
    mine = Box(size=9)
    assert box(from_mapping({"box": mine})) is mine


def test_a_program_that_gives_a_key_which_is_no_text_is_told() -> None:
    assert "box.7: given a key that is no text" in failure(from_mapping({"box": {7: 1}}))


def test_the_environment_is_not_read_for_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTCORE_BATCH_SIZE", "77")
    assert resolve(from_mapping({}), {}).options.batch_size == 10


def test_the_variable_that_names_the_file_is_no_key() -> None:
    assert load(None, {"RTCORE_CONFIG": "/etc/rtcore.toml"}).tree == {}


def test_the_links_of_a_kubernetes_service_are_no_keys() -> None:
    links = {
        "RTCORE_SERVICE_HOST": "10.0.0.1",
        "RTCORE_SERVICE_PORT_HTTP": "8080",
        "RTCORE_PORT": "tcp://10.0.0.1:8080",
        "RTCORE_PORT_8080_TCP_ADDR": "10.0.0.1",
        "RTCORE_REDIS_SERVICE_HOST": "10.0.0.2",
    }
    assert load(None, {**links, "KUBERNETES_SERVICE_HOST": "10.0.0.0"}).tree == {}
    assert "service_host: given an unknown key" in failure(load(None, links))


def test_a_variable_with_an_empty_part_is_reported() -> None:
    assert "RTCORE_BOX____SIZE: given an empty part" in failure(load(None, {"RTCORE_BOX____SIZE": "1"}))


@pytest.mark.parametrize("override", ["nonsense", "=1", "a b=1", "[x]=1", "x\n=1"])
def test_an_override_that_is_none_is_reported_without_its_value(override: str) -> None:
    said = failure(load(overrides=[override]))
    assert "expected key=value, the key as in TOML (from command line)" in said


def test_what_cannot_be_read_is_reported_with_everything_else(tmp_path: Path) -> None:
    file = write(tmp_path, "batch_size = 0\n")
    said = failure(load(file, {"RTCORE_": "x"}, ["nonsense"]))
    assert said.startswith("3 problems")


# -- files that cannot be read ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("batch_size = 1\nnode == 2\n", "2:7"),
        ("node = 'open", "1:13"),
        ("a = 1\na = 2\n", "2:6"),
        ("[box\nsize = 1\n", "1:5"),
    ],
)
def test_what_is_not_toml_is_reported_with_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert problem.key == f"{file}:{place}"
    line, _, column = place.partition(":")
    assert f"at line {line}, column {column}" in problem.given


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"none\.toml: given no such file or directory, expected a file that can"
    ):
        load(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="given is a directory"):
        load(tmp_path)


def test_a_file_in_another_encoding_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "rtcore.toml"
    file.write_bytes(b"batch_size = 1\nnode = '\xe4'\n")
    with pytest.raises(SettingsError, match=r"rtcore\.toml:2: given bytes that are not UTF-8"):
        load(file)
