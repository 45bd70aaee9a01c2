"""`rtcore config`: what is in force, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from rtcore.cli import stack
from rtcore.settings import Row


@click.command()
@stack.options
def config(config: str | None, sets: tuple[str, ...]) -> None:
    """Print what is in force, as TOML, and where each value came from."""
    it = stack.Stack.read(config, sets)
    it.report.raise_fatal()
    for line in lines(it.resolve().rows()):
        click.echo(line)


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Write rows as TOML; what TOML cannot say (unset, a secret) is a comment."""
    section = ""
    for row in rows:
        name, _, rest = row.key.partition(".")
        if rest and name != section:
            section = name
            yield f"\n[{name}]"
        key = rest or name
        text = f"# {key}: {row.value}" if row.value in {"unset", "(secret)"} else f"{key} = {row.value}"
        yield f"{text:<44} # {row.origin}"
