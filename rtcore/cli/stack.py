"""What every command starts from: the settings that were given, and the plugins that they select."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from rtcore import plugins, settings
from rtcore.settings.sources import CONFIG_VARIABLE

if TYPE_CHECKING:
    import pluggy

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """Add `--config` and `--set`, as `config` and `sets`."""
    file = click.option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
        help=f"The settings [default: {settings.DEFAULT_FILE}, if it is here].",
    )
    sets = click.option(
        "--set",
        "sets",
        metavar="KEY=VALUE",
        multiple=True,
        help="One setting; wins over file and environment.",
    )
    return file(sets(command))


def sources(config: str | None = None, sets: Sequence[str] = ()) -> settings.Sources:
    """Read the file that is named, or the one in this directory if there is one; then environment and `sets`.

    Raises:
        SettingsError: the file cannot be read or is not TOML.
    """
    file = config or (settings.DEFAULT_FILE if Path(settings.DEFAULT_FILE).is_file() else None)
    return settings.load(file, os.environ, sets)


@attrs.frozen
class Stack:
    """Settings as they were given and the plugins that they select, loaded as far as they can be."""

    sources: settings.Sources
    manager: pluggy.PluginManager
    report: plugins.Report

    @classmethod
    def read(cls, config: str | None = None, sets: Sequence[str] = ()) -> Stack:
        """Load without raising what is fatal; it is in the report.

        Raises:
            SettingsError: the file cannot be read or is not TOML.
        """
        given = sources(config, sets)
        manager = plugins.new_manager()
        report = plugins.load(
            manager,
            named=given.names("plugins"),
            disabled=given.names("disabled") or (),
            required=given.sections(),
            strict=False,
        )
        return cls(given, manager, report)

    def resolve(self) -> settings.Resolved:
        """Judge the settings.

        Raises:
            SettingsError: with every problem there is.
            PluginError: a plugin's settings class is unfit.
        """
        classes = plugins.settings_classes(self.manager)
        return settings.resolve(self.sources, classes, ignored=self.report.idle, plain=self.report.loaded)
