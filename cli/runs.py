"""Verbs about runs: run, runs, show, cancel, pause, resume, retry."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import mapping_input
from .follow import follow, summary
from .output import facts, json_out, lasted, one_line, say, state, table, when
from .service import Json
from .session import Reason, session

_PANEL = "Runs"
_Run = Annotated[str, typer.Argument(metavar="RUN")]
_Input = Annotated[
    str | None, typer.Option("--input", help="JSON, or @file, or @- for standard input.", show_default=False)
]


def register(cli: typer.Typer) -> None:
    for verb in (run, runs, show, cancel, pause, resume, retry):
        cli.command(rich_help_panel=_PANEL)(verb)


def run(
    ctx: typer.Context,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW")],
    given: _Input = None,
    key: Annotated[str | None, typer.Option("--key", help="The business case: one run a key at a time.", show_default=False)] = None,
    following: Annotated[bool, typer.Option("--follow", help="Show what happens as it happens, until the end.")] = False,
) -> None:  # fmt: skip
    """
    Start a workflow.

    Here it runs until it ends or needs a person; on a service (--server) only with --follow.
    """
    as_json = session(ctx).as_json
    with session(ctx).service() as service:
        started = service.start(workflow, mapping_input(given, what="--input"), key=key)
        if service.works or following:
            if following and not as_json:
                say(f"{started['run_id']}  {workflow}", style="dim")
            follow(service, started["run_id"], as_json=as_json, steps=following)
        elif as_json:
            json_out(started)
        else:
            summary(service, started)


def runs(
    ctx: typer.Context,
    state_: Annotated[str | None, typer.Option("--state", show_default=False)] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", show_default=False)] = None,
    key: Annotated[str | None, typer.Option("--key", show_default=False)] = None,
    parent: Annotated[str | None, typer.Option("--parent", help="Those that do tasks of this run.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--since", help="2026-11-22 or 2026-11-22T02:00+01:00", show_default=False)] = None,
    q: Annotated[str | None, typer.Option("--q", help="Words of the input, the key or the error.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 20,
) -> None:  # fmt: skip
    """List runs, the newest first."""
    with session(ctx).service() as service:
        found = service.runs(limit=limit, state=state_, workflow=workflow, key=key, since=since, q=q, parent=parent)
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("no runs", style="dim")
    else:
        table(("run", "state", "workflow", "key", "begun", "took", "error"), map(_row, found), wrap="error")


def _row(run: Json) -> tuple[object, ...]:
    begun = run.get("started_at") or run.get("created_at")
    took = lasted(run.get("started_at"), run.get("finished_at"))
    error = run.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return run["run_id"], state(run["status"]), run["workflow"], run.get("key"), when(begun), took, one_line(said, 160)


def show(
    ctx: typer.Context,
    run_id: _Run,
    wire: Annotated[bool, typer.Option("--wire", hidden=True)] = False,
) -> None:
    """Show a run: its steps, its output, what it waits for."""
    if wire:
        from .later import refuse

        refuse("show --wire")
    with session(ctx).service() as service:
        found = service.run(run_id)
        tasks = service.tasks(run_id)
        if session(ctx).as_json:
            json_out({**found, "tasks": tasks})
            return
        facts(
            {
                name: found.get(name)
                for name in ("parent_run", "parent_task", "key", "caller", "reason", "input", "usage")
            }
        )
        if tasks:
            columns = ("task", "state", "tries", "took", "run", "error")
            table(columns, map(_task, tasks), right=("tries",), wrap="error")
        below = service.runs(limit=100, parent=run_id)
        if len(below) > len([task for task in tasks if task.get("child")]):  # those of a list are no tasks of their own
            table(("run", "state", "workflow", "key", "begun", "took", "error"), map(_row, below), wrap="error")
        summary(service, found)


def _task(task: Json) -> tuple[object, ...]:
    error = task.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    took = lasted(task["started_at"], task.get("finished_at")) if task.get("started_at") else ""
    tries = task.get("attempt") or ""
    return task.get("task"), state(task["status"]), tries, took, task.get("child"), one_line(said, 160)


def cancel(ctx: typer.Context, run_id: _Run, reason: Reason = None) -> None:
    """Begin nothing more in a run."""
    _act(ctx, run_id, "cancel", reason)


def pause(ctx: typer.Context, run_id: _Run, reason: Reason = None) -> None:
    """Begin nothing more in a run until it is resumed."""
    _act(ctx, run_id, "pause", reason)


def resume(ctx: typer.Context, run_id: _Run, reason: Reason = None) -> None:
    """Let a paused run go on."""
    _act(ctx, run_id, "resume", reason)


def retry(
    ctx: typer.Context,
    run_id: _Run,
    task: Annotated[str | None, typer.Option("--from", help="Do this task and what follows again.", show_default=False)] = None,
    given: _Input = None,
    reason: Reason = None,
) -> None:  # fmt: skip
    """Let a failed run go on; what succeeded is not done again."""
    _act(ctx, run_id, "retry", reason, given=given, task=task)


def _act(
    ctx: typer.Context, run_id: str, verb: str, reason: str | None, *, given: str | None = None, task: str | None = None
) -> None:
    corrected = mapping_input(given, what="--input")
    with session(ctx).service() as service:
        done = service.act(run_id, verb, reason=reason, given=corrected, task=task)
        if service.works and verb in {"resume", "retry"}:
            follow(service, run_id, as_json=session(ctx).as_json)
        elif session(ctx).as_json:
            json_out(done)
        else:
            summary(service, done)
