"""The state of an earlier version, brought up to date by an operator."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from .failures import NOTHING
from .output import json_out, say
from .session import session

if TYPE_CHECKING:
    from ..core.store.upgrade import Upgraded


def register(cli: typer.Typer) -> None:
    cli.command(rich_help_panel="Operation")(migrate)


def migrate(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL and change nothing.")] = False,
) -> None:
    """
    Bring the state to this version's schema.

    PostgreSQL is migrated by this verb alone, while programs of the version before go on working; an SQLite file also when
    it is opened, and always after a copy of it.
    """
    from ..config import load
    from ..core.store.journal import Journal, planned

    session(ctx).here_only("migrate")
    url = load(session(ctx).config).state_url
    if dry_run:
        _show(planned(url), as_json=session(ctx).as_json)
        return
    with closing(Journal.open(url, migrate=True)) as journal:
        done = journal.upgraded
    if session(ctx).as_json:
        json_out({"done": done is not None, **(_plain(done) if done else {})})
    elif done is not None:
        say(str(done), style="green")
    else:
        say("nothing to do: the state is of this version", style="dim")
    if done is None:
        raise typer.Exit(NOTHING)


def _plain(done: Upgraded) -> dict[str, object]:
    return {"before": done.before, "after": done.after, "copy": None if done.copy is None else str(done.copy)}


def _show(sql: str | None, *, as_json: bool) -> None:
    if as_json:
        json_out({"sql": sql})
    elif sql is not None:
        sys.stdout.write(sql)
    else:
        say("nothing to do: the state is of this version, or not there yet", style="dim", stderr=True)
    if sql is None:
        raise typer.Exit(NOTHING)
