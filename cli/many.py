"""One verb for many: which are meant, what would come of each, and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .failures import DONE, FAILED, LATER, NOTHING, PERSON
from .output import json_out, one_line, say, state, table
from .service import Json

_CODES = {"refused": FAILED, "failed": FAILED, "later": LATER, "unknown": PERSON}

Since = Annotated[
    str | None,
    typer.Option("--since", help="Begun then or later: 2026-11-22 or 2026-11-22T02:00+01:00.", show_default=False),
]
Until = Annotated[str | None, typer.Option("--until", help="Begun before then.", show_default=False)]
OfWorkflow = Annotated[str | None, typer.Option("--workflow", help="Of runs of this workflow.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="All of them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it, what would come of each is shown.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """One by its id, or many by what they have in common: `by` are the filters that were given."""

    one: str | None
    by: Json
    every: bool
    yes: bool

    @classmethod
    def of(cls, one: str | None, *, every: bool, yes: bool, **by: Any) -> Choice:
        """Check what was typed together."""
        given = {name: value for name, value in by.items() if value is not None}
        for name in ("since", "until"):
            if name in given:
                given[name] = moment_of(given[name], name)
        if one is not None and (given or every or yes):
            raise InputError("an ID says which one: leave out the filters, --all and --yes")
        if one is None and not given and not every:
            raise InputError("say which: an ID, a filter such as --tool 'erp.*', or --all")
        return cls(one, given, every, yes)


def moment_of(text: str, field: str) -> str:
    """Give a time that was typed with its zone; without one it is local."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no moment", field=field, next="write 2026-11-22 or 2026-11-22T02:00+01:00"
        ) from None
    return (found if found.tzinfo else found.astimezone()).isoformat()


def tell(
    done: Iterable[Json],
    *,
    id_: str,
    columns: Sequence[str],
    again: Sequence[str],
    choice: Choice,
    as_json: bool,
) -> list[Json]:
    """
    Print what came, or would come, of each; give what was done.

    Exits: 3 where a person is needed, 1 where one was refused or failed, 4 where one was away, 5 where none was meant; a dry
    run exits with 0 whatever it shows.
    """
    begun = datetime.now().astimezone()
    all_of_it = list(done)
    if as_json:
        json_out({"dry_run": not choice.yes, "items": all_of_it})
    elif not all_of_it:
        say("none fits", style="dim")
    else:
        rows = [
            (*(one.get(name) for name in (id_, *columns)), state(one["outcome"]), one_line(one["said"], 200))
            for one in all_of_it
        ]
        table((id_, *columns, "outcome" if choice.yes else "would", "what"), rows, wrap="what")
        counts = ", ".join(f"{count:,} {word}" for word, count in _counted(all_of_it).items())
        say(counts + ("" if choice.yes else "; nothing was done"), style="dim")
        if not choice.yes and any(one["outcome"] == "would" for one in all_of_it):
            words = [
                *again,
                *(() if "until" in choice.by else ("--until", begun.isoformat(timespec="seconds"))),
                "--yes",
            ]
            say(f"to do it: {shlex.join(words)}", style="dim")
    if not all_of_it:
        raise typer.Exit(NOTHING)
    return all_of_it


def exit_code(done: Iterable[Json]) -> int:
    return worst({_CODES.get(one["outcome"], DONE) for one in done})


def worst(codes: Collection[int]) -> int:
    """Give the code that needs a person most."""
    return next((code for code in (PERSON, FAILED, LATER) if code in codes), DONE)


def _counted(done: Iterable[Json]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in done:
        found[one["outcome"]] = found.get(one["outcome"], 0) + 1
    return found
