"""Stay with a run until it has ended or needs a person."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer
from rich.text import Text

from ..core.errors import InputError
from .failures import DONE, FAILED, PERSON
from .output import console, json_out, lasted, say, state, when
from .service import Json, Service

_POLL_S = 0.1
_CODES = {"succeeded": DONE, "failed": FAILED, "cancelled": FAILED, "parked": PERSON, "paused": PERSON}


def follow(
    service: Service, run_id: str, *, as_json: bool, after: Any = None, steps: bool = False, since: int = 0
) -> None:
    """
    Wait for the end of a run, or until it waits for a person; the exit code says which.

    `steps` prints what happens as it happens. `after` is what JSON output shows beside the run.
    """

    def shown() -> None:
        nonlocal since
        if steps and not as_json:
            since = _events(service, run_id, since)

    run, code = _stayed(service, run_id, shown)
    if steps and not as_json:
        _events(service, run_id, since)
    if as_json:
        json_out({**run, **({"answered": after} if after is not None else {})})
    else:
        summary(service, run)
    if code:
        raise typer.Exit(code)


def stay(service: Service, run_id: str, *, quiet: bool) -> int:
    """Wait as `follow` does, print one summary unless `quiet`, and give the exit code."""
    run, code = _stayed(service, run_id, lambda: None)
    if not quiet:
        summary(service, run)
    return code


def _stayed(service: Service, run_id: str, look: Callable[[], None]) -> tuple[Json, int]:
    while True:
        run = service.run(run_id)
        look()
        code = _CODES.get(run["status"])
        if code is None and run["status"] == "waiting" and _asked(service, run_id):
            code = PERSON
        if code is not None:
            return run, code
        time.sleep(_POLL_S)


def top(service: Service, run_id: str) -> str:
    """Give the run that goes on when this one does: the highest one above it."""
    while (above := service.run(run_id).get("parent_run")) is not None:
        run_id = above
    return run_id


def _asked(service: Service, run_id: str) -> list[str]:
    """Give the commands that answer what a run waits for, or a run that does a task of it."""
    found = [(one.get("run_id"), f"waits for an approval: drawbar approve {one['id']}") for one in service.approvals()]
    with suppress(InputError):  # not everybody may see what was handed to agents
        found += [
            (one["run_id"], f"waits for {one['agent']}: drawbar answer {one['id']} --input ...")
            for one in service.assignments(None)
        ]
    if any(one != run_id for one, _ in found):
        family = _family(service, run_id)
        return [said for one, said in found if one in family]
    return [said for _, said in found]


def _family(service: Service, run_id: str) -> set[str]:
    """Name a run and all that do tasks of it, directly or through others."""
    found: set[str] = set()
    ahead = [run_id]
    while ahead:
        found.add(one := ahead.pop())
        ahead += [run["run_id"] for run in service.runs(limit=10_000, parent=one) if run["run_id"] not in found]
    return found


def _events(service: Service, run_id: str, after: int) -> int:
    for event in service.events(run_id, after):
        after = max(after, int(event["id"]))
        _event(event)
    return after


def _event(event: Json) -> None:
    kind, _, word = event["type"].partition(".")
    body = event.get("body") or {}
    error = body.get("error") if isinstance(body, dict) else None
    line = Text(f"{when(event['at']):8}  ", style="dim") + Text(f"{event.get('task') or kind:20.20}  ") + state(word)
    if event.get("item") is not None:
        line += Text(f" [{event['item']}]", style="dim")
    if isinstance(error, dict):
        line += Text(f"  {error.get('message', '')}", style="dim")
    from ..config.secrets import scrub

    console().print(Text(scrub(line.plain)) if scrub(line.plain) != line.plain else line)


def summary(service: Service, run: Json) -> None:
    """Print a run's end: one line, its output or its error, and what a person can do."""
    head = Text(f"{run['run_id']}  ") + state(run["status"]) + Text(f"  {run['workflow']}")
    took = lasted(run.get("started_at"), run.get("finished_at"))
    console().print(head + Text(f"  {took}" if took else "", style="dim"))
    error = run.get("error")
    if isinstance(error, dict):
        say(f"  {error.get('message', error)}", style="red")
    if run.get("output") is not None:
        json_out(run["output"])
    if run["status"] == "waiting":
        for said in _asked(service, run["run_id"]):
            say(f"  {said}", style="yellow")
    elif run["status"] == "parked":
        letters = service.letters()
        family = _family(service, run["run_id"])
        for one in letters:
            if one.get("run_id") in family and one.get("state") == "unknown":
                say(f"  nobody knows what came of {one.get('tool')}: drawbar dead show {one['id']}", style="yellow")
    elif run["status"] == "paused":
        say(f"  drawbar resume {run['run_id']}", style="yellow")
