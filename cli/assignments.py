"""Verbs for what was handed to agents: assignments, answer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .arguments import json_input
from .follow import follow, top
from .output import json_out, one_line, say, state, table, when
from .service import Json
from .session import session

_PANEL = "What waits for a person"


def register(cli: typer.Typer) -> None:
    for verb in (assignments, answer):
        cli.command(rich_help_panel=_PANEL)(verb)


def assignments(
    ctx: typer.Context,
    agent: Annotated[str | None, typer.Argument(metavar="[AGENT]", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
) -> None:
    """List the tasks that wait for an agent."""
    with session(ctx).service() as service:
        found = service.assignments(agent, state=None if every else "open")
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("nothing waits for an agent", style="dim")
    else:
        rows = (
            (one["id"], state(one["state"]), one["agent"], one["run_id"], _what(one), when(one["due_at"]))
            for one in found
        )
        table(("id", "state", "agent", "run", "what", "until"), rows, wrap="what")


def answer(
    ctx: typer.Context,
    assignment: Annotated[str, typer.Argument(metavar="ID")],
    given: Annotated[
        str | None,
        typer.Option("--input", help="What the task gives: JSON, or @file, or @- for standard input.", show_default=False),
    ] = None,
    error: Annotated[str | None, typer.Option("--error", help="Why it cannot be done: the task fails.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Answer for an agent; an answer is final."""
    if (given is None) == (error is None):
        raise InputError("say what the task gives, or why it cannot be done", next="--input JSON, or --error TEXT")
    output: Any = json_input(given, what="--input")
    with session(ctx).service() as service:
        said = service.answer_assignment(assignment, output=output, error=error)
        if not session(ctx).as_json:
            say(f"{said['state']}: {_what(said)}")
        if service.works:
            follow(service, top(service, said["run_id"]), after=said, as_json=session(ctx).as_json)
        elif session(ctx).as_json:
            json_out(said)


def _what(one: Json) -> str:
    from ..core.values import write_json

    said = one_line(write_json(one.get("input")).decode(), 120)
    return (
        f"{one['task']}: {one_line(one.get('description'), 80)}  {said}"
        if one.get("description")
        else f"{one['task']} {said}"
    )
