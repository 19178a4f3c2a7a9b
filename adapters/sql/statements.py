"""Configured statements as tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ...connectors import sql_schema as schema
from ...connectors.sql_model import Changed, Column, Quirk, Rows
from ...connectors.sql_quirks import encoder, quirky
from ...connectors.sql_text import parse
from ...core.errors import ConfigError
from ...core.tool import Call, Reading, Tool
from .config import Parameter, StatementConfig
from .quirks import Quirks, quirks_of

if TYPE_CHECKING:
    from ...connectors.sql import Database
    from ...connectors.sql_pinned import PinnedRead
    from ...connectors.sql_statements import Limits, Statement


def prepared(database: Database, config: StatementConfig, every: Quirks) -> Statement:
    """
    Read a statement's text for its database.

    Where the database knows no read-only transaction, a read that the parser says could write is a ConfigError.
    """
    from ...connectors.sql_statements import Statement, sqlite_kinds

    text = parse(config.sql, database.dialect, config.lists)
    if config.effect == "read" and not database.knows_read_only:
        from ...connectors.sql_effects import writes

        if found := writes(text, database.dialect):
            raise ConfigError(f"{database.name}: effect read, but this could write ({found}): {config.sql[:80]!r}")
    known = sqlite_kinds(database, text) if database.dialect == "sqlite" else {}
    return Statement(text, config.lists, with_quirks(known, config, every) or None)


def with_quirks(known: Mapping[str, Column], config: StatementConfig, every: Quirks) -> dict[str, Column]:
    """Say of the columns of an answer what is declared of them; what nothing is known of stands under EVERY."""
    from ...connectors.sql_statements import EVERY

    common, named = quirks_of(every, config.quirks)
    found = {name: quirky(column, named.get(name, common)) for name, column in known.items()}
    found |= {name: quirky(Column(name, "text"), quirk) for name, quirk in named.items() if name not in known}
    if common != Quirk():
        found[EVERY] = Column(EVERY, "text", quirk=common)
    return found


def statement_tool(database: Database, name: str, config: StatementConfig, every: Quirks) -> Tool:
    """Make the tool of a statement; asks the database for the columns of a query."""
    from ...connectors import sql_statements as statements

    statement = prepared(database, config, every)
    limits = statements.Limits(config.max_rows, config.max_bytes)
    transactional = config.transactional and not statements.commits_by_itself(statement, database.dialect)

    pinned = _pinned(database, statement, limits) if config.effect == "read" else None
    keeps: list[bool] = []  # known from the first write on

    bind = binding(config)

    def read(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        values, left_s = bind(arguments), call.left_s()
        found = pinned.read(values, left_s) if pinned is not None else None
        if found is None:
            found = statements.read(database, statement, values, limits, call.left_s())
            if pinned is not None:
                pinned.grow(left_s)
        return rows_of(found)

    def begin(arguments: dict[str, Any], call: Call) -> Reading | None:
        assert pinned is not None
        return pinned.begin(bind(arguments), call.left_s(), rows_of, partial(read, arguments, call))

    def write(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        if not keeps:
            keeps.append(statements.keeps_what_it_wrote(database, statement, call.left_s()))
        done = statements.write(
            database,
            statement,
            bind(arguments),
            limits,
            timeout_s=call.left_s(),
            transactional=transactional,
            expect_rows=config.expect_rows,
            keeps=keeps[0],
            leaving=call.leaving,
        )
        return answer(done)

    def preview(arguments: dict[str, Any]) -> dict[str, Any]:
        values = bind(arguments)
        would = {"sql": config.sql, "parameters": values}
        rows = None if config.effect == "read" else statements.would_change(database, statement, values)
        return would if rows is None else {**would, "rows": rows}

    columns = statements.describe(database, statement)
    if columns and statement.kinds:
        columns = [statements.meant(column, statement.kinds) for column in columns]
    row = schema.row_output(columns, whole=False) if columns else {"type": "object"}
    reads = config.effect == "read"
    return Tool(
        name,
        config.description or f"Run {name}.",
        config.effect,
        arguments_schema(config),
        schema.rows_output(row) if reads else schema.count_output({"type": "object"}),
        read if reads else write,
        preview,
        timeout_s=config.timeout_s,
        begin=None if pinned is None else begin,
    )


def rows_of(found: Rows) -> dict[str, Any]:
    return {"rows": found.rows, "next": None, **({"truncated": True} if found.truncated else {})}


def _pinned(database: Database, statement: Statement, limits: Limits) -> PinnedRead | None:
    if database.driver != "psycopg" or statement.kinds:
        return None
    try:
        from ...connectors.sql_pinned import PinnedRead
    except ImportError:  # the driver is not there, or not as we know it
        return None
    return PinnedRead.of(database, statement, limits)


def arguments_schema(config: StatementConfig) -> dict[str, Any]:
    needed = [
        name for name, parameter in config.parameters.items() if parameter.default is None and not parameter.nullable
    ]
    return {
        "type": "object",
        "properties": {name: parameter.as_schema() for name, parameter in config.parameters.items()},
        "required": needed,
        "additionalProperties": False,
    }


def bound(config: StatementConfig, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give every parameter a value of its type."""
    return binding(config)(arguments)


def binding(config: StatementConfig) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Give what does as `bound`, for many calls: what the configuration alone says is looked up once."""
    known = [
        (name, one.default, one.items is not None, (one.items or one).kind, _encoder(config, name, one.items or one))
        for name, one in config.parameters.items()
    ]

    def bind(arguments: Mapping[str, Any]) -> dict[str, Any]:
        converted = _converted()
        values: dict[str, Any] = {}
        for name, default, is_list, kind, encode in known:
            value = arguments.get(name, default)
            if is_list:
                values[name] = [encode(converted(item, kind, name)) for item in value or ()]
            else:
                values[name] = encode(converted(value, kind, name))
        return values

    return bind


@cache
def _converted() -> Callable[[Any, Any, str], Any]:
    """Load what converts a value, once: an import in every call is felt."""
    from ...connectors.sql_values import converted

    return converted


def _encoder(config: StatementConfig, name: str, parameter: Parameter) -> Callable[[Any], Any]:
    """Write a parameter as the column of its name keeps values, where that is declared."""
    if name not in config.quirks.columns:
        return _same
    return encoder(Column(name, parameter.kind, quirk=quirks_of(Quirks(), config.quirks)[1][name], stored="text"))


def _same(value: Any) -> Any:
    return value


def answer(done: Changed) -> dict[str, Any]:
    said: dict[str, Any] = {"count": done.count}
    if done.key is not None:
        said["key"] = dict(done.key)
    if done.rows is not None:
        said["rows"] = done.rows
    return said
