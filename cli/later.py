"""Verbs and options that later versions bring: refused plainly, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from ..core.errors import ConfigError

_WIRES = "the deeper wires"
LATER = {
    "show --wire": _WIRES,
}  # fmt: skip


def refuse(what: str) -> NoReturn:
    raise ConfigError(f"{what} comes with {LATER[what]}; this version cannot do it yet")


def register(cli: typer.Typer) -> None:
    for verb in LATER:
        if " " not in verb:
            settings = {"ignore_unknown_options": True, "allow_extra_args": True}
            cli.command(verb, hidden=True, context_settings=settings)(_refusal(verb))


def _refusal(verb: str) -> Callable[..., None]:
    def later(words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        refuse(verb)

    later.__doc__ = f"Comes with {LATER[verb]}."
    return later
