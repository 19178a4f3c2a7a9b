"""Verbs about batches: sync, syncs, files."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..core.adapter import FileAction
from ..core.errors import InputError, from_json
from ..core.values import parse_json, write_json
from .failures import DONE, FAILED, LATER, NOTHING, PERSON, exit_code
from .output import console, facts, json_out, one_line, say, seconds, state, table, when
from .service import Json, Service
from .session import Reason, session
from .sync_report import print_report

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
    for verb in (sync, syncs, resubmit, cursor, files):
        cli.command(rich_help_panel=_PANEL)(verb)


def sync(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    full: Annotated[bool, typer.Option("--full", help="From the beginning, whatever the cursor says.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be inserted, updated and deleted; change nothing.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="What this earlier run read, again.", show_default=False)] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="This file, again.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this value of the cursor on.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to this value, itself included.", show_default=False)] = None,
    prepare: Annotated[bool, typer.Option("--prepare", help="Print the DDL of the table that keeps the cursor in the target, and its grants; run nothing.")] = False,
    date: Annotated[str | None, typer.Option("--date", help="The business date, YYYY-MM-DD.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Run a sync to its end."""
    given = {"full": full, "dry_run": dry_run, "run": run, "files": file, "since": since, "until": until, "date": date}
    options = {option: value for option, value in given.items() if value or value == ""}
    if not prepare:
        _run(ctx, name, options)
    elif options:
        raise InputError(
            "--prepare runs nothing: no other option goes with it", next="leave --prepare or the others out"
        )
    else:
        _prepare(ctx, name)


def _run(ctx: typer.Context, name: str, options: Json) -> None:
    with session(ctx).service() as service:
        ended = _watched(service, name, options)
    if session(ctx).as_json:
        json_out(ended)
    else:
        _report(name, ended)
    if code := _code(ended):
        raise typer.Exit(code)


def _code(run: Json) -> int:
    """Say how a run ended; a person is needed as long as somebody has to find out what became of a call."""
    code = _CODES.get(run["status"], FAILED)
    if code == FAILED and isinstance(run.get("error"), dict):
        return exit_code(from_json(run["error"]))
    return PERSON if code in (DONE, NOTHING) and run.get("unsettled") else code


def resubmit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[list[str] | None, typer.Option("--file", help="Only this reject file.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
) -> None:
    """
    Send corrected rejects of a sync.

    Each line of a reject file has the record's `row`: correct it there. What is carried goes into the folder `sent`.
    """
    options = {"resubmit": True, **({"files": file} if file else {}), **({"dry_run": True} if dry_run else {})}
    _run(ctx, name, options)


def _prepare(ctx: typer.Context, name: str) -> None:
    with session(ctx).service() as service:
        found = service.sync_ddl(name)
    if session(ctx).as_json:
        json_out(found)
    elif found["ddl"] is None:
        say(f"{name} needs nothing beside its target", style="dim")
    else:
        for statement in filter(None, (found["ddl"], found.get("grants"))):
            console().print(f"{statement};", highlight=False, markup=False, soft_wrap=True)


def _watched(service: Service, name: str, options: Json) -> Json:
    """Run it to its end, with a bar on a terminal."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    began = time.monotonic()
    with Progress(*columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(name, total=None, said="")

        def told(read: int, total: int | None) -> None:
            rate = read / max(time.monotonic() - began, 0.001)
            progress.update(bar, completed=read, total=total, said=f"{read:,} rows, {rate:,.0f} rows/s")

        return service.sync(name, options, told)


def _report(name: str, run: Json) -> None:
    console().print(state(run["status"]).append(f"  {name}", style=""))
    words = ("read", "filtered", "rejected") if run.get("dry_run") else ("read", "filtered", "written", "rejected")
    counts = {word: run.get(word) for word in words}
    took = run.get("seconds")
    shown: dict[str, Any] = {word: f"{count:,}" for word, count in counts.items() if count}
    for word in ("deleted", "parked"):
        if run.get(word):
            shown[word] = f"{run[word]:,}"
    shown["took"] = seconds(took) if isinstance(took, (int, float)) else ""
    facts(shown)
    for portion in run.get("files") or ():
        if portion.get("rejected"):
            where = f": {portion['rejects']}" if portion.get("rejects") else ""
            say(
                f"  {portion['rejected']:,} rejected of {portion.get('name') or portion.get('id')}{where}",
                style="yellow",
            )
    if run.get("parked"):
        say(f"  nobody knows what became of {run['parked']:,} calls: drawbar dead", style="yellow")
    if (earlier := (run.get("unsettled") or 0) - (run.get("parked") or 0)) > 0:
        say(
            f"  nobody has found out yet what became of {earlier:,} calls of earlier runs: drawbar dead", style="yellow"
        )
    for ended, count in (run.get("settled") or {}).items():
        say(f"  parked by earlier runs, settled since: {count:,} {ended}")
    _would(run.get("would"))
    for one in run.get("drift") or ():
        say(f"  drift: {one['said']}", style="yellow")
    error = run.get("error")
    if error:
        say(f"  {error.get('message', error) if isinstance(error, dict) else error}", style="red", stderr=True)


def _would(found: Json | None) -> None:
    if not found:
        return
    counts = ", ".join(f"{found[word]:,} {word}" for word in ("inserted", "updated", "deleted", "unchanged"))
    say(f"  would be: {counts}")
    for sample in found["samples"]:
        said = {name: value for name, value in sample.items() if name != "would"}
        say(f"    {sample['would']} {one_line(write_json(said).decode(), 200)}", style="dim")


def cursor(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="show|set|back NAME [VALUE | RUN]")],
    reason: Reason = None,
) -> None:
    """
    Show from where a sync goes on, or say it.

    `set` takes a JSON value as `show` prints it (null is the beginning); `back` takes a run, and goes back to where it began.
    """
    verb, *rest = words
    if verb not in ("show", "set", "back") or len(rest) != (1 if verb == "show" else 2):
        raise InputError("cursor takes show NAME, set NAME VALUE or back NAME RUN", next="drawbar cursor show orders")
    with session(ctx).service() as service:
        if verb == "show":
            found = service.cursor(rest[0])
        else:
            value = parse_json(rest[1], what="VALUE") if verb == "set" else _before(service, *rest)
            found = service.set_cursor(rest[0], value, reason=reason)
    if session(ctx).as_json:
        json_out(found)
    else:
        facts({**found, "cursor": write_json(found["cursor"]).decode()})


def _before(service: Service, name: str, run: str) -> Any:
    found = service.sync_run(run)
    if found["sync"] != name:
        raise InputError(f"{run} is a run of {found['sync']}, not of {name}", reason="not_found")
    return found["cursor_before"]


def syncs(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[show RUN]", show_default=False)] = None,
) -> None:
    """
    List the syncs: last run, counts, lag, next run, what a crash can do.

    `show RUN` prints the report of one run, for whoever has to prove what it did. Exit 3: a person has to settle calls of a sync.
    """
    if words:
        if words[0] != "show" or len(words) != 2:
            raise InputError("syncs takes nothing, or show RUN", next="drawbar syncs show RUN")
        with session(ctx).service() as service:
            found_run = service.sync_run(words[1])
        json_out(found_run) if session(ctx).as_json else print_report(found_run)
        return
    with session(ctx).service() as service:
        found = service.syncs()
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("no syncs", style="dim")
    else:
        table(
            ("sync", "from", "to", "last", "state", "read", "written", "rejected", "lag", "next", "a crash"),
            map(_row, found),
            right=("read", "written", "rejected", "lag"),
            wrap="a crash",
        )
        for one in found:
            _failure(one)
    if any(one.get("parked") for one in found):
        raise typer.Exit(PERSON)


def _failure(sync: Json) -> None:
    """Say why the last run failed, and what waits behind it."""
    error = (sync.get("last") or {}).get("error")
    if not error:
        return
    files = (sync.get("lag") or {}).get("files")
    place = f"{sync['from'].get('adapter')}.{sync['from'].get('feed')}"
    waits = f"; {files:,} files wait, it and those behind it: drawbar files {place}" if files else ""
    message = error.get("message", error) if isinstance(error, dict) else error
    say(f"{sync['name']}: {one_line(message, 400)}{waits}", style="red")


def _row(sync: Json) -> tuple[object, ...]:
    last = sync.get("last") or {}
    crash = sync.get("crash") or {}
    effect = f"at least once: {crash['why']}" if crash.get("one_effect") is False else crash.get("why")
    ended = last.get("finished_at") or last.get("started_at")
    done = last.get("status") or last.get("state")
    shown = state(done).append(", dry run" if last.get("dry_run") else "")
    return (
        sync["name"],
        _place(sync.get("from")),
        _place(sync.get("to")),
        when(ended),
        shown.append(f", {sync['parked']:,} parked" if sync.get("parked") else ""),
        last.get("read"),
        None if last.get("dry_run") else last.get("written"),
        last.get("rejected") or None,
        _lag(sync.get("lag")),
        when(sync.get("next")),
        effect,
    )


def _lag(lag: Json | None) -> str:
    """Say how far the target is behind: rows that wait and the age of the last stamp, or files and the age of the oldest."""
    if not lag:
        return ""
    if lag.get("rows") == 0 or lag.get("files") == 0:
        return "none"
    rows = [f"{lag[word]:,} {word}" for word in ("rows", "files") if lag.get(word) is not None]
    age = [] if lag.get("seconds") is None else [seconds(lag["seconds"])]
    return ", ".join(rows + age)


def _place(spec: Any) -> str:
    if not isinstance(spec, dict):
        return str(spec or "")
    if spec.get("writes"):
        return f"{spec.get('adapter')}.{'+'.join(one['table'] for one in spec['writes'])}"
    places = ("feed", "table", "statement", "consume", "publish", "operation")
    inner = next((spec[word] for word in places if spec.get(word)), "")
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
