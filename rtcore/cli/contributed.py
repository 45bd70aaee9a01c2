"""Commands that plugins contribute. They run with the plugins of the settings in force."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from rtcore.cli.stack import Stack
from rtcore.errors import PluginError


def commands(*, taken: Collection[str]) -> dict[str, click.Command]:
    """Load the plugins of this directory's settings and ask each for its commands.

    Raises:
        SettingsError: the file cannot be read.
        PluginError: a plugin that was named cannot be loaded, raises, or claims a name that is taken.
    """
    stack = Stack.read()
    stack.report.raise_fatal()
    found: dict[str, click.Command] = {}
    owner = dict.fromkeys(taken, "rtcore")
    for implementation in stack.manager.hook.rtcore_commands.get_hookimpls():
        plugin = implementation.plugin_name
        try:
            answer: Any = implementation.function()
            contributed = list(answer or ())
        except Exception as error:
            raise PluginError(plugin, f"rtcore_commands raised {type(error).__name__}: {error}") from error
        for command in contributed:
            if not isinstance(command, click.Command) or not command.name:
                raise PluginError(plugin, f"rtcore_commands returned {command!r}, which is no click.Command")
            if command.name in owner:
                raise PluginError(plugin, f"the command `{command.name}` belongs to `{owner[command.name]}`")
            found[command.name], owner[command.name] = command, plugin
    return found
