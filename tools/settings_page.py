"""Writes the tables of docs/settings.md from the settings classes: `python tools/settings_page.py` after a change.

A table stands between `<!-- settings: NAME -->` and `<!-- end -->`; NAME is `rtcore` for the kernel's own keys, or a
plugin. Everything around the tables is written by hand and stays. A table whose plugin is not installed stays, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import attrs

from rtcore.plugins import load, new_manager, settings_classes
from rtcore.settings import Options, toml
from rtcore.settings.words import help_text, type_text

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "settings.md"
BLOCK = re.compile(r"(<!-- settings: (?P<name>[a-z0-9_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
LAST = "## For plugin authors\n"  # what follows the plugins' tables
HEAD = "| Key | Default | Takes | What it does |\n|---|---|---|---|\n"


def classes() -> dict[str, type[Any]]:
    """The settings classes of the kernel and of every plugin that is installed here."""
    manager = new_manager()
    load(manager, strict=False)
    return {"rtcore": Options, **settings_classes(manager)}


def ours(known: Mapping[str, type[Any]]) -> dict[str, type[Any]]:
    """Those of this tree: whatever else is installed has a page of its own."""
    tree = {"rtcore", *(folder.name for folder in (ROOT / "plugins").iterdir())}
    return {name: cls for name, cls in known.items() if name in tree}


def page(text: str, known: Mapping[str, type[Any]]) -> str:
    """Return the page with the tables of the known classes made anew."""

    def block(found: re.Match[str]) -> str:
        cls = known.get(found["name"])
        return found[0] if cls is None else f"{found[1]}{HEAD}{''.join(rows(cls))}{found[3]}"

    return BLOCK.sub(block, text)


def completed(text: str, known: Mapping[str, type[Any]]) -> str:
    """Return the page with an empty table for each class that has none, in the order of names."""
    for name in sorted(known.keys() - {found["name"] for found in BLOCK.finditer(text)}):
        later = [n for found in BLOCK.finditer(text) if (n := found["name"]) > name and n != "rtcore"]
        at = text.index(f"### {later[0]}\n" if later else LAST)
        text = f"{text[:at]}### {name}\n\n<!-- settings: {name} -->\n<!-- end -->\n\n{text[at:]}"
    return text


def rows(cls: type[Any], path: str = "") -> Iterator[str]:
    """One line per key; the class of a nested table follows its key."""
    for field in attrs.fields(attrs.resolve_types(cls)):
        key = path + (field.alias or field.name)
        inner = nested(field.type)
        if inner is not None and inner is field.type:
            yield from rows(inner, f"{key}.")
            continue
        text = help_text(cls, field.name)
        if field.metadata.get("reload"):
            text += " Read again on SIGHUP."
        yield f"| `{key}` | {default(field)} | {escaped(takes(field))} | {escaped(text)} |\n"
        if inner is not None:
            yield from rows(inner, f"{key}.‹name›.")


def nested(type_: Any) -> type[Any] | None:
    """The attrs class that a type is, or holds: `Policy`, `dict[str, Policy]`, `Policy | None`."""
    if isinstance(type_, type) and attrs.has(type_):
        return type_
    return next((found for arg in get_args(type_) if (found := nested(arg)) is not None), None)


def default(field: attrs.Attribute[Any]) -> str:
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    if value is None:
        return ""
    big = type(value) is int and value >= 10_000
    text = f"{value:_}" if big else toml.value_text(value)
    unit = field.metadata.get("unit", "")
    return f"`{escaped(text)}`{f' {unit}' if unit else ''}"


def takes(field: attrs.Attribute[Any]) -> str:
    text = type_text(field.type, field.validator)
    if field.metadata.get("secret"):
        text += '; a secret: also `{file = "path"}` or `{env = "NAME"}`'
    return text


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    known = classes()
    made = page(completed(text, ours(known)), known)
    PAGE.write_text(made, encoding="utf-8")
    print(f"{PAGE.name}: {'written anew' if made != text else 'is as the classes say'}")


if __name__ == "__main__":
    main()
