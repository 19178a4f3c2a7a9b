"""A worker alone: the engine without REST, triggers or schedules."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from .output import say
from .session import session


def register(cli: typer.Typer) -> None:
    cli.command(rich_help_panel="Operation")(worker)


def worker(
    ctx: typer.Context,
    queues: Annotated[str | None, typer.Option("--queues", hidden=True)] = None,
    drain_s: Annotated[float, typer.Option("--drain-s", min=0, help="How long calls that run may take to end after SIGTERM.")] = 60,
) -> None:  # fmt: skip
    """
    Work on what is ready, beside `serve` and other workers.

    With `state` on PostgreSQL any number of them, on any machine; on SQLite on the same one. It starts no triggers and no
    schedules. SIGTERM lets calls that run come to their end and takes nothing new.
    """
    from ..app import open_app
    from .later import refuse
    from .logs import talkative

    session(ctx).here_only("worker")
    if queues is not None:
        refuse("worker --queues")
    talkative()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    app = open_app(session(ctx).config)
    try:
        app.begin()
        say("Drawbar works")
        stop.wait()
    finally:
        app.close(drain_s=drain_s)
