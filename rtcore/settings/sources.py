"""Where settings come from: the file, the environment, the command line, or a program's mapping.

Rule: nothing is judged here but syntax. Text from the environment or the command line stays `Text` until the
type of its key is known: `RTCORE_NODE=7` is the name "7", `RTCORE_BATCH_SIZE=7` the number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import attrs

from rtcore.errors import Problem, SettingsError
from rtcore.settings import toml

#: Read by `rtcore` in the working directory when no other file is named.
DEFAULT_FILE = "rtcore.toml"

PREFIX = "RTCORE_"
CONFIG_VARIABLE = "RTCORE_CONFIG"  # names the file; not a key

# Kubernetes tells every container about a Service called `rtcore`, in variables that look like ours.
_SERVICE_LINK = re.compile(
    r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class Text(str):
    """A value as somebody typed it, outside of TOML. `exposed`: on the command line, where everybody can read it."""

    __slots__ = ("exposed",)
    exposed: bool

    def __new__(cls, text: str, *, exposed: bool = False) -> Self:
        self = super().__new__(cls, text)
        self.exposed = exposed
        return self


@attrs.frozen
class Sources:
    """All that was given, merged, with the origin of each value.

    Attributes:
        tree: the merged table; a later layer replaces values and merges tables.
        origins: key path → `file rtcore.toml`, `env RTCORE_…`, `command line`, `program`.
        folder: what relative paths of secrets start from: the file's folder, or the working directory.
        env: the environment, for secrets that are `{env = "NAME"}`.
        problems: what could not be read; `resolve` reports it with everything else.
    """

    tree: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    origins: Mapping[toml.Path, str] = attrs.field(factory=dict)
    folder: Path = attrs.field(factory=Path)
    env: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()

    def origin(self, path: toml.Path) -> str:
        """Return where a value came from: its own origin, or that of the nearest table or list around it."""
        for n in range(len(path), 0, -1):
            if path[:n] in self.origins and (n == len(path) or not self._is_open(path[:n])):
                return self.origins[path[:n]]
        return "default"

    def _is_open(self, path: toml.Path) -> bool:
        """Whether a table is there whose keys have origins of their own."""
        node: Any = self.tree
        for part in path:
            node = node[part]
        return isinstance(node, dict)

    def sections(self) -> tuple[str, ...]:
        """Return the names of the top-level tables: plugins that somebody has named by configuring them."""
        return tuple(sorted(name for name, value in self.tree.items() if _is_table(value)))

    def names(self, key: str) -> tuple[str, ...] | None:
        """Return a top-level list of names, or `None` where it is absent or no such list.

        For `plugins` and `disabled`, which are needed before settings can be checked; `resolve` reports a wrong one.
        """
        value = self.tree.get(key)
        items = split(value) if isinstance(value, Text) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            return None
        # From the command line `["a"]` comes as text, its items too, in their quotes.
        return tuple(
            str(spelt(item) if isinstance(item, Text) and item[:1] in {'"', "'"} else item) for item in items
        )


def _is_table(value: object) -> bool:
    inline = isinstance(value, Text) and value.startswith("{")
    return inline or isinstance(value, Mapping) or attrs.has(type(value))


def spelt(text: Text) -> Any:
    """Return the TOML value that text spells, or else the text; what was exposed stays so inside of it."""
    try:
        value = toml.value(text)
    except ValueError:
        return text
    return _exposed(value) if text.exposed and isinstance(value, dict | list) else value


def _exposed(value: Any) -> Any:
    match value:
        case dict():
            return {key: _exposed(inner) for key, inner in value.items()}
        case list():
            return [_exposed(inner) for inner in value]
        case str():
            return Text(toml.value_text(value), exposed=True)  # in quotes: it is text, whatever it looks like
        case _:
            return value


def split(text: Text) -> Any:
    """Read text as a list: TOML's `["a", "b"]`, or `a,b`. Anything else that TOML knows is returned as it is."""
    read = spelt(text)
    if isinstance(read, str) and text[:1] not in {'"', "'"}:
        return [Text(part.strip(), exposed=text.exposed) for part in text.split(",") if part.strip()]
    return read


def load(
    file: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Iterable[str] = (),
) -> Sources:
    """Read the file, the `RTCORE_…` variables of `env`, and `key=value` overrides; none of them is needed.

    Raises:
        SettingsError: the file cannot be read, or is not TOML. All else waits for `resolve`.
    """
    merge = _Merge()
    if file is not None:
        try:
            merge.table(toml.read(file), f"file {os.fspath(file)}")
        except toml.UnreadableError as error:
            merge.problems.append(error.problem)
            raise SettingsError(merge.problems) from None
    env = {} if env is None else env
    merge.environment(env)
    for override in overrides:
        merge.override(override)
    folder = Path(file).parent if file is not None else Path()
    return Sources(merge.tree, merge.origins, folder, env, tuple(merge.problems))


def from_mapping(settings: Mapping[str, Any], *, env: Mapping[str, str] | None = None) -> Sources:
    """Take a program's own settings, nested as the file is. The environment serves only `{env = "NAME"}` secrets."""
    merge = _Merge()
    merge.table(settings, "program")
    return Sources(
        merge.tree, merge.origins, Path(), os.environ if env is None else env, tuple(merge.problems)
    )


class _Merge:
    """The layers, one upon another."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.origins: dict[toml.Path, str] = {}
        self.problems: list[Problem] = []

    def table(self, table: Mapping[Any, Any], origin: str, path: tuple[str, ...] = ()) -> None:
        for key, value in table.items():
            if not isinstance(key, str):
                self.problems.append(
                    Problem(toml.key_text((*path, str(key))), "a key that is no text", "text", origin)
                )
            elif isinstance(value, Mapping):
                self.put((*path, key), {}, origin)
                self.table(value, origin, (*path, key))
            else:
                self.put((*path, key), value, origin)

    def environment(self, env: Mapping[str, str]) -> None:
        in_kubernetes = "KUBERNETES_SERVICE_HOST" in env
        for name in sorted(env):
            rest = name.removeprefix(PREFIX)
            if name in {rest, CONFIG_VARIABLE}:
                continue
            if in_kubernetes and "__" not in rest and _SERVICE_LINK.fullmatch(rest):
                continue
            parts = tuple(rest.lower().split("__"))
            if all(parts):
                self.put(parts, Text(env[name]), f"env {name}")
            else:
                self.problems.append(
                    Problem(name, "an empty part", "names joined by two underscores", f"env {name}")
                )

    def override(self, text: str) -> None:
        for sign in re.finditer("=", text):  # a quoted key may hold one too
            try:
                path = toml.key(text[: sign.start()])
            except ValueError:
                continue
            value = text[sign.end() :].strip()
            self.put(path, Text(value, exposed=True), "command line")
            return
        # What stands behind the sign may be a secret.
        shown = text.partition("=")[0].strip() or "--set"
        self.problems.append(Problem(shown, "no key=value", "key=value, the key as in TOML", "command line"))

    def put(self, path: tuple[str, ...], value: Any, origin: str) -> None:
        node = self.tree
        for n, part in enumerate(path[:-1], 1):
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {}
                self.origins[path[:n]] = origin
            node = below
        if value == {} and isinstance(value, dict) and isinstance(node.get(path[-1]), dict):
            return  # a table meets a table: their keys decide
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]
        table = spelt(value) if isinstance(value, Text) and value.startswith("{") else None
        self.origins[path] = origin
        if isinstance(table, dict) and table:  # an inline table: its keys have origins, too
            node[path[-1]] = {}
            self.table(table, origin, path)
        else:
            node[path[-1]] = value
