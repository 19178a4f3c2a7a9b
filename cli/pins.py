"""Verbs about contracts that were pinned: pin, drift."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ..core.drift import Change, compare
from ..core.errors import DrawbarError, InputError
from .failures import FAILED, LATER, NOTHING, PERSON
from .output import console, json_out, say
from .session import session

if TYPE_CHECKING:
    from ..core.landscape import Landscape

_PANEL = "Systems and tools"


def register(cli: typer.Typer) -> None:
    for verb in (pin, drift):
        cli.command(rich_help_panel=_PANEL)(verb)


def pin(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A system whose contract can be read: SOAP, SQL.")],
    diff: Annotated[bool, typer.Option("--diff", help="Only show how the live contract differs.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Replace the pin by what is live.")] = False,
) -> None:  # fmt: skip
    """
    Keep a system's contract beside the configuration: a WSDL with all that it imports, a database's catalogue.

    From then on starting needs no network for it, and drift compares with it. A pin that differs from what is live is replaced
    only with --accept. Exit: 0 pinned, 3 it differs and was not accepted, 5 nothing to do.
    """
    if diff and accept:
        raise InputError("--diff shows and --accept changes: one of them")
    with _landscape(ctx) as landscape:
        adapter = landscape.adapter(name)
        known, live = adapter.pinned(), adapter.survey()
        changes = compare(known, live) if known is not None else []
        is_new = known is None or known != live
        if (known is None and not diff) or (accept and is_new):
            adapter.pin(live)
        folder = str(adapter.pin_folder)
    pinned = (known is None and not diff) or (accept and is_new)
    if session(ctx).as_json:
        json_out({"name": name, "folder": folder, "pinned": pinned, "changes": [each.as_json() for each in changes]})
    elif known is None:
        say(f"{name}: {len(live.parts)} operations pinned in {folder}" if pinned else f"{name} is not pinned yet")
    else:
        _page(name, changes)
        if pinned:
            say(f"{name}: pinned anew in {folder}", style="green")
    if not pinned and changes:
        raise typer.Exit(PERSON)
    if not pinned:
        raise typer.Exit(NOTHING)


def drift(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Without it, every system that is pinned.", show_default=False)] = None,
) -> None:  # fmt: skip
    """
    Compare what was pinned with what is live, and say of each change whether it breaks callers.

    Exit: 0 nothing that breaks, 1 something breaks, 4 a system could not be asked, 5 nothing is pinned.
    """
    said: dict[str, Any] = {}
    broken = away = False
    with _landscape(ctx) as landscape:
        for each in [name] if name else landscape.systems():
            adapter = landscape.adapter(each)
            try:
                known = adapter.pinned()
                if known is None:
                    if name:
                        raise InputError(f"{name} is not pinned", reason="not_found", next=f"drawbar pin {name}")
                    continue
                changes = compare(known, adapter.survey())
            except DrawbarError as error:
                if name:
                    raise
                away = True
                said[each] = {"error": error.message}
                if not session(ctx).as_json:
                    say(f"{each}: {error.message}", style="red")
                continue
            broken = broken or any(change.breaking for change in changes)
            said[each] = {"changes": [change.as_json() for change in changes]}
            if not session(ctx).as_json:
                _page(each, changes)
    if session(ctx).as_json:
        json_out({"breaking": broken, "systems": said})
    elif not said:
        say("nothing is pinned; drawbar pin NAME keeps a contract", style="dim")
    if broken:
        raise typer.Exit(FAILED)
    if away or not said:
        raise typer.Exit(LATER if away else NOTHING)


def _page(name: str, changes: list[Change]) -> None:
    if not changes:
        say(f"{name}: as it was pinned", style="green")
        return
    count = sum(change.breaking for change in changes)
    say(f"{name}: {len(changes)} change{'s' * (len(changes) > 1)}, {count} of them breaking")
    for change in changes:
        mark = Text("breaking  " if change.breaking else "fine      ", style="red" if change.breaking else "green")
        console().print(Text("  ") + mark + Text(change.where, style="bold") + Text(f"  {change.what}"), soft_wrap=True)


@contextmanager
def _landscape(ctx: typer.Context) -> Iterator[Landscape]:
    """Open the landscape itself: pins are files beside the configuration."""
    from ..app import open_app

    session(ctx).here_only("pin and drift")
    with open_app(session(ctx).config) as app:
        yield app.landscape
