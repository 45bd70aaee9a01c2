"""The program's commands, run in a folder of their own with plugins of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import rtcore
from rtcore.cli import main

SETTINGS = """
@attrs.frozen
class S:
    size: int = attrs.field(default=3, validator=attrs.validators.ge(1), metadata={"help": "How big."})
    key: str | None = attrs.field(default=None, repr=False, metadata={"secret": True})

@hookimpl
def rtcore_settings():
    return S
"""

COMMAND = """
import click

@click.command()
@click.argument("name")
def greet(name):
    "Say hello."
    click.echo(f"hello {name}")

@hookimpl
def rtcore_commands():
    return [greet]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(main, arguments, env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


# -- the program ---------------------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert run("--version").output == f"rtcore {rtcore.__version__}\n"


def test_the_version_is_printed_without_loading_anything_else() -> None:
    code = (
        "import sys; from rtcore.cli import main; main(['--version'], standalone_mode=False); "
        "print([m for m in ('attrs', 'cattrs', 'pluggy', 'asyncio', 'rich', 'rtcore.app') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"rtcore {rtcore.__version__}", "[]"]


def test_python_m_rtcore_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rtcore", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"rtcore {rtcore.__version__}\n"


def test_help_lists_the_kernels_commands_and_the_plugins(shelf) -> None:
    shelf.add("ant", COMMAND)
    output = run("--help").output
    for command in ("check", "config", "greet", "plugins", "serve"):
        assert f"\n  {command} " in output


def test_help_is_printed_whatever_plugins_do(shelf) -> None:
    shelf.add("ant", "raise RuntimeError('boom')")
    result = run("--help", env={"RTCORE_PLUGINS": "ant"})
    assert result.exit_code == 0
    assert "serve" in result.output
    assert "the commands of plugins are missing: plugin `ant`" in result.output


def test_an_unknown_command_is_refused() -> None:
    result = run("sevre")
    assert result.exit_code == 2
    assert "No such command 'sevre'" in result.output


# -- commands of plugins ----------------------------------------------------------------------------------------


def test_a_plugins_command_runs(shelf) -> None:
    shelf.add("ant", COMMAND)
    assert run("greet", "you").output == "hello you\n"


def test_a_plugins_command_is_not_there_when_the_plugin_is_disabled(shelf, here: Path) -> None:
    shelf.add("ant", COMMAND)
    (here / "rtcore.toml").write_text('disabled = ["ant"]\n')
    assert "No such command 'greet'" in run("greet", "you").output


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            COMMAND.replace("def greet", "def serve").replace("[greet]", "[serve]"),
            "`serve` belongs to `rtcore`",
        ),
        ("@hookimpl\ndef rtcore_commands():\n    return ['x']", "returned 'x', which is no click.Command"),
        (
            "@hookimpl\ndef rtcore_commands():\n    raise ValueError('boom')",
            "rtcore_commands raised ValueError: boom",
        ),
        ("@hookimpl\ndef rtcore_commands():\n    return 3", "rtcore_commands raised TypeError"),
    ],
)
def test_commands_that_cannot_be_are_refused(shelf, source: str, said: str) -> None:
    shelf.add("ant", source)
    result = run("greet", "you")
    assert result.exit_code == 2
    assert said in result.output


def test_two_plugins_cannot_have_one_command(shelf) -> None:
    shelf.add("ant", COMMAND)
    shelf.add("bee", COMMAND)
    assert "the command `greet` belongs to `ant`" in run("greet", "you").output


# -- config ---------------------------------------------------------------------------------------------------


def test_config_prints_what_is_in_force_and_where_it_came_from(shelf, here: Path) -> None:
    shelf.add("ant", SETTINGS)
    (here / "rtcore.toml").write_text("batch_size = 3\n[ant]\nkey = 'hunter2'\n")
    result = run("config", "--set", "ant.size=4", env={"RTCORE_NODE": "n1"})
    lines = {" ".join(line.split()) for line in result.output.splitlines()}
    assert "batch_size = 3 # file rtcore.toml" in lines
    assert 'node = "n1" # env RTCORE_NODE' in lines
    assert "size = 4 # command line" in lines
    assert "# key: (secret) # file rtcore.toml" in lines
    assert "max_connections = 1000 # default" in lines
    assert "# broker: unset # default" in lines
    assert "hunter2" not in result.output


def test_what_config_prints_is_toml_that_says_the_same(shelf, here: Path) -> None:
    shelf.add("ant", SETTINGS)
    first = run("config", "--set", "ant.size=4", "--set", "disabled=x,y").output
    table = tomllib.loads(first)
    assert table["ant"]["size"] == 4
    (here / "rtcore.toml").write_text(first)
    assert [line.split(" #")[0] for line in run("config").output.splitlines()] == [
        line.split(" #")[0] for line in first.splitlines()
    ]


def test_another_file_can_be_named(shelf, here: Path) -> None:
    (here / "other.toml").write_text("batch_size = 7\n")
    assert "file other.toml" in run("config", "--config", "other.toml").output
    assert "file other.toml" in run("config", env={"RTCORE_CONFIG": "other.toml"}).output


@pytest.mark.parametrize("command", ["config", "plugins", "serve"])
def test_a_file_that_is_named_must_be_there(command: str) -> None:
    result = run(command, "--config", "other.toml")
    assert result.exit_code == 2
    assert result.output.startswith("rtcore: 1 problem in the settings:\n  other.toml: given no such file")


@pytest.mark.parametrize("command", ["config", "serve"])
def test_wrong_settings_are_text_and_exit_code_2(command: str) -> None:
    result = run(command, "--set", "batch_size=0", "--set", "sesion_ttl=1")
    assert result.exit_code == 2
    assert result.output.startswith("rtcore: 2 problems in the settings:\n")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["config", "serve"])
def test_plugins_that_cannot_load_are_text_and_exit_code_2(shelf, command: str) -> None:
    shelf.add("bad", "raise RuntimeError('boom')")
    result = run(command, "--set", "plugins=bad,gone")
    assert result.exit_code == 2
    assert result.output.startswith("rtcore: plugin `bad` (distribution rtcore-bad): cannot be imported")
    assert "\nplugin `gone`: is named in the settings and not installed" in result.output
    assert "Traceback" not in result.output


# -- check ------------------------------------------------------------------------------------------------------


def test_check_says_that_all_is_well(shelf) -> None:
    shelf.add("ant", SETTINGS)
    result = run("check")
    assert (result.exit_code, result.output) == (0, "ok: 1 plugin\n")


def test_check_finds_every_problem_at_once(shelf, here: Path) -> None:
    shelf.add("ant", SETTINGS)
    shelf.add("bad", "raise RuntimeError('boom')")
    shelf.add("worse", "raise RuntimeError('crash')")
    (here / "rtcore.toml").write_text("batch_size = 0\n[ant]\nsize = 'x'\n[bad]\nx = 1\n[nowhere]\nx = 1\n")
    result = run("check", "--set", "nonsense", env={"RTCORE_NODE": "!"})
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    keys = [line.split()[1].rstrip(":") for line in lines if line.startswith("problem:")]
    assert keys == ["plugin", "nonsense", "nowhere", "batch_size", "node", "ant.size"]
    assert lines[-1] == "6 problems"
    assert (
        "warning: plugin `worse` (distribution rtcore-worse): cannot be imported: RuntimeError: crash"
        in result.stderr
    )
    assert result.stdout == ""


def test_check_warns_of_what_is_merely_installed_and_passes(shelf) -> None:
    shelf.add("bad", "raise RuntimeError('boom')")
    result = run("check", "--set", "disabled=bod")
    assert result.exit_code == 0
    assert result.stdout == "ok: 0 plugins, 1 failed\n"
    assert "warning: plugin `bad`" in result.stderr
    assert "warning: disabled names `bod`, which is not installed; did you mean `bad`?" in result.stderr


def test_check_reads_no_settings_of_a_plugin_whose_class_is_unfit(shelf) -> None:
    shelf.add(
        "ant", "@attrs.frozen\nclass S:\n    x: int\n\n@hookimpl\ndef rtcore_settings():\n    return S\n"
    )
    result = run("check", "--set", "ant.x=y", "--set", "batch_size=0")
    assert result.exit_code == 1
    assert "its settings: field `x` of S has no default" in result.stderr
    assert "batch_size: given `0`" in result.stderr
    assert result.stderr.splitlines()[-1] == "2 problems"


def test_check_reports_a_file_that_is_no_toml(here: Path) -> None:
    (here / "rtcore.toml").write_text("batch_size = \n")
    result = run("check")
    assert result.exit_code == 1
    assert "problem: rtcore.toml:1:14: given what TOML cannot read at line 1, column 14" in result.stderr


def test_check_names_services_that_are_missing(shelf) -> None:
    shelf.add("ant", "class Rooms: pass\n\n@hookimpl\ndef rtcore_requirements():\n    return [Rooms]\n")
    result = run("check")
    assert result.exit_code == 1
    assert "missing services: `ant` needs Rooms" in result.stderr


# -- plugins ----------------------------------------------------------------------------------------------------


def test_plugins_lists_what_is_here(shelf) -> None:
    shelf.add("ant", SETTINGS)
    shelf.add("bad", "raise RuntimeError('boom')")
    shelf.add("cat")
    result = run("plugins", "--set", "disabled=cat")
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.output.splitlines() if line.split()}
    assert rows["ant"].split()[1:5] == ["rtcore-ant", "1.0", "loaded", "settings"]
    assert "failed" in rows["bad"]
    assert "cannot be imported: RuntimeError: boom" in rows["bad"]
    assert "disabled in the settings" in rows["cat"]


def test_plugins_as_json_is_for_programs(shelf) -> None:
    rooms = "class Rooms: pass\n\n@hookimpl\ndef rtcore_services(app):\n    return {Rooms: Rooms()}\n"
    shelf.add("ant", SETTINGS + rooms)
    assert json.loads(run("plugins", "--json").stdout) == [
        {
            "name": "ant",
            "distribution": "rtcore-ant",
            "version": "1.0",
            "hooks": ["rtcore_services", "rtcore_settings"],
            "services": ["Rooms"],
            "status": "loaded",
            "reason": "",
        }
    ]


def test_plugins_without_any_says_so() -> None:
    assert "no plugins: nothing is installed" in run("plugins").output


def test_plugins_lists_what_it_can_when_something_is_fatal(shelf) -> None:
    shelf.add("ant", SETTINGS)
    result = run("plugins", "--json", "--set", "plugins=ant,gone")
    assert result.exit_code == 1
    assert [(row["name"], row["status"]) for row in json.loads(result.stdout)] == [
        ("ant", "loaded"),
        ("gone", "failed"),
    ]
    assert "rtcore: plugin `gone`" in result.stderr


def test_plugins_lists_them_whatever_the_settings(shelf) -> None:
    shelf.add("ant", SETTINGS)
    result = run("plugins", "--json", "--set", "ant.size=x")
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["status"] == "loaded"
    assert "ant.size: given `x`" in result.stderr
