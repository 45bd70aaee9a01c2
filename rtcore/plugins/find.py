"""Where plugins come from: entry points, and what a program hands over. Nothing is imported here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from types import ModuleType

import attrs

from rtcore.errors import PluginError
from rtcore.hooks import PROJECT

GROUP = PROJECT  # the entry points' group is called as the hooks' project


@attrs.frozen
class Candidate:
    """A plugin that could be loaded. `load` imports it and may raise anything."""

    name: str
    load: Callable[[], object] = attrs.field(repr=False)
    distribution: str | None = None
    version: str | None = None
    found: bool = True  # through an entry point, not given as an object


def discover() -> list[Candidate]:
    """Return what is installed, sorted by name. Nothing is imported."""
    found = []
    for entry in metadata.entry_points(group=GROUP):
        dist = entry.dist
        found.append(
            Candidate(entry.name, entry.load, dist.name if dist else None, dist.version if dist else None)
        )
    return sorted(found, key=lambda c: (c.name, c.distribution or ""))


def given(plugin: object) -> Candidate:
    """Return the candidate for a module or an object that a program hands over.

    A module `rtcore_websocket` is called `websocket`; an object goes by its `name`, or its class's name in lower case.

    Raises:
        PluginError: it is a name or a class, which are no plugins.
    """
    if isinstance(plugin, str):
        raise PluginError(
            plugin, "is a name", mend=f'name it in the settings, plugins = ["{plugin}"], or give the module'
        )
    if isinstance(plugin, type):
        raise PluginError(
            plugin.__name__.lower(), "is a class", mend=f"give an instance: {plugin.__name__}()"
        )
    if isinstance(plugin, ModuleType):
        module = plugin.__name__
        name = module.rpartition(".")[2].removeprefix("rtcore_")
    else:
        module, own = type(plugin).__module__, getattr(plugin, "name", None)
        name = own if isinstance(own, str) else type(plugin).__name__.lower()
    try:
        dist = metadata.distribution(module.partition(".")[0].replace("_", "-"))
    except (metadata.PackageNotFoundError, ValueError):
        return Candidate(name, lambda: plugin, found=False)
    return Candidate(name, lambda: plugin, dist.name, dist.version, found=False)
