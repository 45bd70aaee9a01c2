"""A hook without a heading in docs/hooks.md, with its exact arguments, is a red test."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from rtcore import hooks

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"


def declared() -> list[str]:
    """Every hook as the page must name it, in the order of the file."""
    found = [
        f"{name}({', '.join(inspect.signature(function).parameters)})"
        for name, function in vars(hooks).items()
        if name.startswith("rtcore_") and inspect.isfunction(function)
    ]
    assert len(found) > 15
    return found


def test_every_hook_has_its_heading_in_the_order_in_which_they_fire() -> None:
    headings = re.findall(r"^### `(rtcore_\w+\([^)]*\))`$", PAGE.read_text(), re.MULTILINE)
    assert headings == declared()


def test_every_hook_says_what_it_returns() -> None:
    sections = re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    silent = [
        section.splitlines()[0] for section in sections if "Returns" not in section and "Told" not in section
    ]
    assert silent == []
