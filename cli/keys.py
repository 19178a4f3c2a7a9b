"""Verbs for API keys: make one, list them, close one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from ..core.access import Scope
from ..core.errors import InputError
from ..core.values import write_json
from .output import json_out, say, state, table, when
from .session import Reason, session

if TYPE_CHECKING:
    from ..app import App

keys = typer.Typer(help="API keys: they let agents in over REST, WebSocket and MCP.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    keys.command("add")(add)
    keys.command("list")(list_)
    keys.command("revoke")(revoke)
    cli.add_typer(keys, name="keys", rich_help_panel="Operation")


def add(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent that it is for, by its id.")],
    scope: Annotated[list[str] | None, typer.Option("--scope", help=f"Only these of the agent's scopes ({', '.join(get_args(Scope))}); again for more.", show_default=False)] = None,
    days: Annotated[float, typer.Option("--days", min=0.01, max=3660, help="How long it opens anything.")] = 90,
    reason: Reason = None,
) -> None:  # fmt: skip
    """Make a key and show it, once."""
    with _app(ctx) as app:
        app.agents.entry(agent)
        if agent == "local":
            raise InputError("local is who comes without credentials", field="agent", next="register another agent")
        made = app.keys.add(agent, scopes=scope, days=days, by=app.owner().name, reason=reason)  # type: ignore[arg-type]  # it checks them
    if session(ctx).as_json:
        # Not scrubbed: a password that is an ordinary word must not eat a piece of the key.
        typer.echo(write_json(made).decode())
        return
    say(f"key {made['id']} for {agent}, until {when(made['expires_at'])}; it is not shown again:")
    typer.echo(made["key"])


def list_(ctx: typer.Context) -> None:
    """List keys, live and closed."""
    with _app(ctx) as app:
        found = app.keys.list()
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("there are no keys", style="dim")
    else:
        rows = (
            (
                one["id"],
                state(one["state"]),
                one["agent"],
                ", ".join(one["scopes"] or ("all of its agent",)),
                when(one["expires_at"]),
                when(one["used_at"]),
            )
            for one in found
        )
        table(("id", "state", "agent", "scopes", "expires", "last used"), rows)


def revoke(ctx: typer.Context, key: Annotated[str, typer.Argument(metavar="ID")], reason: Reason = None) -> None:
    """Close a key for ever."""
    with _app(ctx) as app:
        closed = app.keys.revoke(key, by=app.owner().name, reason=reason)
    if session(ctx).as_json:
        json_out(closed)
    else:
        say(f"revoked: {closed['id']} of {closed['agent']}")


@contextmanager
def _app(ctx: typer.Context) -> Iterator[App]:
    """Open the state itself: keys are made by who owns it, not through a service."""
    from ..app import open_app

    session(ctx).here_only("keys")
    with open_app(session(ctx).config) as app:
        yield app
