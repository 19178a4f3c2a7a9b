"""`drawbar demo`: the only place where the product reaches for its stand-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave the landscape running until Ctrl-C.")] = False,
    folder: Annotated[Path | None, typer.Option("--folder", help="Keep its files here.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, show_default=False)] = None,
) -> None:
    """
    A night at a wholesaler, on embedded stand-ins.

    With a kill in the middle, and a last line that proves the counts.
    """
    from ..testing.demo import main

    if code := main(serve=serve, folder=folder, port=port):
        raise typer.Exit(code)
