"""A backup of the state, and a state made from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .output import json_out, say
from .session import Reason, session

state = typer.Typer(
    help="Back up the state (runs, the ledger, what was registered), and restore it.", no_args_is_help=True
)


def register(cli: typer.Typer) -> None:
    cli.add_typer(state, name="state", rich_help_panel="Operation")


@state.command()
def backup(ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """
    Write the whole state to one file, while others work on it.

    It holds what the state holds: keep it as safe. The key that signs the audit is put beside it, as FILE.audit-key, where it
    is kept in a file (without a state_key). PostgreSQL needs pg_dump.
    """
    from ..config import load
    from ..core.audit import key as audit_keys
    from ..core.store import restoring
    from ..core.store.journal import file_of

    session(ctx).here_only("state backup")
    config = load(session(ctx).config)
    restoring.back_up(config.state_url, file)
    key = audit_keys.back_up(audit_keys.key_file(file_of(config.state_url), config.base), file)
    written = file.stat().st_size
    if session(ctx).as_json:
        json_out({"file": str(file), "bytes": written, "audit_key": key and str(key)})
        return
    say(f"{file}: {written:,} bytes", style="green")
    if key is not None:
        say(f"{key}: what signs the audit")


@state.command()
def restore(ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE")], reason: Reason = None) -> None:
    """
    Make the state from a backup. Stop `serve` and every worker before.

    What was done after the backup is not in it. So every write of its runs is parked, not repeated, until its probe or
    `drawbar dead settle` says whether it was done, and ticks of the clock are not made up for. The audit's key comes from beside
    the backup. PostgreSQL needs pg_restore and psql.
    """
    from ..app import open_app
    from ..config import load
    from ..core.audit import key as audit_keys
    from ..core.store import restoring
    from ..core.store.journal import file_of

    session(ctx).here_only("state restore")
    config = load(session(ctx).config)
    before = restoring.restore(config.state_url, file)
    key = audit_keys.restore(audit_keys.key_file(file_of(config.state_url), config.base), file)
    with open_app(config) as app:
        app.restored(caller=app.owner(), reason=reason)
    if session(ctx).as_json:
        json_out({"file": str(file), "before": before and str(before), "audit_key": key and str(key)})
    else:
        say(f"restored from {file}", style="green")
        if before is not None:
            say(f"the state before is in {before}")
