"""MCP over stdin and stdout, for clients that start their servers themselves."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import Annotated

import typer

from .loading import ends
from .session import session
from .signals import Flag


def register(cli: typer.Typer) -> None:
    cli.command(rich_help_panel="Operation")(mcp)


def mcp(
    ctx: typer.Context,
    preview: Annotated[bool, typer.Option("--preview", help="Every call that changes something shows what it would do, and does nothing.")] = False,
    agent: Annotated[str, typer.Option("--agent", help="The agent that calls; `local` reads, and writes what agents.local names.")] = "local",
) -> None:  # fmt: skip
    """
    Offer the tools to an MCP client over stdin and stdout.

    It starts neither triggers nor schedules. The end of the input ends it, and so does SIGTERM, after calls that run were
    answered.
    """
    from ..app import open_app
    from ..core.store.ids import new_id
    from ..facade.stdio import serve_stdio
    from .logs import talkative

    session(ctx).here_only("mcp")
    talkative()
    app = open_app(session(ctx).config)
    try:
        if agent != "local":
            app.agents.entry(agent)
        app.begin()
        caller = replace(app.caller(agent), session=new_id()).of_tenant(session(ctx).tenant, "--tenant")
        ends()
        stop = Flag().raised_by(signal.SIGTERM)
        serve_stdio(app, caller, sys.stdin.buffer, sys.stdout.buffer, only_preview=preview, stop=stop.fileno())
    finally:
        app.close()
