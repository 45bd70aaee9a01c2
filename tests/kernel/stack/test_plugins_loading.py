"""Plugins are found, checked against the hooks, and registered whole or not at all."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pluggy
import pytest

from rtcore import hooks
from rtcore.errors import PluginError
from rtcore.hooks import hookimpl
from rtcore.plugins import Report, discover, given, load, new_manager, settings_classes

CODECS = """
@hookimpl
def rtcore_codecs(app):
    return [__name__]
"""

ROUTES = """
class Specs:
    @staticmethod
    @hookspec
    def rtcore_{name}_routes(app, prefix):
        "Routes."

@hookimpl
def rtcore_addhooks():
    return Specs
"""

ROUTER = """
@hookimpl
def rtcore_{name}_routes(app):
    return "routed"
"""


@pytest.fixture
def manager() -> pluggy.PluginManager:
    return new_manager()


def names(manager: pluggy.PluginManager) -> list[str]:
    return [name for name, plugin in manager.list_name_plugin() if plugin is not None]


def lax(manager: pluggy.PluginManager, **options: Any) -> Report:
    return load(manager, strict=False, **options)


# -- what is found ---------------------------------------------------------------------------------------


def test_nothing_installed_is_fine(manager, shelf) -> None:
    report = load(manager)
    assert report.rows == ()
    assert names(manager) == []


def test_installed_plugins_load_in_the_order_of_their_names(manager, shelf) -> None:
    for name in ("zebra", "ant", "mole"):
        shelf.add(name, CODECS)
    report = load(manager)
    assert [c.name for c in discover()] == ["ant", "mole", "zebra"]
    assert report.loaded == ("ant", "mole", "zebra")
    assert names(manager) == ["ant", "mole", "zebra"]


def test_a_row_says_what_a_plugin_is(manager, shelf) -> None:
    shelf.add("ant", CODECS + ROUTES.format(name="ant"), version="2.5", distribution="ants")
    row = load(manager)["ant"]
    assert (row.name, row.distribution, row.version, row.status) == ("ant", "ants", "2.5", "loaded")
    assert row.hooks == ("rtcore_addhooks", "rtcore_codecs")
    assert (row.services, row.reason, row.fatal) == ((), "", False)


def test_only_the_named_are_imported(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    shelf.add("bad", "raise RuntimeError('boom')")
    report = load(manager, named=["ant"])
    assert report.loaded == ("ant",)
    assert [row.name for row in report] == ["ant"]


def test_the_disabled_are_not_imported(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    shelf.add("bad", "raise RuntimeError('boom')")
    report = load(manager, disabled=["bad"], required=["bad"])
    assert report.loaded == ("ant",)
    assert report.idle == ("bad",)
    assert (report["bad"].status, report["bad"].reason) == ("disabled", "disabled in the settings")


def test_disabling_wins_over_naming(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    assert load(manager, named=["ant", "gone"], disabled=["ant", "gone"]).loaded == ()


def test_disabling_what_is_not_installed_is_a_warning(manager, shelf) -> None:
    shelf.add("ratelimit", CODECS)
    assert load(manager, disabled=["rate_limit"]).warnings == (
        "disabled names `rate_limit`, which is not installed; did you mean `ratelimit`?",
    )


def test_a_report_knows_no_strangers(manager, shelf) -> None:
    with pytest.raises(KeyError):
        load(manager)["ant"]


# -- what is handed over ------------------------------------------------------------------------------------


class Chatty:
    name = "chat"

    @hookimpl
    def rtcore_codecs(self) -> list[str]:
        return [self.name]


class Quiet:
    @hookimpl
    def rtcore_codecs(self) -> list[str]:
        return []


def module(name: str, **contents: object) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update({"__rtcore_api__": 1, **contents})
    return made


def test_plugins_that_are_handed_over_need_no_entry_points(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    report = load(
        manager, explicit=[Chatty(), Quiet(), module("rtcore_web_socket"), module("my.house.bridge")]
    )
    assert report.loaded == ("bridge", "chat", "quiet", "web_socket")
    assert manager.hook.rtcore_codecs(app=None) == [[], ["chat"]]


def test_none_handed_over_is_none_at_all(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    assert load(manager, explicit=[]).rows == ()


def test_names_in_the_settings_are_loaded_as_well(manager, shelf) -> None:
    shelf.add("ant", CODECS)
    shelf.add("bee", CODECS)
    assert load(manager, explicit=[Chatty()], named=["bee"]).loaded == ("bee", "chat")


def test_what_is_handed_over_wins_over_what_is_installed(manager, shelf) -> None:
    shelf.add("chat", CODECS)
    load(manager, explicit=[Chatty()], named=["chat"])
    assert manager.hook.rtcore_codecs(app=None) == [["chat"]]


def test_what_is_handed_over_can_be_disabled(manager, shelf) -> None:
    assert load(manager, explicit=[Chatty()], disabled=["chat"]).loaded == ()


def test_the_distribution_of_a_module_is_found(manager) -> None:
    import pluggy as some_module

    candidate = given(some_module)
    assert (candidate.distribution, candidate.version) == ("pluggy", some_module.__version__)
    assert given(module("rtcore_no_such_thing")).distribution is None


def test_a_name_is_no_plugin(manager) -> None:
    with pytest.raises(PluginError, match=r'is a name; name it in the settings, plugins = \["http"\]'):
        load(manager, explicit=["http"])


def test_a_class_is_no_plugin(manager) -> None:
    with pytest.raises(PluginError, match=r"is a class; give an instance: Chatty\(\)"):
        load(manager, explicit=[Chatty])


# -- what cannot be loaded ------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "raises": ({"source": "raise RuntimeError('boom')"}, "cannot be imported: RuntimeError: boom"),
    "ends": ({"source": "raise SystemExit(3)"}, "cannot be imported: SystemExit: 3"),
    "syntax": ({"source": "def"}, "cannot be imported: SyntaxError: "),
    "needs": (
        {"source": "import rtcore_nothing.at_all"},
        "No module named 'rtcore_nothing'; install `rtcore_nothing`, or rtcore-needs again",
    ),
    "lacks": ({"target": ":plugin"}, "cannot be imported: AttributeError: "),
    "silent": ({"head": ""}, "does not say which kernel API it needs; add __rtcore_api__ = 1 to it"),
    "newer": (
        {"source": "__rtcore_api__ = 2"},
        "needs version 2 of the kernel API, this is 1; upgrade rtcore",
    ),
    "older": (
        {"source": "__rtcore_api__ = 0"},
        "needs version 0 of the kernel API, this is 1; upgrade rtcore-older",
    ),
    "odd": ({"source": "__rtcore_api__ = '1'"}, "needs version '1' of the kernel API"),
    "classy": (
        {"source": "class P: pass", "target": ":P"},
        "its entry point is a class; point it at a module",
    ),
    "early": (
        {"source": "@hookimpl\ndef rtcore_codec(app): pass"},
        "waits for a hook that nobody declares: `rtcore_codec`; did you mean `rtcore_codecs`?",
    ),
    "lonely": (
        {"source": "@hookimpl\ndef rtcore_zzz_qqq_jjj(app): pass"},
        "install the plugin that declares it, or mark the implementation with optionalhook=True",
    ),
    "greedy": (
        {"source": "@hookimpl\ndef rtcore_codecs(app, registry): pass"},
        "rtcore_codecs takes `registry`, and the hook is given `app`; take only what it is given",
    ),
    "hungry": (
        {"source": "@hookimpl\ndef rtcore_settings(app): pass"},
        "rtcore_settings takes `app`, and the hook is given nothing",
    ),
    "unmarked": (
        {"source": "def rtcore_codecs(app): pass"},
        "`rtcore_codecs` is not marked; put @hookimpl (rtcore.hooks) above it",
    ),
    "slow": (
        {"source": "@hookimpl\nasync def rtcore_codecs(app): pass"},
        "`rtcore_codecs` is async, and hooks never are",
    ),
    "sour": (
        {"source": "@hookimpl\ndef rtcore_addhooks():\n    raise RuntimeError('boom')"},
        "rtcore_addhooks raised RuntimeError: boom",
    ),
    "empty": (
        {"source": "@hookimpl\ndef rtcore_addhooks():\n    return attrs"},
        "rtcore_addhooks returned something without hooks",
    ),
    "alien": (
        {
            "source": """
            class Specs:
                @staticmethod
                @hookspec
                def shiny(app): pass

            @hookimpl
            def rtcore_addhooks():
                return Specs
            """
        },
        "declares `shiny`, a hook that does not begin with rtcore_; call it rtcore_alien_shiny",
    ),
    "thief": (
        {
            "source": """
            class Specs:
                @staticmethod
                @hookspec
                def rtcore_codecs(app): pass

            @hookimpl
            def rtcore_addhooks():
                return Specs
            """
        },
        "declares the hook `rtcore_codecs`, which `rtcore` declares",
    ),
    "wrapped": (
        {"source": "@hookimpl(wrapper=True)\ndef rtcore_codecs(app):\n    return []"},
        "cannot be registered: PluginValidationError",
    ),
    "codec": ({}, "its name is a key of the kernel's own settings; rename its entry point"),
    "Loud": ({}, "its name does not match [a-z][a-z0-9_]*; rename its entry point"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_that_is_merely_installed_is_a_row(manager, shelf, name: str) -> None:
    parts, reason = BROKEN[name]
    shelf.add(name, **parts)
    shelf.add("sound", CODECS)
    report = load(manager)
    assert report.loaded == ("sound",)
    assert report[name].status == "failed"
    assert reason in report[name].reason
    assert names(manager) == ["sound"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_that_was_named_is_fatal_and_the_manager_stays_empty(
    manager, shelf, name: str
) -> None:
    parts, reason = BROKEN[name]
    shelf.add(name, **parts)
    shelf.add("sound", CODECS)
    before = set(vars(manager.hook))
    with pytest.raises(PluginError) as caught:
        load(manager, named=[name, "sound"])
    assert reason in str(caught.value)
    assert caught.value.distribution == f"rtcore-{name}"
    assert f"plugin `{name}` (distribution rtcore-{name})" in str(caught.value)
    assert names(manager) == []
    assert set(vars(manager.hook)) == before


def test_a_section_in_the_settings_names_a_plugin(manager, shelf) -> None:
    shelf.add("jwt", "raise RuntimeError('boom')")
    with pytest.raises(PluginError, match="boom"):
        load(manager, required=["jwt", "not_installed"])


def test_the_cause_is_kept_for_those_who_debug(manager, shelf) -> None:
    shelf.add("bad", "raise RuntimeError('boom')")
    with pytest.raises(PluginError) as caught:
        load(manager, named=["bad"])
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_named_plugin_that_is_not_installed_is_fatal(manager, shelf) -> None:
    shelf.add("websocket", CODECS)
    with pytest.raises(PluginError) as caught:
        load(manager, named=["websockets"])
    assert str(caught.value) == (
        "plugin `websockets`: is named in the settings and not installed (installed: websocket); "
        "did you mean `websocket`?"
    )


def test_a_named_plugin_far_from_all_others_says_where_it_may_live(manager, shelf) -> None:
    with pytest.raises(PluginError, match=r"no plugin is installed\); pip install rtcore-my-own"):
        load(manager, named=["my_own"])


def test_all_fatal_errors_are_told_together(manager, shelf) -> None:
    shelf.add("bad", "raise RuntimeError('boom')")
    with pytest.raises(PluginError) as caught:
        load(manager, named=["bad", "gone"])
    assert "boom" in str(caught.value)
    assert [note.partition(":")[0] for note in caught.value.__notes__] == ["plugin `gone`"]
    assert len(lax(manager, named=["bad", "gone"]).errors) == 2


def test_two_plugins_with_one_name_are_refused_with_both_distributions(manager, shelf) -> None:
    shelf.add("ant", CODECS, module="rtcore_ant_one", distribution="ant-one")
    shelf.add("ant", CODECS, module="rtcore_ant_two", distribution="ant-two")
    with pytest.raises(
        PluginError, match="its name is claimed twice, by ant-one and ant-two; uninstall one of them"
    ):
        load(manager)
    assert names(manager) == []
    assert load(manager, disabled=["ant"]).loaded == ()


def test_two_objects_with_one_name_are_refused(manager, shelf) -> None:
    with pytest.raises(PluginError, match="claimed twice, by this program and this program"):
        load(manager, explicit=[Quiet(), Quiet()])


# -- hooks of plugins --------------------------------------------------------------------------------------


@pytest.mark.parametrize("declarer", ["aaa", "zzz"])
def test_a_plugin_implements_a_hook_of_another_whatever_their_order(manager, shelf, declarer: str) -> None:
    shelf.add(declarer, ROUTES.format(name=declarer))
    shelf.add("middle", ROUTER.format(name=declarer))
    assert load(manager).loaded == tuple(sorted([declarer, "middle"]))
    assert getattr(manager.hook, f"rtcore_{declarer}_routes")(app=None, prefix="/") == ["routed"]


def test_a_hook_of_a_plugin_that_is_switched_off_says_so(manager, shelf) -> None:
    shelf.add("http", ROUTES.format(name="http"))
    shelf.add("sse", ROUTER.format(name="http"))
    report = load(manager, disabled=["http"])
    assert report["sse"].reason == (
        "waits for a hook that nobody declares: `rtcore_http_routes`; "
        "plugin `http` would declare it and is disabled: disabled in the settings"
    )


def test_a_plugin_that_falls_takes_its_hooks_with_it(manager, shelf) -> None:
    shelf.add("http", ROUTES.format(name="http") + "\n@hookimpl\ndef rtcore_nowhere_to_be_seen(): pass\n")
    shelf.add("sse", ROUTER.format(name="http") + ROUTES.format(name="sse"))
    shelf.add("stats", ROUTER.format(name="sse"))
    shelf.add("ant", CODECS)
    report = load(manager)
    assert report.loaded == ("ant",)
    assert "plugin `http` would declare it and is failed" in report["sse"].reason
    assert "plugin `sse` would declare it and is failed" in report["stats"].reason
    with pytest.raises(PluginError, match="nowhere"):
        load(new_manager(), required=["http"])


def test_an_optional_hook_waits_for_nobody(manager, shelf) -> None:
    shelf.add("sse", "@hookimpl(optionalhook=True)\ndef rtcore_http_routes(app): pass")
    assert load(manager).loaded == ("sse",)


def test_a_function_may_implement_a_hook_under_another_name(manager, shelf) -> None:
    shelf.add("ant", "@hookimpl(specname='rtcore_codecs')\ndef mine(app):\n    return []")
    assert load(manager)["ant"].hooks == ("rtcore_codecs",)


def test_a_hook_that_two_plugins_declare_goes_to_the_first(manager, shelf) -> None:
    shelf.add("one", ROUTES.format(name="shared"))
    shelf.add("two", ROUTES.format(name="shared"))
    report = load(manager)
    assert report.loaded == ("one",)
    assert "declares the hook `rtcore_shared_routes`, which `one` declares" in report["two"].reason


def test_what_a_plugin_imports_is_not_taken_for_a_hook(manager, shelf) -> None:
    shelf.add("http", ROUTES.format(name="http"))
    shelf.add("sse", "from rtcore.hooks import rtcore_codecs\nimport rtcore_http\nrtcore_limit = 3\n")
    assert load(manager).loaded == ("http", "sse")


def test_every_hook_of_the_kernel_can_be_implemented_with_all_it_is_given(manager, shelf) -> None:
    specs = {n: c.spec for n, c in vars(manager.hook).items() if isinstance(c, pluggy.HookCaller) and c.spec}
    assert len(specs) > 15
    source = "".join(
        f"@hookimpl\ndef {name}({', '.join(spec.argnames)}):\n    pass\n\n"
        for name, spec in specs.items()
        if name != "rtcore_addhooks"
    )
    shelf.add("all", source)
    assert set(load(manager)["all"].hooks) == set(specs) - {"rtcore_addhooks"}


# -- settings classes ----------------------------------------------------------------------------------------


def settings_of(shelf, source: str) -> dict[str, type]:
    shelf.add("ant", source)
    manager = new_manager()
    load(manager)
    return settings_classes(manager)


RETURN = "\n@hookimpl\ndef rtcore_settings():\n    return S\n"


def test_a_plugins_settings_class_goes_by_its_name(shelf) -> None:
    classes = settings_of(shelf, "@attrs.frozen\nclass S:\n    x: int = 1\n" + RETURN)
    assert {name: cls.__name__ for name, cls in classes.items()} == {"ant": "S"}


def test_a_plugin_may_have_no_settings_after_all(shelf) -> None:
    assert settings_of(shelf, "S = None" + RETURN) == {}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class S: pass", "is not an attrs class"),
        ("S = 3", "is not an attrs class"),
        ("@attrs.frozen\nclass S:\n    x: int", "field `x` of S has no default"),
        ("@attrs.frozen\nclass S:\n    x: 'Nowhere' = 1", "cannot be resolved at run time: name 'Nowhere'"),
        (
            "@attrs.frozen\nclass S:\n    x: complex = 1j",
            "a type that settings cannot hold: <class 'complex'>",
        ),
        (
            "@attrs.frozen\nclass S:\n    key: str = attrs.field(default='', metadata={'secret': True})",
            "field `key` of S is secret and lacks repr=False",
        ),
        ("S = property()\ndel S", "rtcore_settings raised NameError"),
    ],
)
def test_a_settings_class_that_cannot_work_is_refused(shelf, source: str, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        settings_of(shelf, source + RETURN)
    assert said in str(caught.value)


def test_the_api_version_is_one_number() -> None:
    assert hooks.API_VERSION == 1


def test_loading_leaves_no_trace_in_another_manager(shelf) -> None:
    shelf.add("http", ROUTES.format(name="http"))
    load(new_manager())
    make: Callable[[], pluggy.PluginManager] = new_manager
    assert not hasattr(make().hook, "rtcore_http_routes")
