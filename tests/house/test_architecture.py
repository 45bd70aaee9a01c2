"""The one arrow of the design: plugins stand on the kernel, the kernel on its extension points, those on the wire."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions

import pytest
from tree import ALL, CLIENT, CONTRIB, KERNEL, PLUGINS, Distribution, Import, Module, normal

# Module name to the distributions that bring it, as installed: `attr` comes with attrs.
BROUGHT_BY = {top: {normal(name) for name in names} for top, names in packages_distributions().items()}

JSON_LIBRARIES = {"json", "msgspec", "orjson", "ujson", "simplejson", "rapidjson", "pysimdjson", "simdjson"}
IO = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "select",
    "selectors",
    "socket",
    "socketserver",
    "ssl",
    "threading",
}
#: What one module takes where its extra is installed, and does without elsewhere.
OPTIONAL = {"rtcore.serve": {"uvloop"}}
KERNEL_NEEDS = {"attrs", "cattrs", "click", "msgspec", "opentelemetry-api", "pluggy", "rich"}
TESTING_NEEDS = {"hypothesis", "pytest", "pytest-asyncio"}


def standard(found: Import) -> bool:
    return found.top in sys.stdlib_module_names


def brought_by(found: Import, distributions: set[str]) -> bool:
    """Whether one of these distributions installs what is imported.

    `opentelemetry` is a name that several share, and so belongs to each of them.
    """
    return bool(BROUGHT_BY.get(found.top, {normal(found.top)}) & distributions)


def in_testing(module: Module) -> bool:
    return module.name.startswith("rtcore.testing")


def offenders(modules: list[Module], wrong: Callable[[Module, Import], bool]) -> list[str]:
    def found() -> Iterator[str]:
        for module in modules:
            for one in module.imports():
                if wrong(module, one):
                    yield f"{module}:{one.line} imports {one.name}"

    return list(found())


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    path = tmp_path / "m.py"
    path.write_text(
        "import a.b\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from c import d\n"
        "def late():\n    from . import e\n    from ..f import g\n"
    )
    seen = {(one.name, one.typing_only) for one in Module(path, "top.sub.m").imports()}
    assert seen == {
        ("a.b", False),
        ("typing.TYPE_CHECKING", False),
        ("c.d", True),
        ("top.sub.e", False),
        ("top.f.g", False),
    }


# -- the kernel ------------------------------------------------------------------------------------------


def test_the_kernel_declares_what_the_design_allows_and_nothing_else():
    assert {normal(line.split(">")[0]) for line in KERNEL.project["dependencies"]} == KERNEL_NEEDS


def test_the_kernel_imports_no_plugin_and_no_client():
    assert not offenders(KERNEL.modules(), lambda _, one: one.top.startswith("rtcore_"))


def test_the_kernel_imports_no_json_library():
    def wrong(module: Module, one: Import) -> bool:
        # The contract suites compare with the standard library's JSON; nothing else does. The message is one of
        # msgspec's structs, which are quick to make and to throw away; it is not what decodes it. And `to_builtins`
        # takes the objects of a program apart, for all codecs alike.
        struct = module.name in {"rtcore.wire.message", "rtcore.wire.values"} and one.top == "msgspec"
        return one.top in JSON_LIBRARIES and not struct and not (in_testing(module) and one.top == "json")

    assert not offenders(KERNEL.modules(), wrong)


def test_the_kernel_imports_nothing_that_it_does_not_declare():
    def wrong(module: Module, one: Import) -> bool:
        allowed = KERNEL_NEEDS | (TESTING_NEEDS if in_testing(module) else OPTIONAL.get(module.name, set()))
        return not (standard(one) or one.top == "rtcore" or brought_by(one, allowed))

    assert not offenders(KERNEL.modules(), wrong)


def test_the_kernel_uses_the_api_of_opentelemetry_and_never_its_sdk():
    def wrong(_: Module, one: Import) -> bool:
        return one.within("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto")

    assert not offenders(KERNEL.modules(), wrong)


def test_only_the_loader_and_the_hooks_know_pluggy():
    def wrong(module: Module, one: Import) -> bool:
        # The registry names the manager's type when it calls the hooks, and needs no more of it than that.
        return (
            one.top == "pluggy"
            and not one.typing_only
            and module.name not in {"rtcore.hooks", "rtcore.plugins.loader", "rtcore.plugins.marks"}
        )

    assert not offenders(KERNEL.modules(), wrong)


def test_only_tests_import_the_contract_suites():
    def wrong(module: Module, one: Import) -> bool:
        return one.within("rtcore.testing") and not in_testing(module)

    everything = [module for distribution in ALL for module in distribution.modules()]
    assert not offenders(everything, wrong)


def test_the_extension_points_stand_on_the_wire_alone():
    modules = [module for module in KERNEL.modules() if module.name.startswith("rtcore.spi")]

    def wrong(_: Module, one: Import) -> bool:
        return (
            one.top == "rtcore"
            and not one.typing_only
            and not one.within("rtcore.spi", "rtcore.wire", "rtcore.errors")
        )

    assert modules
    assert not offenders(modules, wrong)


def test_the_wire_stands_on_the_standard_library_attrs_and_structs_and_does_no_io():
    modules = [module for module in KERNEL.modules() if module.name.startswith("rtcore.wire")]

    def wrong(_: Module, one: Import) -> bool:
        if one.typing_only:
            return not (
                standard(one) or one.within("rtcore.wire", "rtcore.spi") or one.top in {"attr", "attrs"}
            )
        return one.top in IO or not (
            standard(one) or one.within("rtcore.wire") or one.top in {"attr", "attrs", "msgspec"}
        )

    assert modules
    assert not offenders(modules, wrong)


def test_importing_the_wire_does_not_bring_asyncio():
    check = "import rtcore.wire, sys; assert 'asyncio' not in sys.modules, 'asyncio came along'"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- plugins and the client --------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", [*PLUGINS, *CONTRIB], ids=lambda plugin: plugin.word)
def test_a_plugin_imports_public_names_and_what_it_declares(plugin: Distribution):
    declared = set(plugin.requirements)
    # Settings are attrs classes and commands are click's: these come with the kernel. pluggy does too, but a plugin
    # takes its markers from rtcore.hooks.
    allowed = declared | (KERNEL_NEEDS - {"pluggy"})

    def wrong(_: Module, one: Import) -> bool:
        if standard(one) or one.top == plugin.package:
            return False
        if one.top == "rtcore" or one.top.startswith("rtcore_"):
            private = any(part.startswith("_") and not part.endswith("__") for part in one.name.split("."))
            return private or normal(one.top) not in declared
        return not brought_by(one, allowed)

    assert not offenders(plugin.modules(), wrong)


def test_plugins_stand_on_each_other_without_cycles():
    below = {
        plugin.name: {name for name in plugin.requirements if name.startswith("rtcore-")}
        for plugin in PLUGINS
    }
    while ready := [name for name, needs in below.items() if not needs & below.keys()]:
        for name in ready:
            del below[name]
    assert not below, f"these stand on each other: {sorted(below)}"


def test_the_client_knows_the_wire_and_not_the_server():
    declared = set(CLIENT.requirements) | {"attrs", "opentelemetry-api"}

    def wrong(_: Module, one: Import) -> bool:
        if standard(one) or one.within("rtcore_client", "rtcore.wire"):
            return False
        if one.top == "rtcore":
            return not (one.typing_only and one.within("rtcore.spi"))
        return not brought_by(one, declared)

    assert not offenders(CLIENT.modules(), wrong)


# -- each module for itself --------------------------------------------------------------------------------

# Forks from an interpreter that has imported nothing yet: as good as a new one for each, and ten times as quick.
ALONE = """
import os, sys
failed = []
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            __import__(name)
        except BaseException:
            import traceback
            print(f"--- {name}", file=sys.stderr)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        failed.append(name)
sys.exit(f"these do not import alone: {failed}" if failed else 0)
"""


def test_every_module_imports_alone_and_without_a_warning():
    names = [module.name for distribution in ALL for module in distribution.modules()]
    names = [name for name in names if not name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
