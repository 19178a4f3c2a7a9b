"""A worker alone: the engine without REST, triggers or schedules."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.queues import DEFAULT
from .loading import ends
from .output import say
from .reloading import Reloader
from .session import Queues, session
from .signals import Flag

if TYPE_CHECKING:
    from ..app import App


def register(cli: typer.Typer) -> None:
    cli.command(rich_help_panel="Operation")(worker)


def worker(
    ctx: typer.Context,
    queues: Queues = None,
    drain_s: Annotated[float, typer.Option("--drain-s", min=0, help="How long calls that run may take to end after SIGTERM.")] = 60,
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", min=0, max=65535, help="Give the numbers of this process to Prometheus there; 0 takes a free one.", show_default=False)] = None,
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="Where --metrics-port is opened; whoever reaches it may read them.")] = "127.0.0.1",
) -> None:  # fmt: skip
    """
    Work on what is ready, beside `serve` and other workers.

    With `state` on PostgreSQL any number of them, on any machine; on SQLite on the same one. It starts no triggers and no
    schedules. Without --queues it leaves alone what is pinned to a queue; with it, it does that and nothing else (`default`
    is the queue of all that is not pinned). SIGTERM lets calls that run come to their end and takes nothing new. SIGHUP
    reads the configuration again, and where anything is wrong with it the last one stays.
    """
    from ..app import open_app
    from .logs import talkative

    session(ctx).here_only("worker")
    talkative()
    stop = Flag().raised_by(signal.SIGTERM, signal.SIGINT)
    app = open_app(session(ctx).config, queues=session(ctx).queues(queues))
    reloader = Reloader(app)
    try:
        app.begin()
        reloader.start()
        say(working_on(app))
        with nullcontext() if metrics_port is None else _offered(app, metrics_host, metrics_port):
            ends()
            stop.wait()
    finally:
        reloader.stop()
        app.close(drain_s=drain_s)


@contextmanager
def _offered(app: App, host: str, port: int) -> Iterator[None]:
    from ..facade.numbers import offered

    with offered(host, port, app.gauges.read) as url:
        say(f"its numbers are at {url}")
        yield


def working_on(app: App) -> str:
    """Say which queues are served, and of which of them nobody has heard."""
    names = app.queues.names
    pinned = {app.landscape.queue(name) for name in app.landscape.names()}
    for name in names:
        if name != DEFAULT and name not in pinned:
            say(f"no system is pinned to the queue {name!r}", style="yellow", stderr=True)
    return "Drawbar works" if names == [DEFAULT] else f"Drawbar works on {', '.join(names)}"
