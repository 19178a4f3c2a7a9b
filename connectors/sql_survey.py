"""What a database holds, in one look: for a first configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from .sql import Database

_OURS = "drawbar_"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A table or view; `key` is its primary key, empty where it has none."""

    name: str
    key: tuple[str, ...]
    is_view: bool = False


def survey(url: str, *, base: Path, timeout_s: float = 20) -> list[Found]:
    """List the tables and views of the default schema, by name, without our own."""
    database = Database("database", url, base=base, connections=1, call_timeout_s=timeout_s)
    try:
        with database.unit("read") as connection:
            inspector = sa.inspect(connection)
            tables = [name for name in inspector.get_table_names() if not name.startswith(_OURS)]
            found = [Found(name, _key(inspector, name)) for name in sorted(tables)[:_LONGEST]]
            return [*found, *(Found(name, (), is_view=True) for name in sorted(inspector.get_view_names())[:_LONGEST])]
    finally:
        database.close()


def _key(inspector: sa.Inspector, table: str) -> tuple[str, ...]:
    return tuple(inspector.get_pk_constraint(table).get("constrained_columns") or ())
