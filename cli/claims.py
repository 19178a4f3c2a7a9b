"""The verb for values that are kept aside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from ..config.secrets import scrub_bytes
from ..core.errors import ConfigError, InputError
from .output import json_out, say
from .session import session


def register(cli: typer.Typer) -> None:
    cli.command(rich_help_panel="Runs")(claim)


def claim(
    ctx: typer.Context,
    claim_id: Annotated[str, typer.Argument(metavar="CLAIM", help="As a run, a task or an event shows it.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it into this file.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Give a large value: JSON, or the bytes that it is."""
    with session(ctx).service() as service:
        parts = service.claim(claim_id)
        first = next(parts, b"")  # what is wrong is said before a file is made
        parts = chain([first], parts)
        if output is None:
            _print(first, parts)
            return
        size = _write(output, parts)
    if session(ctx).as_json:
        json_out({"claim": claim_id, "bytes": size, "output": str(output)})
    else:
        say(f"{size} bytes in {output}")


def _print(first: bytes, parts: Iterator[bytes]) -> None:
    if sys.stdout.isatty() and first[:1] not in {b"{", b"[", b'"'}:
        raise InputError("this value is bytes, and no terminal shows them", next="--output FILE")
    last = b""
    for part in parts:
        last = scrub_bytes(part)
        sys.stdout.buffer.write(last)
    if sys.stdout.isatty() and not last.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def _write(file: Path, parts: Iterator[bytes]) -> int:
    """Write the whole of it or nothing: the file has its name when it is complete."""
    beside = file.with_name(f".{file.name}.part")
    size = 0
    try:
        with beside.open("wb") as stream:
            for part in parts:
                size += stream.write(scrub_bytes(part))
        beside.replace(file)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", field="--output") from error
    finally:
        beside.unlink(missing_ok=True)
    return size
