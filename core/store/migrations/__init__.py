"""
Alembic, used by the program itself: a revision for each version of the schema, and no file for an operator to edit.

Alembic is loaded when there is something to migrate, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect
from sqlalchemy.sql import Executable

from ...errors import ConfigError
from ..tables import SERVES_FROM, VERSION, meta, revisions

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent
PLACES = [_HERE / "versions"]


def revision(version: int) -> str:
    """Name the revision of a version of the schema."""
    return f"{version:04}"


def written() -> list[Executable]:
    """Give the statements that write down which schema this is."""
    names = {"version": SERVES_FROM, "schema": VERSION}
    return [
        meta.delete().where(meta.c.name.in_(list(names))),
        *(meta.insert().values(name=name, value=str(value)) for name, value in names.items()),
    ]


def upgrade(conn: Connection, before: int) -> None:
    """Bring a schema of an earlier version to ours. The transaction is the caller's."""
    from alembic import command
    from alembic.util import CommandError

    try:
        if not inspect(conn).has_table(revisions.name):  # as the first release left it
            command.stamp(_config(connection=conn), revision(before))
        command.upgrade(_config(written(), connection=conn), revision(VERSION))
    except CommandError as error:
        raise ConfigError(f"state: {error}", field="state") from error


def script(conn: Connection, before: int) -> str:
    """Give the statements of an upgrade as SQL, and run none."""
    from alembic import command

    out = StringIO()
    said: dict[str, Any] = {"dialect": conn.dialect.name, "out": out}
    if not inspect(conn).has_table(revisions.name):
        command.stamp(_config(**said), revision(before), sql=True)
    command.upgrade(_config(written(), **said), f"{revision(before)}:{revision(VERSION)}", sql=True)
    return out.getvalue()


def _config(then: Sequence[Executable] = (), *, out: StringIO | None = None, **said: Any) -> Config:
    """Say where the revisions are; `then` are statements that follow them in the same transaction."""
    from alembic.config import Config

    config = Config(output_buffer=out, attributes={**said, "then": then})
    config.set_main_option("script_location", _escaped(_HERE))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(_escaped, PLACES)))
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
