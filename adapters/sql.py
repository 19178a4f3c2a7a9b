"""Adapter = meaning: a database, its configured statements and allowed tables as tools, sources and sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..connectors import sql_schema as schema
from ..connectors.sql_model import Changed, Column, Condition, Kind, Order, Query, Table
from ..connectors.sql_paging import after, token
from ..connectors.sql_text import READ_VERBS, Text, parse
from ..core.adapter import Adapter, AdapterConfig, Finding, Place
from ..core.batch import Sink, Source
from ..core.errors import ConfigError, DrawbarError, InputError
from ..core.strict import Strict
from ..core.tool import Call, Effect, Seen, Tool

if TYPE_CHECKING:
    from ..connectors.sql import Database
    from ..connectors.sql_statements import Statement

_LATER = "comes with the release that deepens SQL; remove it until then"
_TABLE_VERBS = ("read", "insert", "upsert", "update")
_FORMATS: dict[str | None, Kind] = {
    "decimal": "decimal",
    "date": "date",
    "time": "time",
    "date-time": "timestamp",
    "int64": "bigint",
    "uuid": "uuid",
}
_TYPES: dict[str, Kind] = {
    "integer": "integer",
    "number": "decimal",
    "string": "text",
    "boolean": "boolean",
    "decimal": "decimal",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
}


class Parameter(Strict):
    """One parameter of a statement, in the words of JSON Schema; decimal, date, time and timestamp are types here."""

    type: Literal["integer", "number", "string", "boolean", "decimal", "date", "time", "timestamp", "array"] = Field(
        "string", description="What callers send; array is for `in (:name)`."
    )
    format: Literal["decimal", "date", "time", "date-time", "int64", "uuid"] | None = Field(
        None, description="What a string means."
    )
    description: str | None = Field(None, description="What callers read about it.")
    enum: list[Any] | None = Field(None, description="Only these values.")
    default: Any = Field(None, description="Used when the caller gives nothing; without it the parameter is required.")
    nullable: bool = Field(False, description="null is allowed, and is what an absent one means.")
    minimum: int | float | None = Field(None, description="The smallest number.")
    maximum: int | float | None = Field(None, description="The largest number.")
    min_length: int | None = Field(None, alias="minLength", ge=0, description="Characters at least.")
    max_length: int | None = Field(None, alias="maxLength", ge=0, description="Characters at most.")
    pattern: str | None = Field(None, description="Regular expression that a text matches.")
    items: Parameter | None = Field(None, description="Of an array, which is for `in (:name)`.")

    @model_validator(mode="after")
    def _array(self) -> Self:
        if (self.type == "array") != (self.items is not None):
            raise PydanticCustomError("items", "type: array needs items, and only an array has them")
        return self

    @property
    def kind(self) -> Kind:
        return _FORMATS[self.format] if self.format else _TYPES[self.type]

    def as_schema(self) -> dict[str, Any]:
        if self.items is not None:
            said: dict[str, Any] = {"type": "array", "items": self.items.as_schema(), "maxItems": 1000}
        else:
            said = schema.accepted(Column("", self.kind, nullable=self.nullable))
        facets = {
            "description": self.description,
            "enum": self.enum and [*self.enum, *([None] if self.nullable else [])],
            "default": self.default,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": self.pattern,
        }
        return {**said, **{name: value for name, value in facets.items() if value is not None}}


class StatementConfig(Strict):
    """A named statement. Values come in as `:name` and are bound, never pasted."""

    sql: str = Field(min_length=1, description="One statement, in the database's own dialect.")
    description: str = Field("", description="What it does, for whoever may call it.")
    parameters: dict[str, Parameter] = Field(default_factory=dict, description="Each :name of the sql.")
    effect: Effect = Field("write", description="read runs in a read-only transaction.")
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="More rows are not fetched.")
    max_bytes: int = Field(10_000_000, ge=1, description="Rough size of an answer, in bytes.")
    expect_rows: int | None = Field(None, ge=0, description="Else Rejected, and nothing is committed.")
    transactional: bool = Field(True, description="false: runs outside a transaction and cannot be undone.")
    timeout_s: float | None = Field(None, gt=0, le=3600, description="Instead of the adapter's call_timeout_s.")

    later: ClassVar[dict[str, str]] = {"quirks": _LATER}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.effect == "read" and self.expect_rows is not None:
            raise PydanticCustomError("expect_rows", "expect_rows: only for a statement that writes")
        return self

    @property
    def lists(self) -> frozenset[str]:
        return frozenset(name for name, parameter in self.parameters.items() if parameter.type == "array")


class TableConfig(Strict):
    """A table or view that may be used, and how."""

    table: str | None = Field(None, description="table or schema.table; the name of this entry when absent.")
    key: list[str] = Field(default_factory=list, description="What identifies a row; the primary key when absent.")
    columns: list[str] | None = Field(None, description="Only these are seen; all when absent.")
    read: bool = Field(False, description="Offer read_<name>: filters, order, pages.")
    insert: bool = Field(False, description="Offer insert_<name>: one row.")
    upsert: bool = Field(False, description="Offer upsert_<name>: insert one row, or change the row with this key.")
    update: bool = Field(False, description="Offer update_<name>: change the row with this key.")
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="The longest page.")
    max_bytes: int = Field(10_000_000, ge=1, description="Rough size of a page, in bytes.")

    later: ClassVar[dict[str, str]] = {"quirks": _LATER, "delete": _LATER}


class SqlConfig(AdapterConfig):
    """A database: PostgreSQL, MariaDB, MySQL, SQLite, or another with a dialect of SQLAlchemy."""

    url: SecretStr = Field(description="postgresql://user:password@host:5432/database, mysql://..., sqlite:///file.db")
    statements: dict[str, StatementConfig] = Field(default_factory=dict, description="Tools by name, each a statement.")
    tables: dict[str, TableConfig] = Field(
        default_factory=dict, description="Tables and views that may be used; no other is."
    )

    later: ClassVar[dict[str, str]] = {"procedures": f"stored procedures as tools: {_LATER}", "quirks": _LATER}

    @field_validator("statements", "tables")
    @classmethod
    def _names(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in given:
            if not name.isidentifier():
                raise PydanticCustomError("name", "{name!r}: a name is letters, digits and _", {"name": name})
        return given

    @property
    def dialect(self) -> str:
        scheme = self.url.get_secret_value().partition(":")[0].partition("+")[0]
        return {"postgres": "postgresql", "mariadb": "mysql"}.get(scheme, scheme)

    @model_validator(mode="after")
    def _statements_fit(self) -> Self:
        for name, statement in self.statements.items():
            if problem := _problem(statement, self.dialect):
                raise PydanticCustomError(
                    "statement", "statements.{name}: {problem}", {"name": name, "problem": problem}
                )
        twice = self.statements.keys() & table_tools(self)
        if twice:
            raise PydanticCustomError("name", "{name} is both a statement and a tool of a table", {"name": min(twice)})
        return self


def _problem(statement: StatementConfig, dialect: str) -> str | None:
    try:
        text = parse(statement.sql, dialect, statement.lists)
    except ConfigError as error:
        return error.message
    if missing := sorted(text.parameters - statement.parameters.keys()):
        return f"parameter :{missing[0]} is not declared under parameters"
    if unused := sorted(statement.parameters.keys() - text.parameters):
        return f"parameter {unused[0]} is not used in the sql"
    if statement.effect == "read" and text.verb not in READ_VERBS:
        return f"effect read, but {text.verb or 'it'} writes"
    return None


def table_tools(config: SqlConfig) -> dict[str, tuple[str, str]]:
    """Name the tools of the tables: {"read_orders": ("read", "orders")}."""
    return {
        f"{verb}_{name}": (verb, name)
        for name, table in config.tables.items()
        for verb in _TABLE_VERBS
        if getattr(table, verb)
    }


class SqlAdapter(Adapter[SqlConfig]):
    kind = "sql"
    Config = SqlConfig

    def __init__(self, name: str, config: SqlConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._lock = threading.Lock()
        self._database: Database | None = None

    @classmethod
    def tool_names(cls, config: SqlConfig) -> set[str] | None:
        return {*config.statements, *table_tools(config)}

    @classmethod
    def endpoints(cls, config: SqlConfig) -> Mapping[str, set[str]]:
        reads = {name for name, statement in config.statements.items() if statement.effect == "read"}
        return {"table": set(config.tables), "statement": reads}

    @property
    def database(self) -> Database:
        from ..connectors.sql import Database

        with self._lock:
            if self._database is None:
                self._database = Database(
                    self.name,
                    self.config.url.get_secret_value(),
                    base=self.place.base,
                    connections=self.config.budget.concurrency,
                    call_timeout_s=self.config.call_timeout_s,
                )
            return self._database

    def close(self) -> None:
        with self._lock:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def tools(self) -> Iterable[Tool]:
        for name, statement in self.config.statements.items():
            yield self._statement_tool(name, statement)
        tables: dict[str, Table] = {}
        for tool, (verb, name) in table_tools(self.config).items():
            if name not in tables:
                tables[name] = self.table(name)
            yield getattr(self, f"_{verb}_tool")(tool, name, tables[name])

    def table(self, name: str) -> Table:
        """Reflect a configured table, with the configured key and columns."""
        from ..connectors.sql_reflect import reflect

        config = self.config.tables.get(name)
        if config is None:
            raise ConfigError(f"{self.name}: table {name!r} is not under tables", field="table")
        found = reflect(self.database, config.table or name)
        return narrowed(found, config, f"{self.name}.tables.{name}")

    def source(self, spec: Mapping[str, Any], *, sync: str) -> Source:
        from ..connectors.sql_source import StatementSource, TableSource

        if "statement" in spec:
            name = spec["statement"]
            if name not in self.config.statements or self.config.statements[name].effect != "read":
                raise ConfigError(f"{self.name}: {name!r} is no statement with effect read", field="statement")
            config = self.config.statements[name]
            return StatementSource(self.database, self._prepared(config), bound(config, spec.get("with") or {}), name)
        return TableSource(self.database, self.table(spec["table"]), spec.get("cursor"))

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> Sink:
        from ..connectors.sql_sink import TableSink

        return TableSink(self.database, self.table(spec["table"]), spec, sync=sync)

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        yield (connected := self._tried("connect and log in", self._connect))
        if not connected.ok:
            return
        for name in self.config.tables:
            yield self._tried(f"table {name}", partial(self._look, name))
        for name, statement in self.config.statements.items():
            yield self._tried(f"statement {name}", partial(self._plan, statement))

    def _connect(self) -> str:
        with self.database.unit("read"):
            return self.database.place

    def _look(self, name: str) -> str:
        table, config = self.table(name), self.config.tables[name]
        if config.upsert and frozenset(table.key) not in table.unique:
            return f"{len(table.columns)} columns; {', '.join(table.key)} is not unique there: two at once may insert twice"
        return f"{len(table.columns)} columns, key {', '.join(table.key) or 'none'}"

    def _plan(self, config: StatementConfig) -> str:
        from ..connectors.sql_statements import try_plan

        return try_plan(self.database, self._prepared(config))

    def _tried(self, what: str, step: Callable[[], str]) -> Finding:
        try:
            return Finding(what, ok=True, found=step())
        except DrawbarError as error:
            return Finding(what, ok=False, found=error.message, next=error.next or "see the database's own log")

    def _prepared(self, config: StatementConfig) -> Statement:
        from ..connectors.sql_statements import Statement, sqlite_kinds

        text = parse(config.sql, self.database.dialect, config.lists)
        self._refuse_hidden_writes(config, text)
        kinds = sqlite_kinds(self.database, text) if self.database.dialect == "sqlite" else None
        return Statement(text, config.lists, kinds)

    def _refuse_hidden_writes(self, config: StatementConfig, text: Text) -> None:
        """Where the database knows no read-only transaction, its parser's word must do."""
        if config.effect != "read" or self.database.knows_read_only:
            return
        from ..connectors.sql_text import writes

        if found := writes(text, self.database.dialect):
            raise ConfigError(f"{self.name}: effect read, but this could write ({found}): {config.sql[:80]!r}")

    def _statement_tool(self, name: str, config: StatementConfig) -> Tool:
        from ..connectors import sql_statements as statements

        statement, database = self._prepared(config), self.database
        limits = statements.Limits(config.max_rows, config.max_bytes)
        transactional = config.transactional and not statements.commits_by_itself(statement, database.dialect)

        def bind(arguments: Mapping[str, Any]) -> dict[str, Any]:
            return bound(config, arguments)

        def read(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            found = statements.read(database, statement, bind(arguments), limits, call.left_s())
            return {"rows": found.rows, "next": None, **({"truncated": True} if found.truncated else {})}

        def write(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            done = statements.write(
                database,
                statement,
                bind(arguments),
                limits,
                timeout_s=call.left_s(),
                transactional=transactional,
                expect_rows=config.expect_rows,
                leaving=call.leaving,
            )
            return answer(done)

        def preview(arguments: dict[str, Any]) -> dict[str, Any]:
            values = bind(arguments)
            would = {"sql": config.sql, "parameters": values}
            rows = None if config.effect == "read" else statements.would_change(database, statement, values)
            return would if rows is None else {**would, "rows": rows}

        columns = statements.describe(database, statement)
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
        )

    def _read_tool(self, tool: str, name: str, table: Table) -> Tool:
        config = self.config.tables[name]
        pages = bool(table.key)

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            from ..connectors.sql_statements import Limits
            from ..connectors.sql_tables import select

            where, order = conditions(arguments.get("where") or {}), ordering(arguments.get("order") or [], table)
            limit = min(arguments.get("limit") or 100, config.max_rows)
            wanted = list(arguments.get("columns") or [column.name for column in table.columns])
            hidden = [item.column for item in order if pages and item.column not in wanted]
            begin = after(arguments["next"], where, order) if arguments.get("next") else None
            found = select(
                self.database,
                table,
                Query([*wanted, *hidden], where, order, begin),
                Limits(limit, config.max_bytes),
                call.left_s(),
            )
            following = token(where, order, found.rows[-1]) if found.truncated and pages else None
            rows = [{column: row[column] for column in wanted} for row in found.rows] if hidden else found.rows
            return {"rows": rows, "next": following, **({"truncated": True} if found.truncated and not pages else {})}

        about = table.comment or f"Read rows of {table.full_name}"
        return Tool(
            tool,
            f"{about.rstrip('.')}. Filters, order and pages are optional; give `next` back for the rows that follow.",
            "read",
            schema.query_input(table.columns, max_rows=config.max_rows, pages=pages),
            schema.rows_output(schema.row_output(table.columns, whole=False)),
            run,
        )

    def _insert_tool(self, tool: str, name: str, table: Table) -> Tool:
        from ..connectors import sql_tables as tables

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.insert(self.database, table, arguments, call.left_s(), call.leaving))

        required = [column.name for column in table.columns if not column.nullable and not column.generated]
        made = [column.name for column in table.columns if column.name in table.key and column.generated]
        output = schema.count_output(key=schema.key_output(table) if made else None)
        return self._row_tool(tool, f"Insert one row into {table.full_name}.", table, required, run, output)

    def _upsert_tool(self, tool: str, name: str, table: Table) -> Tool:
        from ..connectors import sql_tables as tables

        keyed(table, tool)

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.upsert(self.database, table, table.key, arguments, call.left_s(), call.leaving))

        required = [column.name for column in table.columns if not column.nullable and not column.generated]
        needed = list(dict.fromkeys([*table.key, *required]))
        about = f"Insert one row into {table.full_name}, or set the given columns of the row with this key."
        return self._row_tool(tool, about, table, needed, run, schema.count_output())

    def _update_tool(self, tool: str, name: str, table: Table) -> Tool:
        from ..connectors import sql_tables as tables

        keyed(table, tool)

        def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
            return answer(tables.update(self.database, table, table.key, arguments, call.left_s(), call.leaving))

        about = f"Set columns of the row of {table.full_name} with this key; count is 0 when there is none."
        return self._row_tool(tool, about, table, table.key, run, schema.count_output())

    def _row_tool(
        self,
        tool: str,
        about: str,
        table: Table,
        required: Iterable[str],
        run: Callable[[dict[str, Any], Call], Any],
        output: dict[str, Any],
    ) -> Tool:
        from ..connectors import sql_tables as tables

        verb = tool.partition("_")[0]

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


def narrowed(table: Table, config: TableConfig, where: str) -> Table:
    """Apply the configured key and columns; ConfigError names a column that is not there."""
    known = {column.name for column in table.columns}
    for name in [*config.key, *(config.columns or ())]:
        if name not in known:
            raise ConfigError(f"{where}: {table.full_name} has no column {name!r}", field="key")
    key = tuple(config.key) or table.key
    columns = table.columns
    if config.columns is not None:
        columns = tuple(column for column in columns if column.name in {*config.columns, *key})
    return Table(
        table.name, table.schema, columns, key, table.unique, transactional=table.transactional, comment=table.comment
    )


def keyed(table: Table, tool: str) -> None:
    if not table.key:
        raise ConfigError(f"{tool}: {table.full_name} has no primary key; name one with key:", field="key")


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
    from ..connectors.sql_values import converted

    values: dict[str, Any] = {}
    for name, parameter in config.parameters.items():
        value = arguments.get(name, parameter.default)
        if parameter.items is not None:
            values[name] = [converted(item, parameter.items.kind, name) for item in value or ()]
        else:
            values[name] = converted(value, parameter.kind, name)
    return values


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


def answer(done: Changed) -> dict[str, Any]:
    said: dict[str, Any] = {"count": done.count}
    if done.key is not None:
        said["key"] = dict(done.key)
    if done.rows is not None:
        said["rows"] = done.rows
    return said
