"""One word, six uses; one version; nothing in the tree that belongs to a machine."""

from __future__ import annotations

import configparser
import os
import re
import subprocess

import pytest
import yaml
from tree import ALL, CLIENT, CONTRIB, KERNEL, PLUGINS, REQUIREMENT, ROOT, Distribution, normal

import rtcore

HEADINGS = ["What", "Settings", "Hooks used", "Wire notes", "Test"]
RANGE = ">=0.1,<0.2"

rooms = pytest.mark.parametrize("room", PLUGINS, ids=lambda room: room.word)
plugins = pytest.mark.parametrize("room", [*PLUGINS, *CONTRIB], ids=lambda room: room.word)
distributions = pytest.mark.parametrize("dist", ALL, ids=lambda dist: dist.name)


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# -- one word, six uses ------------------------------------------------------------------------------------


@plugins
def test_folder_entry_point_distribution_and_package_share_one_word(room: Distribution):
    assert normal(room.name) == normal(f"rtcore-{room.word}")
    assert room.package == f"rtcore_{room.word}"
    assert room.project["entry-points"] == {"rtcore": {room.word: room.package}}
    assert (room.folder / room.package / "__init__.py").is_file()


def test_every_folder_of_plugins_is_a_distribution():
    folders = {path.name for path in ROOT.glob("plugins/*") if path.is_dir() and any(path.rglob("*.py"))}
    assert folders == {plugin.word for plugin in PLUGINS}


@rooms
def test_a_room_has_its_tox_environment(room: Distribution):
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini")
    stanza = next(name for name in config if name.startswith("testenv:{") and "websocket" in name)
    listed = [config["tox"]["env_list"], stanza]
    for names in listed:
        assert room.word in re.split(r"[{},\s]+", names.replace("testenv:", "")), (
            f"{room.word} is not in {names!r}"
        )


@rooms
def test_a_room_has_its_page_and_the_page_is_its_readme(room: Distribution):
    page = f"plugins/{room.word}.md"
    assert read(f"docs/{page}").strip() == f'--8<-- "plugins/{room.word}/README.md"'
    nav = yaml.safe_load(read("mkdocs.yml"))["nav"]
    assert page in next(part["Plugins"] for part in nav if isinstance(part, dict) and "Plugins" in part)


@plugins
def test_a_rooms_readme_has_the_same_five_headings(room: Distribution):
    text = (room.folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {room.name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


def test_requirements_dev_installs_every_distribution():
    listed = re.findall(r"^-e ([^\s[]+)", read("requirements-dev.txt"), re.MULTILINE)
    assert sorted(listed) == sorted(str(dist.folder.relative_to(ROOT)) for dist in ALL)


def test_a_stranger_s_plugin_stands_on_the_kernel_alone():
    for dist in CONTRIB:
        assert [name for name in dist.requirements if name.startswith("rtcore")] == ["rtcore"], dist.name


# -- one version, one shape ----------------------------------------------------------------------------------


@distributions
def test_siblings_are_asked_for_in_one_range(dist: Distribution):
    for name, asked in dist.requirements.items():
        if name.startswith("rtcore"):
            assert asked == RANGE, f"{dist.name} asks for {name}{asked}"


def test_the_range_holds_the_version_of_the_tree():
    major, minor = map(int, rtcore.__version__.split(".")[:2])
    assert f">={major}.{minor},<{major}.{minor + 1}" == RANGE


@pytest.mark.parametrize("dist", [KERNEL, *PLUGINS, CLIENT], ids=lambda dist: dist.name)
def test_the_version_is_the_kernels(dist: Distribution):
    assert dist.project["dynamic"] == ["version"]
    assert (dist.folder / dist.tool["hatch"]["version"]["path"]).resolve() == ROOT / "rtcore/__init__.py"


@distributions
def test_a_distribution_says_who_may_use_it_and_that_it_is_typed(dist: Distribution):
    assert dist.project["license"] == "MIT"
    assert dist.project["requires-python"] == ">=3.11"
    assert dist.project["description"].endswith(".")
    assert (dist.folder / dist.package / "py.typed").is_file()


# -- pins ------------------------------------------------------------------------------------------------------


def constraints() -> dict[str, str]:
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    form = re.compile(r'^([a-z0-9-]+)==([0-9][^\s;@/]*)( ; python_version <= "3\.\d+")?$')
    wrong = [line for line in lines if not form.match(line)]
    assert not wrong, f"not `name==version`: {wrong}"
    return dict(match.group(1, 2) for match in map(form.match, lines) if match)


def test_constraints_pin_everything_by_version_and_nothing_by_address():
    pins = constraints()
    needed = {name for dist in ALL for name in dist.requirements if not name.startswith("rtcore")}
    tools = [line for line in read("requirements-dev.txt").splitlines() if re.match(r"^[a-z]", line)]
    needed |= {normal(match["name"]) for match in map(REQUIREMENT.match, tools) if match}
    assert needed - pins.keys() == set(), "`make constraints` writes the file anew"
    assert not [name for name in pins if name.startswith("rtcore")]


def test_picows_is_pinned_exactly_where_its_private_names_are_used():
    websocket = next(plugin for plugin in PLUGINS if plugin.word == "websocket")
    assert websocket.requirements["picows"] == f"=={constraints()['picows']}"


# -- nothing of a machine, nothing by chance -------------------------------------------------------------------

# Written so that this file does not hold what it looks for.
OF_A_MACHINE = re.compile(
    r"(?<![\w.])/(?:root|work|opt/wheels|home/\w+)(?=/|\b)"
    r"|\b(?:pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|yarnpkg[.]com|crates[.]io|proxy[.]golang[.]org)\b"
    r"|\b(?:repo1?[.]maven[.](?:org|apache[.]org)|deb[.]debian[.]org)\b"
)


def test_no_tracked_file_names_a_machines_path_or_a_package_registry():
    found = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            found += [f"{name}:{number}: {match.group()}" for match in OF_A_MACHINE.finditer(line)]
    assert not found


def test_what_is_made_is_not_tracked():
    made = ("site/", "dist/", "build/", ".venv/", ".tox/", "uv.lock")
    assert not [name for name in tracked() if name.startswith(made) or "__pycache__" in name]


def test_scripts_can_be_run():
    scripts = [name for name in tracked() if (ROOT / name).read_bytes().startswith(b"#!")]
    assert ".ci/run" in scripts
    assert [name for name in scripts if not os.access(ROOT / name, os.X_OK)] == []


def test_news_fragments_are_named_for_an_issue_and_a_known_type():
    types = "|".join(entry["directory"] for entry in KERNEL.tool["towncrier"]["type"])
    form = re.compile(rf"^(\d+|\+[\w-]+)\.({types})(\.\d+)?\.md$")
    names = {path.name for path in ROOT.glob("changes/*")} - {"README.md"}
    assert not [name for name in names if not form.match(name)]


def test_the_makefile_says_what_each_target_is_for():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    explained = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    assert targets == explained
    assert {"install", "serve", "test", "lint", "types", "bench", "docs", "autobahn"} <= targets
