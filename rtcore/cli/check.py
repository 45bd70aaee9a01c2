"""`rtcore check`: everything that would keep the server from starting, at once."""

from __future__ import annotations

import click

from rtcore import plugins, settings
from rtcore.cli import stack
from rtcore.errors import PluginError, RtcoreError, SettingsError
from rtcore.plugins.report import count


@click.command()
@stack.options
@click.pass_context
def check(ctx: click.Context, config: str | None, sets: tuple[str, ...]) -> None:
    """Find every problem of settings and plugins without starting; exit code 1 if there is one."""
    try:
        it = stack.Stack.read(config, sets)
    except SettingsError as error:
        fatal, warnings, summary = list(map(str, error.problems)), [], ""
    else:
        fatal = problems(it)
        warnings = [str(row.error) for row in it.report if row.error and not row.fatal]
        warnings += it.report.warnings
        summary = count(it.report)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    for problem in fatal:
        click.echo(f"problem: {problem}", err=True)
    if fatal:
        click.echo(f"{len(fatal)} problem{'s' if len(fatal) != 1 else ''}", err=True)
        ctx.exit(1)
    click.echo(f"ok: {summary}")


def problems(it: stack.Stack) -> list[str]:
    """Return everything that is fatal: what cannot load, what is wrong in the settings, what does not fit together."""
    found: list[str] = list(map(str, it.report.errors))
    classes, idle = {}, it.report.idle
    try:
        classes = plugins.settings_classes(it.manager)
    except PluginError as error:
        found.append(str(error))
        idle = (*idle, *it.report.loaded)  # their sections cannot be judged; the kernel's keys can
    try:
        settings.resolve(it.sources, classes, ignored=idle, plain=it.report.loaded)
    except SettingsError as error:
        found += map(str, error.problems)
    if not found:
        found += _misfits(it.sources)
    return found


def _misfits(sources: settings.Sources) -> list[str]:
    """Boot for real, which ends before anything starts: contributions are made, checked and thrown away."""
    from rtcore.app import App

    try:
        App(sources).boot()
    except RtcoreError as error:
        return [str(error), *getattr(error, "__notes__", ())]
    return []
