"""`rtcore serve`: run the server until a signal."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtcore import __version__, plugins, settings
from rtcore.cli import stack
from rtcore.cli.program import Trouble
from rtcore.logs import Formatter
from rtcore.plugins.report import count

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.reloading import Reloaded

_log = logging.getLogger("rtcore")

# asyncio and uvloop say where they could not listen only in the text.
_ADDRESS = re.compile(r"\('(?P<host>[^']*)', (?P<port>\d+)")


@click.command()
@stack.options
@click.option("--host", help="The address to listen on: http.host.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on: http.port; 0 for any that is free."
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="log_level.")
def serve(
    config: str | None, sets: tuple[str, ...], host: str | None, port: int | None, log_level: str | None
) -> None:
    """Run the server. Without settings: every installed plugin, on port 8080."""
    began = _process_began()
    short = {"http.host": host, "http.port": port, "log_level": log_level}
    overrides = [f"{key}={value}" for key, value in short.items() if value is not None]
    given = stack.sources(config, [*sets, *overrides])
    if host is not None or port is not None:
        _needs_http(given)

    from rtcore.app import App
    from rtcore.serve import run

    app = App(given)
    app.boot()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    logging.basicConfig(level=app.options.log_level.upper(), handlers=[handler])

    def again() -> Reloaded:
        """Read all that was given again."""
        found = app.reload(stack.sources(config, [*sets, *overrides]))
        logging.getLogger().setLevel(app.options.log_level.upper())
        return found

    for warning in _warnings(app.plugins):
        _log.warning("%s", warning)
    try:
        run(app, ready=lambda: click.echo(greeting(app, time.monotonic() - began)), reload=again)
    except (OSError, ExceptionGroup) as error:
        reason = unopened(error)
        if reason is None:
            raise
        raise Trouble(reason) from None


def greeting(app: App, took: float) -> str:
    """Return the one line of a server that is ready: where, with what, how fast."""
    urls = " and ".join(addresses([*app.registry.services.values(), *app.registry.transports.values()]))
    where = f"at {urls}" if urls else "with no port of its own"
    return f"rtcore {__version__} is ready {where}: {count(app.plugins)}, {took * 1000:.0f} ms"


def addresses(things: Sequence[object]) -> list[str]:
    """Collect the `urls` of whatever listens, each once."""
    found: dict[str, None] = {}
    for thing in things:
        urls = getattr(thing, "urls", ())
        if isinstance(urls, list | tuple):
            found.update(dict.fromkeys(map(str, urls)))
    return list(found)


def unopened(error: BaseException) -> str | None:
    """Say which port could not be opened and why, if that is what the error is about."""
    for cause in _leaves(error):
        if not isinstance(cause, OSError) or cause.errno not in {
            errno.EADDRINUSE,
            errno.EACCES,
            errno.EADDRNOTAVAIL,
        }:
            continue
        place = _ADDRESS.search(str(cause))
        where = f"port {place['port']} on {place['host']}" if place else "a port"
        match cause.errno:
            case errno.EADDRINUSE:
                return f"{where} is in use; stop what listens there, or choose another one"
            case errno.EACCES:
                return f"{where} may not be opened by this user; ports from 1024 on may"
            case _:
                return f"{where} cannot be opened: this machine does not have that address"
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _needs_http(given: settings.Sources) -> None:
    """`--host` and `--port` mean nothing without the plugin that listens."""
    named, disabled = given.names("plugins"), given.names("disabled") or ()
    if "http" in disabled:
        why = "is disabled in the settings"
    elif named is not None and "http" not in named:
        why = "is not among `plugins` in the settings"
    elif "http" not in {candidate.name for candidate in plugins.discover()}:
        why = "is not installed: pip install rtcore-http"
    else:
        return
    raise Trouble(f"--host and --port belong to the plugin `http`, which {why}")


def _warnings(report: plugins.Report) -> list[str]:
    return [*(str(row.error) for row in report if row.error), *report.warnings]


def _process_began() -> float:
    """Return when this process began, as `time.monotonic` counts; now, where the system does not say."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")  # per second
        since_boot = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return time.monotonic() - max(0.0, since_boot - int(fields[19]) / ticks)
    except (OSError, ValueError, IndexError, AttributeError):  # no /proc, no sysconf
        return time.monotonic()
