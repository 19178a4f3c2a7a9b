"""Allowed tables as tools: read, insert, upsert, update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...connectors import sql_schema as schema
from ...connectors.sql_model import Condition, Order, Query, Rows, Table
from ...connectors.sql_paging import after, token
from ...connectors.sql_quirks import quirky
from ...core.errors import ConfigError, InputError
from ...core.tool import Call, Reading, Seen, Tool
from .config import TableConfig
from .quirks import Quirks, quirks_of
from .statements import answer

if TYPE_CHECKING:
    from ...connectors.sql import Database


@dataclass(frozen=True, slots=True)
class TableTools:
    """Makes the tools of one reflected table."""

    database: Database
    table: Table
    config: TableConfig

    def read(self, tool: str) -> Tool:
        from ...connectors.sql_select import TableRead

        table, config = self.table, self.config
        pages = bool(table.key)
        reads = TableRead(self.database, table, config.max_bytes)
        every = [column.name for column in table.columns]

        def asked(arguments: dict[str, Any]) -> tuple[Query, list[str]]:
            where, order = conditions(arguments.get("where") or {}), ordering(arguments.get("order") or [], table)
            wanted = arguments.get("columns") or every
            hidden = [item.column for item in order if pages and item.column not in wanted]
            begin = after(arguments["next"], where, order) if arguments.get("next") else None
            limit = min(arguments.get("limit") or 100, config.max_rows)
            return Query([*wanted, *hidden], where, order, begin, limit, pages), wanted

        def page(query: Query, wanted: list[str], found: Rows) -> dict[str, Any]:
            following = token(query.where, query.order, found.rows[-1]) if found.truncated and pages else None
            rows = found.rows
            if rows and len(rows[0]) != len(wanted):
                rows = [{column: row[column] for column in wanted} for row in rows]
            return {"rows": rows, "next": following, **({"truncated": True} if found.truncated and not pages else {})}

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            query, wanted = asked(arguments)
            return page(query, wanted, reads.rows(query, call.left_s()))

        def begin(arguments: dict[str, Any], call: Call) -> Reading | None:
            query, wanted = asked(arguments)
            return reads.begin(query, call.left_s(), partial(page, query, wanted), partial(run, arguments, call))

        about = table.comment or f"Read rows of {table.full_name}"
        return Tool(
            tool,
            f"{about.rstrip('.')}. Filters, order and pages are optional; give `next` back for the rows that follow.",
            "read",
            schema.query_input(table.columns, max_rows=config.max_rows, pages=pages),
            schema.rows_output(schema.row_output(table.columns, whole=False)),
            run,
            begin=begin if reads.begins else None,
        )

    def insert(self, tool: str) -> Tool:
        from ...connectors import sql_tables as tables

        table = self.table

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.insert(self.database, table, arguments, call.left_s(), call.leaving))

        required = [column.name for column in table.columns if not column.nullable and not column.generated]
        made = [column.name for column in table.columns if column.name in table.key and column.generated]
        output = schema.count_output(key=schema.key_output(table) if made else None)
        return self._row_tool(tool, f"Insert one row into {table.full_name}.", required, run, output)

    def upsert(self, tool: str) -> Tool:
        from ...connectors import sql_tables as tables

        table = self.table
        keyed(table, tool)

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.upsert(self.database, table, table.key, arguments, call.left_s(), call.leaving))

        required = [column.name for column in table.columns if not column.nullable and not column.generated]
        needed = list(dict.fromkeys([*table.key, *required]))
        about = f"Insert one row into {table.full_name}, or set the given columns of the row with this key."
        return self._row_tool(tool, about, needed, run, schema.count_output())

    def update(self, tool: str) -> Tool:
        from ...connectors import sql_tables as tables

        table = self.table
        keyed(table, tool)

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.update(self.database, table, table.key, arguments, call.left_s(), call.leaving))

        about = f"Set columns of the row of {table.full_name} with this key; count is 0 when there is none."
        return self._row_tool(tool, about, table.key, run, schema.count_output())

    def _row_tool(
        self,
        tool: str,
        about: str,
        required: Iterable[str],
        run: Callable[[dict[str, Any], Call], Any],
        output: dict[str, Any],
    ) -> Tool:
        from ...connectors import sql_tables as tables

        table, verb = self.table, tool.partition("_")[0]

        def preview(arguments: dict[str, Any]) -> dict[str, Any]:
            sql = tables.would_send(self.database, table, verb, arguments)
            known = all(name in arguments for name in table.key) and bool(table.key)
            rows = tables.rows_with(self.database, table, table.key, arguments) if known else 0
            return {"sql": sql, "parameters": arguments, "rows": rows}

        def probe(arguments: dict[str, Any], call: Call) -> Seen:
            if not table.key or any(arguments.get(name) is None for name in table.key):
                raise InputError(f"{tool}: the database made the key, so that the row cannot be looked for")
            there = tables.holds(self.database, table, table.key, arguments, call.left_s())
            return Seen(there, {"count": 1} if there else None)

        form = schema.row_input(table.columns, required)
        return Tool(
            tool, f"{table.comment}. {about}" if table.comment else about, "write", form, output, run, preview, probe
        )


def narrowed(table: Table, config: TableConfig, every: Quirks, where: str) -> Table:
    """Apply the configured key, columns and quirks; ConfigError names a column that is not there."""
    known = {column.name for column in table.columns}
    for name in [*config.key, *(config.columns or ()), *config.quirks.columns]:
        if name not in known:
            raise ConfigError(f"{where}: {table.full_name} has no column {name!r}", field="key")
    key = tuple(config.key) or table.key
    columns = table.columns
    if config.columns is not None:
        columns = tuple(column for column in columns if column.name in {*config.columns, *key})
    common, named = quirks_of(every, config.quirks)
    columns = tuple(quirky(column, named.get(column.name, common)) for column in columns)
    return replace(table, columns=columns, key=key)


def as_far_as_there(table: Table, config: TableConfig) -> TableConfig:
    """Leave out of the configuration the columns that the table does not have (any more)."""
    known = {column.name for column in table.columns}
    quirks = {name: quirk for name, quirk in config.quirks.columns.items() if name in known}
    said = {
        "key": [name for name in config.key if name in known],
        "columns": config.columns and [name for name in config.columns if name in known],
        "quirks": config.quirks.model_copy(update={"columns": quirks}),
    }
    return config.model_copy(update=said)


def keyed(table: Table, tool: str) -> None:
    if not table.key:
        raise ConfigError(f"{tool}: {table.full_name} has no primary key; name one with key:", field="key")


def conditions(where: Mapping[str, Any]) -> list[Condition]:
    found = []
    for column, value in where.items():
        if isinstance(value, Mapping):
            found += [Condition(column, operator, inner) for operator, inner in value.items()]
        else:
            found.append(Condition(column, "=", value))
    return found


def ordering(given: Iterable[str], table: Table) -> list[Order]:
    """Give the order that was asked for, made total by the key: pages need that."""
    order = [Order(text.removesuffix(" desc"), text.endswith(" desc")) for text in given]
    named = {item.column for item in order}
    return [*order, *(Order(name) for name in table.key if name not in named)]
