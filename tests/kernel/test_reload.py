"""Reading settings again: all or nothing, in the kernel and in every plugin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from rtcore import App, hookimpl
from rtcore.errors import RtcoreError, SettingsError
from rtcore.hangup import Hangup
from rtcore.reloading import Reloaded
from rtcore.settings import Resolved
from rtcore.testing import PlainCodec


@attrs.frozen
class BoxSettings:
    size: int = attrs.field(default=1, validator=attrs.validators.ge(1), metadata={"reload": True})
    place: str = "here"


class Box:
    """A plugin that has a size."""

    __rtcore_name__ = "box"

    def __init__(self) -> None:
        self.size = 0
        self.taken = True

    @hookimpl
    def rtcore_settings(self) -> type:
        return BoxSettings

    @hookimpl
    def rtcore_reload(self, app: App, settings: Resolved) -> Callable[[], None]:
        new = settings.section(BoxSettings)
        assert new.place == "here", "what may not change is as it was"
        if not self.taken:
            raise ValueError("the box is full")

        def apply() -> None:
            assert app.settings(BoxSettings) is new
            self.size = new.size

        return apply


class Mute:
    """A plugin that has nothing to do."""

    @hookimpl
    def rtcore_reload(self) -> None:
        return None


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def app(box: Box) -> App:
    made = App({"max_connections": 5}, plugins=[PlainCodec(), box, Mute()])
    made.boot()
    return made


def section(app: App) -> str:
    """The name of the box's section, which an explicit plugin gets from its class."""
    return next(name for name, value in app.resolved.sections.items() if isinstance(value, BoxSettings))


def test_what_may_change_changes_and_the_rest_is_named(app: App, box: Box) -> None:
    name = section(app)
    found = app.reload({"max_connections": 7, "session_ttl": 1, name: {"size": 3, "place": "there"}})
    assert found == Reloaded(("max_connections", f"{name}.size"), ("session_ttl", f"{name}.place"))
    assert (app.options.max_connections, app.manager.options.max_connections) == (7, 7)
    assert (app.options.session_ttl, app.settings(BoxSettings).place) == (120.0, "here")
    assert box.size == 3


def test_without_new_settings_the_same_are_read_again(app: App, box: Box) -> None:
    assert app.reload() == Reloaded((), ())
    assert box.size == 1, "plugins are asked all the same: files may have changed"
    app.reload({section(app): {"size": 9}})
    assert app.reload().changed == ()
    assert box.size == 9


def test_what_is_wrong_is_named_whole_and_changes_nothing(app: App, box: Box) -> None:
    with pytest.raises(SettingsError) as wrong:
        app.reload({"max_connections": 0, section(app): {"size": 0}, "what": 1})
    assert len(wrong.value.problems) == 3
    assert (app.options.max_connections, box.size) == (5, 0)


def test_a_plugin_that_does_not_take_it_stops_all_of_it(app: App, box: Box) -> None:
    box.taken = False
    with pytest.raises(ValueError, match="the box is full"):
        app.reload({"max_connections": 7})
    assert (app.options.max_connections, box.size) == (5, 0)


def test_other_plugins_need_a_restart(app: App) -> None:
    assert app.reload({"max_connections": 5, "disabled": ["echo"]}).kept == ("disabled",)


def test_an_app_that_has_not_booted_has_nothing_to_read_again() -> None:
    with pytest.raises(RtcoreError, match="has not booted"):
        App(plugins=[]).reload()


# -- what is said of it --------------------------------------------------------------------------------------------


def said(reload: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    with caplog.at_level(logging.INFO, "rtcore.serve"):
        Hangup(reload).again()
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_has_changed_is_said(app: App, caplog: pytest.LogCaptureFixture) -> None:
    assert said(lambda: app.reload({"max_connections": 7, "session_ttl": 1}), caplog) == [
        ("INFO", "read again: max_connections"),
        ("WARNING", "these need a restart, and are as they were: session_ttl"),
    ]


def test_each_problem_is_said_and_that_the_old_settings_stay(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    lines = said(lambda: app.reload({"max_connections": 0, "what": 1}), caplog)
    assert [level for level, _ in lines] == ["ERROR", "ERROR"]
    assert all(text.startswith("not read again, the old settings stay in force: ") for _, text in lines)
    assert any("max_connections" in text for _, text in lines)


def test_whatever_else_goes_wrong_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Reloaded:
        raise OSError("the file is gone")

    assert said(fails, caplog) == [
        ("ERROR", "not read again, the old settings stay in force: the file is gone")
    ]
