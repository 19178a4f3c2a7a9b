"""Read the catalogue: tables and views as plain values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.engine import Connection

from ..core.errors import ConfigError
from .sql import Database
from .sql_model import Column, Kind, Table

_NO_ROLLBACK = {"myisam", "aria", "memory", "csv", "archive", "blackhole", "merge"}


def reflect(database: Database, name: str) -> Table:
    """
    Read one table or view, `name` or `schema.name`; ConfigError names near ones.

    Costs some queries of the catalogue: do it when the adapter opens, not for each call.
    """
    schema, _, bare = name.rpartition(".")
    with database.unit("read") as connection:
        try:
            return _table(connection, database.dialect, bare, schema or None)
        except sa.exc.NoSuchTableError as error:
            inspector = sa.inspect(connection)
            known = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
            near = difflib.get_close_matches(bare, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"{database.name}: there is no table {name!r}{hint}",
                field="table",
                next="correct its name in the configuration, or create it",
            ) from error


def _table(connection: Connection, dialect: str, name: str, schema: str | None) -> Table:
    inspector = sa.inspect(connection)
    primary = tuple(map(str, inspector.get_pk_constraint(name, schema).get("constrained_columns") or ()))
    unique = [frozenset(primary)] if primary else []
    unique += [frozenset(found["column_names"]) for found in inspector.get_unique_constraints(name, schema)]
    unique += [
        frozenset(filter(None, found["column_names"]))
        for found in inspector.get_indexes(name, schema)
        if found.get("unique") and not _partial(found)
    ]
    options = inspector.get_table_options(name, schema) if dialect in {"mysql", "mariadb"} else {}
    columns = tuple(
        _column(entry, dialect, alone=primary == (entry["name"],)) for entry in inspector.get_columns(name, schema)
    )
    return Table(
        name,
        schema,
        columns,
        primary,
        tuple(dict.fromkeys(unique)),
        transactional=str(options.get("mysql_engine", "")).lower() not in _NO_ROLLBACK,
        comment=_comment(inspector, name, schema),
    )


def _partial(index: Mapping[str, Any]) -> bool:
    options = index.get("dialect_options") or {}
    return (
        any(name.endswith("_where") and value is not None for name, value in options.items())
        or None in index["column_names"]
    )


def _comment(inspector: sa.Inspector, name: str, schema: str | None) -> str | None:
    try:
        return inspector.get_table_comment(name, schema).get("text")
    except NotImplementedError:
        return None


def _column(entry: Any, dialect: str, *, alone: bool) -> Column:
    kind, found = kind_of(entry["type"], dialect), entry["type"]
    made = entry.get("default") is not None or bool(entry.get("computed") or entry.get("identity"))
    counted = entry.get("autoincrement") is True or (dialect == "sqlite" and alone and str(found).upper() == "INTEGER")
    name = entry["name"]
    return Column(
        str(name),
        kind,
        nullable=bool(entry["nullable"]) and not alone,
        length=getattr(found, "length", None) if kind == "text" else None,
        precision=getattr(found, "precision", None) if kind == "decimal" else None,
        scale=getattr(found, "scale", None) if kind == "decimal" else None,
        generated=made or counted,
        comment=entry.get("comment"),
        values=tuple(getattr(found, "enums", ()) or ()) if isinstance(found, types.Enum) else (),
        quoted=getattr(name, "quote", None) is True,
    )


# More special first: BigInteger is an Integer, Float a Numeric, Enum a String.
_KINDS: Sequence[tuple[type[Any], Kind]] = (
    (types.Boolean, "boolean"),
    (types.BigInteger, "bigint"),
    (types.Integer, "integer"),
    (types.Float, "float"),
    (types.Numeric, "decimal"),
    (types.JSON, "json"),
    (types.Uuid, "uuid"),
    (types.ARRAY, "array"),
    (types.LargeBinary, "bytes"),
    (types.BINARY, "bytes"),
    (types.VARBINARY, "bytes"),
    (types.Interval, "interval"),
    (types.DateTime, "timestamp"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.String, "text"),
)


def kind_of(found: Any, dialect: str) -> Kind:
    """Say what kind of values a reflected type holds."""
    name = str(getattr(found, "__visit_name__", "")).lower()
    if name in {"interval", "tinyint", "year", "bit", "double", "double_precision", "real"}:
        return {"interval": "interval", "bit": "other", "tinyint": "integer", "year": "integer"}.get(name, "float")  # type: ignore[return-value]  # words of Kind
    if name == "bigint":  # not every dialect derives its own from SQLAlchemy's
        return "bigint"
    for kind, ours in _KINDS:
        if isinstance(found, kind):
            if ours == "timestamp" and getattr(found, "timezone", False):
                return "timestamptz"
            return ours
    return "other"
