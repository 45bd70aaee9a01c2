"""`rtcore plugins`: what is installed, what runs, what each does, and why one does not."""

from __future__ import annotations

import click

from rtcore.cli import stack
from rtcore.errors import RtcoreError
from rtcore.plugins import Report

_STYLES = {"loaded": "green", "disabled": "dim", "failed": "red"}


@click.command()
@stack.options
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def plugins(ctx: click.Context, config: str | None, sets: tuple[str, ...], *, as_json: bool) -> None:
    """List plugins: name, distribution, version, hooks, services, status, reason. Exit code 1 if one is missed."""
    it = stack.Stack.read(config, sets)
    report, trouble = _booted(it)
    if as_json:
        _json(report)
    else:
        _table(report)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    for line in trouble:
        click.echo(f"rtcore: {line}", err=True)
    ctx.exit(1 if trouble else 0)


def _booted(it: stack.Stack) -> tuple[Report, list[str]]:
    """Boot, so that services are known; where that fails, the report of the load alone, and why."""
    if it.report.errors:
        return it.report, list(map(str, it.report.errors))
    from rtcore.app import App

    app = App(it.sources)
    try:
        app.boot()
    except RtcoreError as error:
        return it.report, [str(error)]
    return app.plugins, []


def _json(report: Report) -> None:
    from rich.console import Console

    facts = ("name", "distribution", "version", "hooks", "services", "status", "reason")
    Console().print_json(data=[{fact: getattr(row, fact) for fact in facts} for row in report])


def _table(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not report.rows:
        click.echo("no plugins: nothing is installed in the entry-point group `rtcore`")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("plugin", "distribution", "version", "status", "hooks", "services"):
        table.add_column(column, no_wrap=column in {"plugin", "version", "status"}, overflow="fold")
    for row in report:
        status = Text(row.status, _STYLES[row.status])
        hooks = ", ".join(hook.removeprefix("rtcore_") for hook in row.hooks)
        what = (
            [Text(hooks), Text(", ".join(row.services))]
            if row.status == "loaded"
            else [Text(row.reason), Text("")]
        )
        table.add_row(
            Text(row.name), Text(row.distribution or "this program"), Text(row.version or ""), status, *what
        )
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a pipe has no width; lines stay whole
    console.print(table)
