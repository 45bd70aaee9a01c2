"""Settings that are read again while the server runs: what of them comes into force, and what needs a restart.

Rule: all or nothing. What is new is judged whole, by the classes and by every plugin, before anything is changed; what
is bad is named, and the old settings stay as they were. A field says in its metadata that it may change (`reload`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from rtcore.settings import Resolved, toml

if TYPE_CHECKING:
    from rtcore.app import App

T = TypeVar("T")


@attrs.frozen
class Reloaded:
    """What came of it.

    Attributes:
        changed: the keys that have another value now.
        kept: those that were given another value, which needs a restart.
    """

    changed: tuple[str, ...]
    kept: tuple[str, ...]


def judged(app: App, new: Resolved) -> tuple[Resolved, Reloaded, list[Callable[[], None]]]:
    """Return what would be in force, what that changes, and what the plugins do to put it in force.

    Args:
        app: with what is in force now.
        new: what was read.

    Raises:
        Exception: a plugin does not take it.
    """
    changed: list[str] = []
    kept: list[str] = []
    options = _merged(app.resolved.options, new.options, (), changed, kept)
    sections = {
        name: _merged(old, new.sections[name], (name,), changed, kept)
        for name, old in app.resolved.sections.items()
    }
    merged = Resolved(options, sections, new.sources)
    steps = [
        impl.function(*[{"app": app, "settings": merged}[name] for name in impl.argnames])
        for impl in app.hook.rtcore_reload.get_hookimpls()
    ]
    return merged, Reloaded(tuple(changed), tuple(kept)), [step for step in steps if step is not None]


def _merged(old: T, new: T, path: toml.Path, changed: list[str], kept: list[str]) -> T:
    """Return the old settings with those of the new ones that may change."""
    changes: dict[str, Any] = {}
    for field in attrs.fields(type(old)):  # type: ignore[arg-type]  # settings are attrs classes
        value = getattr(new, field.name)
        if value == getattr(old, field.name):
            continue
        name = field.alias or field.name
        key = toml.key_text((*path, name))
        if field.metadata.get("reload"):
            changes[name] = value
            changed.append(key)
        else:
            kept.append(key)
    return attrs.evolve(old, **changes) if changes else old  # type: ignore[misc]  # as above
