"""Verbs about the configuration: init, validate, schema."""

from __future__ import annotations

import sys
from collections.abc import Sized
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from ..config.problems import Problem
from ..config.validate import Report
from ..config.validate import validate as look
from ..core.errors import InputError
from .failures import LATER, USAGE
from .output import console, json_out, say
from .session import session

_PANEL = "Configuration"


def register(cli: typer.Typer) -> None:
    for verb in (init, validate, schema):
        cli.command(rich_help_panel=_PANEL)(verb)


def init(
    ctx: typer.Context,
    wsdl: Annotated[str | None, typer.Option("--wsdl", metavar="URL", help="A SOAP service's WSDL, file or URL.", show_default=False)] = None,
    database: Annotated[str | None, typer.Option("--database", metavar="URL", help="postgresql://... mysql://... sqlite:///file", show_default=False)] = None,
    sftp: Annotated[str | None, typer.Option("--sftp", metavar="URL", help="sftp://user@host/folder", show_default=False)] = None,
    amqp: Annotated[str | None, typer.Option("--amqp", metavar="URL", help="amqp://user:password@host/vhost", show_default=False)] = None,
) -> None:  # fmt: skip
    """
    Write a working configuration from what is found.

    Effects are proposed in comments only: what an operation does, only you know.
    """
    from ..config.propose import propose

    session(ctx).here_only("init")
    target = Path(session(ctx).config or "drawbar.yaml")
    if target.exists():
        raise InputError(f"{target} is there already", reason="conflict", next="name another file by -c")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}")
    made = propose(target.parent, wsdl=wsdl, database=database, sftp=sftp, amqp=amqp)
    with target.open("x", encoding="utf-8") as file:
        file.write(made.text)
    if session(ctx).as_json:
        json_out({"file": str(target), "found": made.found, "failed": made.failed, "exports": made.exports})
        return
    say(f"{target} is written")
    for line in made.found:
        say(f"  {line}", style="green")
    for line in made.failed:
        say(f"  {line}", style="yellow")
    for variable in made.exports:
        say(f"  export {variable}=...   (the URL or password that you gave; it is not in the file)")
    say("next: drawbar validate, drawbar tools", style="dim")


def validate(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Touch no wire: leave out the last stage.")] = False,
) -> None:
    """
    Check the configuration, all mistakes at once.

    Five stages: syntax, schema, references and expressions, secrets, connections.
    """
    session(ctx).here_only("validate")
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    quiet = session(ctx).as_json or not sys.stderr.isatty()
    with Progress(*columns, console=console(stderr=True), transient=True, disable=quiet) as progress:
        bar = progress.add_task("looking")
        report = look(
            session(ctx).config,
            offline=offline,
            seen=lambda name: progress.update(bar, description=name),
            queues=session(ctx).queues(),
        )
    if session(ctx).as_json:
        shown = {"problems": report.problems, "warnings": report.warnings}
        said = {name: [one.as_json() for one in found] for name, found in shown.items()}
        json_out({"ok": not report.problems, **said, "stages": report.stages, "notes": report.notes})
    else:
        _print(report)
    if report.problems:
        away = all(problem.stage == "connect" for problem in report.problems)
        raise typer.Exit(LATER if away else USAGE)


def _print(report: Report) -> None:
    for problem in report.problems:
        _line(problem, "")
    for warning in report.warnings:
        _line(warning, "warning: ")
    count = len(report.problems)
    if count:
        say(f"\n{count} mistake{'s' if count != 1 else ''}", style="red", stderr=True)
        return
    config = report.config
    assert config is not None
    if not config.files:
        say("there is no configuration here: the empty one is fine; `drawbar init` writes a first one")
        return
    parts: dict[str, Sized] = {
        "system": config.adapters,
        "workflow": config.workflows,
        "sync": config.syncs,
        "agent": config.agents,
    }
    counted = ", ".join(f"{len(some)} {word}{'s' if len(some) != 1 else ''}" for word, some in parts.items() if some)
    for note in report.notes:
        say(note, style="dim")
    say(f"{counted or 'nothing registered'}; {', '.join(report.stages)}: fine", style="green")


def _line(problem: Problem, prefix: str) -> None:
    say(f"{problem.spot}: {prefix}{str(problem).removeprefix(f'{problem.spot}: ')}", stderr=True)


def schema(ctx: typer.Context) -> None:
    """
    Print the configuration's JSON Schema.

    Editors use it by `# yaml-language-server: $schema=./drawbar.schema.json` in the first line.
    """
    from ..config.schema import published

    json_out(published())
