"""Verbs that keep running or look at what runs: serve, status, demo."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from .crowd import Crowd, Part, Starter
from .demo import demo
from .loading import ends
from .output import facts, json_out, say, state, table, when
from .reloading import Reloader
from .service import Json
from .session import Queues, Reason, session
from .working import working_on

_PANEL = "Operation"
_STARTER_S = 0.5
_Name = Annotated[str, typer.Argument(metavar="NAME")]


def register(cli: typer.Typer) -> None:
    for verb in (status, hold, release, serve, demo):
        cli.command(rich_help_panel=_PANEL)(verb)


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Other than loopback only when callers must show who they are.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="0 takes a free one.", show_default=False)] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="So many processes on the one port.")] = 1,
    queues: Queues = None,
    watch: Annotated[bool, typer.Option("--watch", help="Reload when a file of the configuration changes.")] = False,
    part: Annotated[str | None, typer.Option("--part", hidden=True)] = None,
) -> None:  # fmt: skip
    """
    Serve REST and WebSocket, with an embedded worker.

    Schedules and triggers start with it, in one of its processes; when that one dies, in another. A process that dies is
    replaced. Without --queues it leaves alone what is pinned to a queue. SIGTERM lets what runs come to its end; SIGHUP
    reads the configuration again, and where anything is wrong with it the last one stays.
    """
    from .logs import talkative

    session(ctx).here_only("serve")
    talkative()
    names = session(ctx).queues(queues)
    if part is not None:
        _serve_part(session(ctx).config, host, port, names, Part.read(part), watch)
    elif workers > 1:
        raise typer.Exit(_keep(session(ctx).config, host, port, names, workers, watch))
    else:
        _serve_alone(session(ctx).config, host, port, names, watch)


def _serve_alone(config: str | None, host: str | None, port: int | None, queues: list[str], watch: bool) -> None:
    from ..app import open_app
    from ..facade import serve as answer

    app = open_app(config, queues=queues)
    reloader = Reloader(app, watch=watch)
    try:
        server = app.config.server
        working_on(app)
        reloader.start()
        answer(
            app,
            host or server.host,
            server.port if port is None else port,
            begin=lambda: app.begin(starts=True),
            ready=_ready,
        )
    finally:
        reloader.stop()
        app.close()


def _keep(config: str | None, host: str | None, port: int | None, queues: list[str], count: int, watch: bool) -> int:
    """Open the port, with everything that may be wrong before the first process begins, and keep the processes."""
    from ..app import open_app
    from ..facade import listen, url_of

    with open_app(config, queues=queues) as app:
        working_on(app)
        server = app.config.server
        host = host or server.host
        sockets = listen(host, server.port if port is None else port, app.door)
    bound = sockets[0].getsockname()[1]
    before = [] if config is None else ["-c", config]
    command = [
        *before,
        "serve",
        "--host",
        host,
        "--port",
        str(bound),
        "--queues",
        ",".join(queues),
        *(["--watch"] if watch else []),
    ]
    return Crowd(count, sockets, command, lambda: _ready(url_of(host, bound))).run()


def _serve_part(
    config: str | None, host: str | None, port: int | None, queues: list[str], part: Part, watch: bool
) -> None:
    """Be one of several processes of a port."""
    from ..app import open_app
    from ..core.pulse import Pulse
    from ..facade import serve as answer
    from ..facade.fellows import Fellows
    from ..facade.numbers import WRITE_S, Shared

    part.watch_parent()
    app = open_app(config, queues=queues)
    starter = Pulse("starter", _STARTER_S, Starter(part.starter, app.begin_starts).beat)
    reloader = Reloader(app, watch=watch)
    shared = Shared(str(part.place), Path(part.starter).parent)
    numbers = Pulse("numbers", WRITE_S, shared.write)

    def begin() -> None:
        app.begin()
        numbers.start()
        starter.start()
        reloader.start()

    def ready(url: str) -> None:
        ends()
        part.ready()

    try:
        answer(
            app,
            host or app.config.server.host,
            port or 0,
            begin=begin,
            ready=ready,
            opened=[socket.socket(fileno=fd) for fd in part.sockets],
            shared=shared,
            fellows=Fellows(Path(part.starter).parent / "connections", part.place, part.doors),
        )
    finally:
        numbers.stop()
        reloader.stop()
        starter.stop()
        app.close()


def hold(
    ctx: typer.Context,
    name: _Name,
    until: Annotated[str | None, typer.Option("--until", help="90m, 2h, 06:30 or a date and time; until `release` when absent.", show_default=False)] = None,
    reason: Reason = None,
) -> None:  # fmt: skip
    """
    Let a system, a feed, a sync, a workflow or a trigger take no new work.

    What runs, ends; messages and files stay where they are; tasks wait.
    """
    from datetime import datetime

    from ..core.holds import moment_of

    moment = None if until is None else moment_of(until, datetime.now().astimezone())
    with session(ctx).service() as service:
        said = service.hold(name, until=moment, reason=reason)
    if session(ctx).as_json:
        json_out(said)
    else:
        say(f"held: {said['kind']} {said['name']}" + (f" until {when(said['until'])}" if said.get("until") else ""))


def release(ctx: typer.Context, name: _Name, reason: Reason = None) -> None:
    """Let it take new work again."""
    with session(ctx).service() as service:
        service.release(name, reason=reason)
    if session(ctx).as_json:
        json_out({"name": name, "held": False})
    else:
        say(f"released: {name}")


def _ready(url: str) -> None:
    ends()
    say(f"Drawbar answers at {url}  (API reference: {url}/docs)")


def status(ctx: typer.Context) -> None:
    """One page: what is down, what runs, what waits for you."""
    with session(ctx).service() as service:
        found = service.status()
    if session(ctx).as_json:
        json_out(found)
        return
    sections = (
        ("systems", _systems), ("held", _held), ("runs", _runs), ("without_a_worker", _unserved), ("waiting_for_a_person", _waiting), ("late_files", _late), ("syncs", _syncs), ("next_starts", _starts),
    )  # fmt: skip
    for key, shown in sections:
        if _worth_a_line(found.get(key)):
            say(key.replace("_", " "), style="bold")
            shown(found[key])
            say("")
    disk = found.get("disk") or {}
    ended = found.get("ended_in_24_h") or {}
    facts(
        {
            "ended in 24 h": ", ".join(f"{count:,} {word}" for word, count in ended.items()) or "nothing",
            "disk": f"{disk.get('free_mb', 0):,} MB free (floor {disk.get('floor_mb', 0):,})" if disk else "",
        }
    )


def _worth_a_line(found: Any) -> bool:
    if isinstance(found, dict):
        return any(not isinstance(one, dict) or one.get("count", 1) for one in found.values())
    return bool(found)


def _systems(found: list[Json]) -> None:
    rows = (
        (one["name"], one.get("kind"), state(one.get("state")), _since(one), one.get("owner"), one.get("error"))
        for one in found
    )
    table(("name", "kind", "state", "", "owner", "error"), rows, wrap="error")
    for one in found:
        for end in one.get("endpoints") or ():
            _endpoint(one["name"], end)
        if one.get("discovery"):
            say(f"{one['name']}: {one['discovery']}", style="yellow")


def _endpoint(system: str, end: Json) -> None:
    """Name an endpoint that is left alone; the others are as well as the system."""
    lines = [what for what in ("reads", "writes") if end[what]["state"] != "up"]
    if lines:
        said = end[lines[0]]
        say(f"{system}: {end['url']} gets no {' and no '.join(lines)}: {said.get('error', '')}", style="yellow")


def _since(system: Json) -> str:
    if system.get("closed_until"):
        return f"until {when(system['closed_until'])}"
    return f"since {when(system['since'])}" if system.get("since") else ""


def _held(found: list[Json]) -> None:
    rows = (
        (one["name"], one["kind"], one.get("by"), when(one.get("since")), when(one.get("until")), one.get("reason"))
        for one in found
    )
    table(("name", "what", "by", "since", "until", "reason"), rows, wrap="reason")


def _runs(found: dict[str, Any]) -> None:
    rows = ((state(word), one["count"], when(one.get("oldest"))) for word, one in found.items())
    table(("state", "runs", "oldest"), rows, right=("runs",))


def _unserved(found: list[Json]) -> None:
    for one in found:
        say(f"queue {one['queue']}: {one['ready']:,} ready, no worker (the oldest waits {one['waits_s']:,.0f} s)")


def _waiting(found: dict[str, Any]) -> None:
    rows = (
        (word.replace("_", " "), one["count"], when(one.get("oldest"))) for word, one in found.items() if one["count"]
    )
    table(("what", "count", "oldest"), rows, right=("count",))


def _syncs(found: list[Json]) -> None:
    from .syncs import _row

    table(("sync", "from", "to", "last", "state", "read"), (_row(one)[:6] for one in found), right=("read",))


def _late(found: list[Json]) -> None:
    table(("feed", "day", "since"), ((one["feed"], one["day"], when(one["since"])) for one in found))


def _starts(found: list[Json]) -> None:
    table(("name", "at"), ((one["name"], when(one["at"])) for one in found))
