"""What is in force: sources judged against the classes, every problem at once, the origin of every value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

import attrs

from rtcore.errors import Problem, RtcoreError, SettingsError
from rtcore.settings import toml
from rtcore.settings.faults import Fault, Unfit, nearest
from rtcore.settings.options import Options
from rtcore.settings.shape import Shaper
from rtcore.settings.sources import Sources
from rtcore.settings.words import help_text

T = TypeVar("T")


@attrs.frozen
class Row:
    """One key as `rtcore config` prints it; `value` is TOML, or `(secret)`."""

    key: str
    value: str
    origin: str
    help: str = ""


@attrs.frozen
class Resolved:
    """Settings in force.

    Attributes:
        options: the kernel's own.
        sections: a plugin's name → the instance of its settings class.
        sources: where they came from.
    """

    options: Options
    sections: Mapping[str, Any]
    sources: Sources

    def section(self, cls: type[T]) -> T:
        """Return the instance of a plugin's settings class.

        Raises:
            RtcoreError: no plugin that runs has this class.
        """
        for instance in self.sections.values():
            if type(instance) is cls:
                return instance
        raise RtcoreError(f"no plugin that runs has the settings class {cls.__module__}.{cls.__qualname__}")

    def origin(self, keypath: str) -> str:
        """Return where a value came from: `default`, `file rtcore.toml`, `env RTCORE_…`, `command line`, `program`.

        Raises:
            ValueError: `keypath` is no TOML key.
        """
        return self.sources.origin(toml.key(keypath))

    def rows(self) -> Iterator[Row]:
        """Yield every key in force: the kernel's, then each plugin's, in the order of their classes."""
        yield from self._rows(self.options, ())
        for name, instance in self.sections.items():
            yield from self._rows(instance, (name,))

    def _rows(self, instance: Any, path: tuple[str, ...]) -> Iterator[Row]:
        for field in attrs.fields(type(instance)):
            value, key = getattr(instance, field.name), (*path, field.alias or field.name)
            secret = bool(field.metadata.get("secret"))
            if attrs.has(type(value)) and not secret:
                yield from self._rows(value, key)
                continue
            if (
                isinstance(value, Mapping)
                and value
                and all(attrs.has(type(x)) for x in value.values())
                and not secret
            ):
                for name, inner in value.items():
                    yield from self._rows(inner, (*key, str(name)))
                continue
            text = "(secret)" if secret and value else toml.shown_text(value)
            yield Row(
                toml.key_text(key), text, self.sources.origin(key), help_text(type(instance), field.name)
            )


def resolve(
    sources: Sources,
    sections: Mapping[str, type[Any]],
    *,
    ignored: Collection[str] = (),
    plain: Collection[str] = (),
) -> Resolved:
    """Structure and check everything.

    Args:
        sources: what was given.
        sections: plugin name → its settings class.
        ignored: plugins that are disabled or cannot load; their sections wait for them, unread.
        plain: plugins that run and have no settings.

    Raises:
        SettingsError: with every problem there is.
    """
    shaper = Shaper(folder=sources.folder, env=sources.env)
    problems = list(sources.problems)
    known = {f.name for f in attrs.fields(Options)}
    tops: dict[str, Any] = {}
    for key, value in sources.tree.items():
        if key in known:
            tops[key] = value
        elif key not in sections and key not in ignored:
            problems.append(_stranger(key, value, sources, sections, plain))

    options = _shaped(shaper, tops, Options, (), sources, problems)
    made = {
        name: _shaped(shaper, sources.tree.get(name, {}), cls, (name,), sources, problems)
        for name, cls in sorted(sections.items())
    }
    if problems:
        raise SettingsError(problems)
    return Resolved(options, made, sources)


def _shaped(
    shaper: Shaper,
    value: Any,
    cls: type[Any],
    path: tuple[str, ...],
    sources: Sources,
    problems: list[Problem],
) -> Any:
    try:
        return shaper.shape(value, cls)
    except Unfit as unfit:
        problems += [_problem(fault, path, sources) for fault in unfit.faults]
        return None


def _problem(fault: Fault, under: tuple[str, ...], sources: Sources) -> Problem:
    path = (*under, *fault.path)
    near = toml.key_text((*path[:-1], fault.nearest)) if fault.nearest else None
    origin = sources.origin(path)
    return Problem(
        toml.key_text(path) or "the top level",
        fault.given,
        fault.expected,
        "" if origin == "default" else origin,
        near,
    )


def _stranger(
    key: str, value: object, sources: Sources, sections: Mapping[str, type[Any]], plain: Collection[str]
) -> Problem:
    """Describe a top-level key that is neither the kernel's nor a plugin's."""
    origin, name = sources.origin((key,)), toml.key_text((key,))
    if key in plain:
        return Problem(name, "settings for a plugin that has none", "no such section", origin)
    names = sorted([*sections, *plain])
    if key in Sources(tree={key: value}).sections():
        installed = f"a plugin that runs: {', '.join(names)}" if names else "no section: no plugin runs"
        return Problem(
            name, f"section `{key}`, which belongs to no plugin", installed, origin, nearest(key, names)
        )
    options = [f.name for f in attrs.fields(Options)]
    # `port` without its section is the commonest slip of all.
    inside = [
        f"{n}.{key}" for n, cls in sections.items() if key in {f.alias or f.name for f in attrs.fields(cls)}
    ]
    near = inside[0] if len(inside) == 1 else nearest(key, [*options, *names])
    return Problem(name, "an unknown key", "a key of the kernel or a plugin's section", origin, near)
