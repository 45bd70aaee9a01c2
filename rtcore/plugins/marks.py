"""What functions are hooks, and with which arguments: pluggy's own reading, made visible before registration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast

import pluggy

from rtcore.errors import PluginError
from rtcore.hooks import PROJECT

#: Hook → who declares it, and the names of its arguments.
Specs = Mapping[str, tuple[str, tuple[str, ...]]]

_READER = pluggy.PluginManager(PROJECT)  # reads marks; nothing is registered with it


def declared(namespace: object, owner: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the hooks that a module or class declares. Raises: ValueError: none."""
    scratch = pluggy.PluginManager(PROJECT)
    scratch.add_hookspecs(cast(Any, namespace))
    callers = {
        name: caller for name, caller in vars(scratch.hook).items() if isinstance(caller, pluggy.HookCaller)
    }
    return {name: (owner, tuple(caller.spec.argnames)) for name, caller in callers.items() if caller.spec}


def implementations(plugin: object) -> list[tuple[str, Callable[..., Any], bool]]:
    """Return `(hook, function, optional)` for everything marked `@hookimpl`, by pluggy's own rules.

    Raises:
        PluginError: a function is called like a hook and not marked, or is async.
    """
    found = []
    for name in dir(plugin):
        options = _READER.parse_hookimpl_opts(plugin, name)
        if options is None:
            if name.startswith("rtcore_") and _is_forgotten(plugin, name):
                raise PluginError("", f"`{name}` is not marked", mend="put @hookimpl (rtcore.hooks) above it")
            continue
        function = getattr(plugin, name)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise PluginError(
                "", f"`{name}` is async, and hooks never are", mend="return an object whose methods are"
            )
        found.append((options.get("specname") or name, function, bool(options.get("optionalhook"))))
    return found


def _is_forgotten(plugin: object, name: str) -> bool:
    """Whether a function is meant as a hook: the plugin's own, neither an import nor a declaration."""
    function = getattr(plugin, name, None)
    if not inspect.isroutine(function) or hasattr(function, f"{PROJECT}_spec"):
        return False
    home = plugin.__name__ if isinstance(plugin, ModuleType) else None
    return home is None or getattr(function, "__module__", home) == home


def arguments(function: Callable[..., Any]) -> list[str]:
    """Return the arguments that pluggy would fill in: positional, without a default."""
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in positional and p.default is p.empty]
