"""Verbs about batches: sync, syncs, files."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..core.adapter import FileAction
from ..core.errors import InputError
from .failures import DONE, FAILED, LATER, NOTHING, PERSON
from .output import console, facts, json_out, one_line, say, seconds, state, table, when
from .service import Json, Service
from .session import Reason, session

_PANEL = "Batches"
_CODES = {
    "succeeded": DONE,
    "nothing": NOTHING,
    "failed": FAILED,
    "cancelled": FAILED,
    "parked": PERSON,
    "unavailable": LATER,
}
_ACTIONS: dict[str, FileAction] = {"retry": "retry", "release": "release", "skip": "skip"}
_FILE_VERBS = ("show", *_ACTIONS)


def register(cli: typer.Typer) -> None:
    for verb in (sync, syncs, files):
        cli.command(rich_help_panel=_PANEL)(verb)


def sync(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    full: Annotated[bool, typer.Option("--full", help="From the beginning, whatever the cursor says.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and map; write nothing, move no cursor.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="What this earlier run read, again.", show_default=False)] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="This file, again.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this value of the cursor on.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to this value.", show_default=False)] = None,
    date: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Run a sync to its end."""
    given = {"full": full, "dry_run": dry_run, "run": run, "files": file, "since": since, "until": until, "date": date}
    options = {option: value for option, value in given.items() if value}
    with session(ctx).service() as service:
        ended = _watched(service, name, options)
    if session(ctx).as_json:
        json_out(ended)
    else:
        _report(name, ended)
    if code := _CODES.get(ended["status"], FAILED):
        raise typer.Exit(code)


def _watched(service: Service, name: str, options: Json) -> Json:
    """Run it to its end, with a bar on a terminal."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(name, total=None, said="")

        def told(read: int, total: int | None) -> None:
            progress.update(bar, completed=read, total=total, said=f"{read:,} rows")

        return service.sync(name, options, told)


def _report(name: str, run: Json) -> None:
    console().print(state(run["status"]).append(f"  {name}", style=""))
    counts = {word: run.get(word) for word in ("read", "filtered", "written", "rejected", "portions")}
    took = run.get("seconds")
    shown: dict[str, Any] = {word: f"{count:,}" for word, count in counts.items() if count}
    for word in ("inserted", "updated", "deleted", "unchanged"):
        if run.get(word):
            shown[word] = f"{run[word]:,}"
    shown["took"] = seconds(took) if isinstance(took, (int, float)) else ""
    facts(shown)
    for portion in run.get("files") or ():
        if portion.get("rejected"):
            say(f"  {portion['rejected']:,} rejected of {portion.get('id') or portion.get('name')}", style="yellow")
    error = run.get("error")
    if error:
        say(f"  {error.get('message', error) if isinstance(error, dict) else error}", style="red", stderr=True)


def syncs(ctx: typer.Context) -> None:
    """List the syncs, their last run, what a crash can do."""
    with session(ctx).service() as service:
        found = service.syncs()
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("no syncs", style="dim")
    else:
        table(
            ("sync", "from", "to", "last", "state", "read", "a crash"),
            map(_row, found),
            right=("read",),
            wrap="a crash",
        )


def _row(sync: Json) -> tuple[object, ...]:
    last = sync.get("last") or {}
    effect = (sync.get("crash") or {}).get("why")
    ended = last.get("finished_at") or last.get("started_at")
    done = last.get("status") or last.get("state")
    return (
        sync["name"],
        _place(sync.get("from")),
        _place(sync.get("to")),
        when(ended),
        state(done),
        last.get("read"),
        effect,
    )


def _place(spec: Any) -> str:
    if not isinstance(spec, dict):
        return str(spec or "")
    inner = next((spec[word] for word in ("feed", "table", "statement", "consume", "publish") if spec.get(word)), "")
    return f"{spec.get('adapter')}.{inner}"


def files(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="FEED | show|retry|release|skip FEED NAME")],
    state_: Annotated[str | None, typer.Option("--state", help="Only files in this state.", show_default=False)] = None,
    reason: Reason = None,
) -> None:  # fmt: skip
    """
    List the files of a feed, or act on one.

    A feed is named ADAPTER.FEED. The verbs show, retry, release and skip take it and the file's name.
    """
    verb, *rest = words if words[0] in _FILE_VERBS else ["", *words]
    if len(rest) != (2 if verb else 1):
        raise InputError("files takes FEED, or a verb with FEED and NAME", next="drawbar files drop.orders")
    with session(ctx).service() as service:
        if verb in _ACTIONS:
            found = [service.act_on_file(rest[0], rest[1], _ACTIONS[verb], reason=reason)]
        else:
            found = service.files(rest[0], state=state_)
    if verb == "show":
        found = [one for one in found if one.get("name") == rest[1]]
        if not found:
            raise InputError(f"{rest[0]} has no file {rest[1]!r}", reason="not_found")
    if session(ctx).as_json:
        json_out(found[0] if verb else found)
    elif verb:
        facts(found[0])
    elif not found:
        say("no files", style="dim")
    else:
        rows = (
            (
                one["name"],
                state(one.get("state")),
                one.get("size"),
                when(one.get("modified")),
                one_line(one.get("reason"), 160),
            )
            for one in found
        )
        table(("file", "state", "bytes", "modified", "reason"), rows, right=("bytes",), wrap="reason")
