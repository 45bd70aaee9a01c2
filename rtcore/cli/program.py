"""The program itself: its commands, those of plugins, and errors as text.

Rule: what is the user's to mend is said without a traceback, on stderr, with exit code 2.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

import click

from rtcore import __version__

_COMMANDS = ("check", "config", "plugins", "serve")


class Trouble(click.ClickException):
    """An error of settings, plugins or the machine; `lines` say all of it."""

    exit_code = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"rtcore: {self.message}", file=file, err=file is None)


class Program(click.Group):
    """The kernel's commands, and those that plugins contribute through `rtcore_commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *sorted(self._contributed(ctx, self._regret))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            command = getattr(import_module(f"rtcore.cli.{cmd_name}"), cmd_name)
            return command if isinstance(command, click.Command) else None
        return self._contributed(ctx, self._refuse).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        from rtcore.errors import RtcoreError

        try:
            return super().invoke(ctx)
        except RtcoreError as error:
            raise Trouble(str(error), *getattr(error, "__notes__", ())) from None

    @staticmethod
    def _contributed(ctx: click.Context, failed: Callable[[Exception], None]) -> dict[str, click.Command]:
        """Load plugins once per run, and only when a command is none of ours."""
        from rtcore.cli.contributed import commands
        from rtcore.errors import RtcoreError

        if not isinstance(ctx.meta.get(__name__), dict):
            try:
                ctx.meta[__name__] = commands(taken=_COMMANDS)
            except RtcoreError as error:
                ctx.meta[__name__] = {}
                failed(error)
        found: dict[str, click.Command] = ctx.meta[__name__]
        return found

    @staticmethod
    def _regret(error: Exception) -> None:
        """Help is printed whatever plugins do."""
        click.echo(f"rtcore: the commands of plugins are missing: {error}", err=True)

    @staticmethod
    def _refuse(error: Exception) -> None:
        raise Trouble(str(error), *getattr(error, "__notes__", ())) from None


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rtcore", message="%(prog)s %(version)s")
def main() -> None:
    """A realtime server, assembled from plugins."""
