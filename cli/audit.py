"""Verbs for the audit: look into it, doubt it, and forget what somebody has a right to be forgotten in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .output import json_out, one_line, say, state, table, when
from .service import Json
from .session import Reason, session

audit = typer.Typer(help="Who called what and why, in chains that show it when somebody changes them.")
_PANEL = "Operation"
_BROKEN = 1


def register(cli: typer.Typer) -> None:
    audit.callback(invoke_without_command=True)(list_)
    audit.command("verify")(verify)
    cli.add_typer(audit, name="audit", rich_help_panel=_PANEL)
    cli.command(rich_help_panel=_PANEL)(forget)


def list_(
    ctx: typer.Context,
    who: Annotated[str | None, typer.Option("--who", help="An agent, or cli:USER.", show_default=False)] = None,
    what: Annotated[str | None, typer.Option("--what", help="A tool or a verb.", show_default=False)] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="call, run, verb, login or audit.", show_default=False)] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="done, refused, rejected, unknown, ...", show_default=False)] = None,
    run: Annotated[str | None, typer.Option("--run", help="Of one run.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--since", help="2026-11-22 or 2026-11-22T02:00+01:00", show_default=False)] = None,
    q: Annotated[str | None, typer.Option("--q", help="Words of an entry.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 50,
) -> None:  # fmt: skip
    """Who called what and why, the newest first."""
    if ctx.invoked_subcommand is not None:
        return
    asked = {"who": who, "what": what, "kind": kind, "outcome": outcome, "run": run, "since": since, "q": q}
    with session(ctx).service() as service:
        found = service.audit(limit=limit, **{name: value for name, value in asked.items() if value is not None})
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("nothing of that is written", style="dim")
    else:
        rows = (
            (when(one["at"]), one["who"], one["what"], state(one["outcome"]), one["run"] or one["call"], _about(one))
            for one in found
        )
        table(("at", "who", "what", "outcome", "run or call", "about"), rows, wrap="about")


def verify(ctx: typer.Context) -> None:
    """
    Walk all chains and seals from end to end.

    Exit 0: every entry is as it was written and none is missing. Exit 1: the first broken one is named.
    """
    with session(ctx).service() as service:
        found = service.verify_audit()
    if session(ctx).as_json:
        json_out(found)
    else:
        _shown(found)
    if not found["sound"]:
        raise typer.Exit(_BROKEN)


def _shown(found: Json) -> None:
    say(
        f"{found['entries']:,} entries in {found['chains']:,} chains, {found['seals']:,} seals"
        f" ({found['erased']:,} payloads erased, {found['removed_by_age']:,} entries removed by age,"
        f" {found['not_linked_yet']:,} not linked yet)"
    )
    if found["last_seal"]:
        say(f"last seal, of {found['sealed_on']}: {found['last_seal']}", style="dim")
    if found["sound"]:
        say("sound: nothing was changed, left out or moved", style="green")
        return
    for gap in [*found["gaps"], *found["of_another_key"]]:
        say(gap, style="red")


def forget(
    ctx: typer.Context,
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="CEL over what was said, like arguments.customer.name == 'X'.")],
    yes: Annotated[bool, typer.Option("--yes", help="Erase it, without asking.")] = False,
    reason: Reason = None,
) -> None:  # fmt: skip
    """
    Erase what was said in calls, runs and the audit, and keep that it was said.

    It shows first what it would erase; a terminal is asked, and elsewhere --yes erases (exit 3 without). What is still open is left, and named.
    """
    from ..app import open_app

    session(ctx).here_only("forget")
    with open_app(session(ctx).config) as app:
        found = app.forgetting.find(expression)
        is_there = any(found[name] for name in ("ledger", "runs", "audit", "answers"))
        if is_there and not yes and sys.stdin.isatty() and not session(ctx).as_json:
            _told(found)
            yes = typer.confirm("Erase it? Nobody brings it back")
        if is_there and yes:
            found = app.forgetting.erase(expression, caller=app.owner(), reason=reason)
    if session(ctx).as_json:
        json_out(found)
    else:
        _told(found)
        if is_there and not yes:
            say("nothing was erased; say --yes", style="yellow")
    raise typer.Exit(5 if not is_there else 0 if yes else 3)


def _told(found: Json) -> None:
    word = "erased" if found["erased"] else "would erase"
    say(
        f"{word}: {found['ledger']} of the ledger, {found['runs']} runs with their steps, {found['audit']} of the audit,"
        f" {found['answers']} kept answers"
    )
    for one in found["left"]:
        say(f"left: {one.get('entry') or one.get('run')} {one.get('tool', '')}: {one['why']}", style="yellow")
    if found["unread"]:
        say(f"{found['unread']} could not be opened: they were sealed with another state_key", style="yellow")
    say(
        f"stays: {found['stays'].removeprefix('that it happened: ')}; documents of the context, and backups",
        style="dim",
    )


def _about(entry: Json) -> str:
    if entry["erased"]:
        return "(erased)"
    about = entry["about"] if isinstance(entry["about"], dict) else {}
    error = about.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return one_line(str(about.get("reason") or said or about.get("arguments") or ""), 120)
