"""Read stored procedures and functions from the catalogue of PostgreSQL, MariaDB, MySQL and Firebird."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import ConfigError
from .sql import Database
from .sql_model import Argument, Column, Kind, Procedure
from .sql_statements import POSTGRES
from .sql_undone import keeps_rows

_VOID, _TRIGGER, _RECORD, _CURSOR = 2278, 2279, 2249, 1790
_MODES = {"i": "in", "o": "out", "b": "inout", "v": "variadic", "t": "table"}
_MYSQL_KINDS: dict[str, Kind] = {
    "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "int": "integer", "bigint": "bigint",
    "year": "integer", "decimal": "decimal", "float": "float", "double": "float", "date": "date", "time": "time",
    "datetime": "timestamp", "timestamp": "timestamp", "char": "text", "varchar": "text", "tinytext": "text",
    "text": "text", "mediumtext": "text", "longtext": "text", "enum": "text", "binary": "bytes", "varbinary": "bytes",
    "tinyblob": "bytes", "blob": "bytes", "mediumblob": "bytes", "longblob": "bytes", "json": "json",
}  # fmt: skip
_FIREBIRD_KINDS: dict[int, Kind] = {
    7: "integer", 8: "integer", 16: "bigint", 10: "float", 27: "float", 12: "date", 13: "time", 35: "timestamp",
    37: "text", 14: "text", 23: "boolean",
}  # fmt: skip
_COMMITS = re.compile(
    r"\b(commit|rollback|start\s+transaction|begin\s+work|create|alter|drop|truncate|rename|grant|revoke|call|lock|prepare)\b",
    re.IGNORECASE,
)
_WHAT = re.compile(r"^(?:(?P<schema>[^.()]+)\.)?(?P<name>[^()]+?)(?:\s*\((?P<types>.*)\))?$")


def reflect_procedure(database: Database, named: str) -> Procedure:
    """Read `name`, `schema.name` or, of several in PostgreSQL, `name(integer, text)`; ConfigError names near ones."""
    found = _WHAT.match(named.strip())
    if found is None:
        raise ConfigError(f"{database.name}: {named!r} names no procedure", field="procedure")
    schema, name, types = found["schema"], found["name"], found["types"]
    with database.unit("read") as connection:
        match database.dialect:
            case "postgresql":
                procedure = _postgres(connection, schema, name, types, database.name)
            case "mysql" | "mariadb":
                procedure = _mysql(connection, schema, name)
            case "firebird":
                procedure = _firebird(connection, name)
            case other:
                raise ConfigError(f"{database.name}: procedures of {other} are not known", field="procedures")
        if procedure is None:
            near = difflib.get_close_matches(name, _names(connection, database.dialect), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"{database.name}: there is no procedure {named!r}{hint}",
                field="procedure",
                next="correct its name in the configuration, or create it",
            )
    return procedure


def _names(connection: Connection, dialect: str) -> list[str]:
    sql = {
        "postgresql": "select proname from pg_proc where prokind in ('f', 'p') and pg_function_is_visible(oid) and pronamespace <> 'pg_catalog'::regnamespace",
        "firebird": "select lower(trim(rdb$procedure_name)) from rdb$procedures union "
        "select lower(trim(rdb$function_name)) from rdb$functions",
    }.get(dialect, "select routine_name from information_schema.routines where routine_schema = database()")
    return [str(row[0]) for row in connection.exec_driver_sql(sql)]


def _postgres(connection: Connection, schema: str | None, name: str, types: str | None, place: str) -> Procedure | None:
    visible = "n.nspname = :schema" if schema else "pg_function_is_visible(p.oid)"
    rows = connection.execute(
        sa.text(
            "select n.nspname as schema, p.prokind::text as kind, p.proretset as many, p.proargnames as names, "
            "p.proargmodes::text[] as modes, coalesce(p.proallargtypes, p.proargtypes::oid[])::int8[] as types, "
            "p.pronargs as given, p.pronargdefaults as defaults, p.prorettype::int8 as result, "
            "obj_description(p.oid, 'pg_proc') as comment, oidvectortypes(p.proargtypes) as signature "
            "from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
            f"where p.proname = :name and p.prokind in ('f', 'p') and {visible}"
        ),
        {"name": name, **({"schema": schema} if schema else {})},
    ).all()
    if types is not None:
        wanted = types.replace(" ", "")
        rows = [row for row in rows if row.signature.replace(" ", "") == wanted]
    if not rows:
        return None
    if len(rows) > 1:
        said = "; ".join(f"{name}({row.signature})" for row in rows)
        raise ConfigError(
            f"{place}: there are {len(rows)} of {name}: {said}", field="procedure", next="name one of them"
        )
    row = rows[0]
    known = _postgres_types(connection, [*row.types, row.result])
    if row.result == _TRIGGER:
        raise ConfigError(f"{place}: {name} is a function of triggers and cannot be called", field="procedure")
    made = _postgres_procedure(connection, row, name, known)
    unnamed = row.result == _RECORD and made.gives == "rows" and not made.rows
    if unnamed or _CURSOR in {row.result, *row.types}:
        said = f"{place}: {name} gives {'records without columns' if unnamed else 'cursors'}, which nobody can read by a call"
        raise ConfigError(said, field="procedure", next="write a statement that reads what it gives")
    return made


def _postgres_procedure(connection: Connection, row: Any, name: str, known: Mapping[int, Any]) -> Procedure:
    modes = [_MODES[mode] for mode in row.modes or ["i"] * len(row.types)]
    names = [*(row.names or []), *[""] * len(row.types)]
    inward = [at for at, mode in enumerate(modes) if mode in {"in", "inout", "variadic"}]
    optional = {*inward[len(inward) - row.defaults :]} if row.defaults else set()
    arguments, table = [], []
    for at, (oid, mode) in enumerate(zip(row.types, modes, strict=True)):
        column = _postgres_column(names[at] or f"arg{at + 1}", known[oid])
        if mode == "table":
            table.append(column)
        else:
            arguments.append(Argument(column, mode, known[oid].type, at in optional, bool(names[at])))  # type: ignore[arg-type]  # words of it
    outs = [argument.column for argument in arguments if argument.mode in {"out", "inout"}]
    schema, common = row.schema, {"comment": row.comment, "is_function": row.kind == "f"}
    result = known[row.result]
    if row.kind == "p" or row.result == _VOID:
        return Procedure(name, schema, tuple(arguments), "nothing", **common)
    if row.many or result.members:
        columns = table or outs or [_postgres_column(member, kind) for member, kind in _members(connection, result)]
        columns = columns or ([] if row.result == _RECORD else [_postgres_column(name, result)])
        given = [argument for argument in arguments if argument.mode != "out"]
        return Procedure(name, schema, tuple(given), "rows", rows=tuple(columns), **common)
    if outs:
        return Procedure(name, schema, tuple(arguments), "nothing", **common)
    return Procedure(name, schema, tuple(arguments), "value", result=_postgres_column("result", result), **common)


def _postgres_types(connection: Connection, oids: Sequence[int]) -> dict[int, Any]:
    rows = connection.execute(
        sa.text(
            "select t.oid::int8 as oid, format_type(t.oid, null) as type, t.typcategory::text as category, "
            "case when t.typbasetype <> 0 then t.typbasetype else t.oid end::int8 as base, "
            "nullif(t.typrelid, 0)::int8 as members, "
            "(select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) as labels "
            "from pg_type t where t.oid = any(cast(:oids as oid[]))"
        ),
        {"oids": sorted(set(oids))},
    )
    return {row.oid: row for row in rows}


def _members(connection: Connection, composite: Any) -> list[tuple[str, Any]]:
    if not composite.members:
        return []
    found = connection.execute(
        sa.text(
            "select attname, atttypid::int8 as type from pg_attribute "
            "where attrelid = :relation and attnum > 0 and not attisdropped order by attnum"
        ),
        {"relation": composite.members},
    ).all()
    known = _postgres_types(connection, [row.type for row in found])
    return [(row.attname, known[row.type]) for row in found]


def _postgres_column(name: str, found: Any) -> Column:
    if found.labels:
        return Column(name, "text", values=tuple(found.labels))
    return Column(name, "array" if found.category == "A" else POSTGRES.get(found.base, "other"))


def _mysql(connection: Connection, schema: str | None, name: str) -> Procedure | None:
    routine = connection.execute(
        sa.text(
            "select routine_schema as `schema`, routine_name as name, routine_type as kind, routine_comment as comment, "
            "routine_definition as body from information_schema.routines "
            "where routine_schema = coalesce(:schema, database()) and routine_name = :name"
        ),
        {"schema": schema, "name": name},
    ).first()
    if routine is None:
        return None
    found = connection.execute(
        sa.text(
            "select parameter_mode as mode, parameter_name as name, data_type as type, dtd_identifier as spelled, "
            "character_maximum_length as length, numeric_scale as scale from information_schema.parameters "
            "where specific_schema = :schema and specific_name = :name and routine_type = :kind order by ordinal_position"
        ),
        {"schema": routine.schema, "name": routine.name, "kind": routine.kind},
    ).all()
    arguments = tuple(Argument(_mysql_column(row), row.mode.lower(), row.type) for row in found if row.mode)
    result = next((_mysql_column(row) for row in found if not row.mode), None)
    is_function = routine.kind == "FUNCTION"
    return Procedure(
        routine.name,
        schema,
        arguments,
        "value" if is_function else "sets",
        is_function,
        result,
        commits=not is_function and (routine.body is None or _COMMITS.search(routine.body) is not None),
        keeps=routine.body is None or keeps_rows(connection, "mysql", routine.body),
        comment=routine.comment or None,
    )


def _mysql_column(row: Any) -> Column:
    kind = _MYSQL_KINDS.get(row.type.lower(), "other")
    values = re.findall(r"'((?:[^']|'')*)'", row.spelled) if row.type.lower() == "enum" else ()
    length = row.length if row.type.lower() in {"char", "varchar"} else None
    scale = row.scale if kind == "decimal" else None
    return Column(row.name or "result", kind, length=length, scale=scale, values=tuple(values))


_FIREBIRD_FIELD = (
    "f.rdb$field_type as type, f.rdb$field_sub_type as sub_type, f.rdb$field_scale as scale, "
    "f.rdb$character_length as length, coalesce(p.rdb$null_flag, f.rdb$null_flag, 0) as never_null"
)


def _firebird(connection: Connection, name: str) -> Procedure | None:
    """A name in lower case is one without quotes, which Firebird keeps in capitals."""
    kept = name.upper() if name == name.lower() else name
    found = connection.execute(
        sa.text(
            "select rdb$procedure_type as kind, trim(cast(rdb$description as varchar(2000))) as comment "
            "from rdb$procedures where rdb$procedure_name = :name"
        ),
        {"name": kept},
    ).first()
    if found is None:
        return _firebird_function(connection, name, kept)
    rows = connection.execute(
        sa.text(
            "select trim(p.rdb$parameter_name) as name, p.rdb$parameter_type as outward, "
            f"coalesce(p.rdb$default_source, f.rdb$default_source) as made, {_FIREBIRD_FIELD} "
            "from rdb$procedure_parameters p join rdb$fields f on f.rdb$field_name = p.rdb$field_source "
            "where p.rdb$procedure_name = :name order by p.rdb$parameter_type, p.rdb$parameter_number"
        ),
        {"name": kept},
    ).all()
    inward = [Argument(_firebird_column(row), optional=row.made is not None) for row in rows if not row.outward]
    outward = [_firebird_column(row) for row in rows if row.outward]
    if found.kind == 1:
        return Procedure(name, None, tuple(inward), "rows", rows=tuple(outward), comment=found.comment)
    given = (*inward, *(Argument(column, "out") for column in outward))
    return Procedure(name, None, given, "nothing", comment=found.comment)


def _firebird_function(connection: Connection, name: str, kept: str) -> Procedure | None:
    found = connection.execute(
        sa.text(
            "select rdb$return_argument as result, trim(cast(rdb$description as varchar(2000))) as comment "
            "from rdb$functions where rdb$function_name = :name and rdb$system_flag = 0"
        ),
        {"name": kept},
    ).first()
    if found is None:
        return None
    rows = connection.execute(
        sa.text(
            "select trim(p.rdb$argument_name) as name, p.rdb$argument_position as place, "
            f"coalesce(p.rdb$default_source, f.rdb$default_source) as made, {_FIREBIRD_FIELD} "
            "from rdb$function_arguments p join rdb$fields f on f.rdb$field_name = p.rdb$field_source "
            "where p.rdb$function_name = :name order by p.rdb$argument_position"
        ),
        {"name": kept},
    ).all()
    inward = [
        Argument(_firebird_column(row), optional=row.made is not None) for row in rows if row.place != found.result
    ]
    result = next(_firebird_column(row) for row in rows if row.place == found.result)
    return Procedure(name, None, tuple(inward), "value", True, result, comment=found.comment)


def _firebird_column(row: Any) -> Column:
    kind = _FIREBIRD_KINDS.get(row.type, "other")
    if row.type in {7, 8, 16} and (row.sub_type or row.scale):
        kind = "decimal"
    if row.type == 261:
        kind = "text" if row.sub_type == 1 else "bytes"
    name = str(row.name or "result")
    return Column(
        name.lower() if name == name.upper() else name,
        kind,
        nullable=not row.never_null,
        length=row.length if kind == "text" else None,
        scale=-row.scale if kind == "decimal" else None,
    )
