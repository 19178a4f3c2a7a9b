"""The command line's entrance: options anywhere, one exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from .. import __version__
from ..core.errors import DrawbarError
from .failures import USAGE, defect, report
from .logs import quiet
from .output import say
from .session import Session

_WITH_VALUE = {"-c", "--config", "--server", "--tenant"}
_STOPPED = 130

cli = typer.Typer(
    name="drawbar",
    help="Safe, fast, durable access for agents and modern code to systems that cannot be replaced.",
    epilog="Exit: 0 done, 1 failed, 2 usage or configuration, 3 a person is needed, 4 try later, 5 nothing to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PARTS = (
    *("configuration", "tools", "runs", "claims", "pins", "syncs", "desk", "assignments", "audit", "keys", "serving"),
    *("mcp", "working", "migrating", "state", "later"),
)
_LONG_LIVED = {"serve": "serving", "mcp": "mcp", "worker": "working"}
"""Verbs that others wait for to begin: they load no other part than their own."""


def _fill(verb: str | None = None) -> None:
    """Register the verbs, once in a process; of a verb that keeps running, those beside it."""
    parts = [_LONG_LIVED[verb]] if verb in _LONG_LIVED else _PARTS
    for part in parts:
        if part not in _filled:
            _filled.add(part)
            import_module(f".{part}", __package__).register(cli)


_filled: set[str] = set()


def every() -> typer.Typer:
    """Give the whole command line."""
    _fill()
    return cli


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"drawbar {__version__}\n")
        raise typer.Exit


@cli.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Option("-c", "--config", help="A file or a folder of YAML files. [dim]default: drawbar.yaml[/]", envvar="DRAWBAR_CONFIG"),
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", help="Ask a running service; its key is in $DRAWBAR_KEY.", envvar="DRAWBAR_URL")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON. Works with every verb.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose systems are called, where tenants have their own.", envvar="DRAWBAR_TENANT")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Change nothing at any system: reads alone, and no run begins.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:  # fmt: skip
    found = ctx.find_object(Session)
    assert found is not None
    found.config, found.server, found.as_json, found.tenant = config, server, as_json, tenant
    if read_only:
        from ..config.load import READ_ONLY

        found.here_only("--read-only")
        os.environ[READ_ONLY] = "1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code."""
    quiet()
    session = Session()
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = _hoisted(given)
    try:
        _fill(_verb(words))
        code = cli(words, prog_name="drawbar", obj=session, standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except typer.Abort:
        say("stopped", style="yellow", stderr=True)
        return _STOPPED
    except typer.TyperException as error:
        say(f"usage: {error.format_message()}", style="red", stderr=True)
        say("  see drawbar --help, or drawbar VERB --help", style="dim", stderr=True)
        return USAGE
    except DrawbarError as error:
        return report(error, as_json=session.as_json or "--json" in given)
    except BrokenPipeError:
        # who reads us has seen enough; Python would complain once more while it closes standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return defect(error)


def _verb(words: Sequence[str]) -> str | None:
    """Find the verb among words whose options stand in front."""
    ahead = iter(words)
    for word in ahead:
        if word in _WITH_VALUE:
            next(ahead, None)
        elif not word.startswith("-"):
            return word
    return None


def _hoisted(arguments: Sequence[str]) -> list[str]:
    """Move the options of every verb to the front, wherever they were written."""
    front: list[str] = []
    rest: list[str] = []
    ahead = iter(arguments)
    for word in ahead:
        if word == "--":
            rest += [word, *ahead]
        elif word in {"--json", "--read-only"} or word.startswith(("--config=", "--server=", "--tenant=")):
            front.append(word)
        elif word in _WITH_VALUE:
            front += [word, *[value for value in [next(ahead, None)] if value is not None]]
        else:
            rest.append(word)
    return [*front, *rest]
