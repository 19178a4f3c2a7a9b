"""How the configuration spells a database: its statements, its tables, and what may be done with them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...connectors import sql_schema as schema
from ...connectors.sql_effects import leaks, writes
from ...connectors.sql_model import Column, Kind
from ...connectors.sql_text import READ_VERBS, parse
from ...core.adapter import AdapterConfig
from ...core.errors import ConfigError
from ...core.strict import Strict
from ...core.tool import Effect
from .quirks import Quirks, TableQuirks

_CHECKED = frozenset({"mssql", "db2", "ibm_db_sa"})
"""Known to have no read-only transaction; of what is not known here, the adapter finds out when it opens."""
_PROCEDURES = frozenset({"postgresql", "mysql", "firebird"})
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

    quirks: TableQuirks = Field(
        default_factory=TableQuirks, description="What columns of the answer, and parameters, keep in their own way."
    )

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

    quirks: TableQuirks = Field(default_factory=TableQuirks, description="What its columns keep in their own way.")

    later: ClassVar[dict[str, str]] = {"delete": "rows are not deleted by tools of tables; write a statement that does"}


class ProcedureConfig(Strict):
    """A stored procedure or function; what goes in and comes out is read from the catalogue."""

    procedure: str | None = Field(
        None,
        description="name, schema.name, or name(type, type) where there are several; the entry's name when absent.",
    )
    description: str | None = Field(None, description="What it does; the catalogue's comment when absent.")
    effect: Effect = Field("write", description="read runs in a read-only transaction.")
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="More rows of a result set are not kept.")
    max_bytes: int = Field(10_000_000, ge=1, description="Rough size of a result set, in bytes.")
    transactional: bool = Field(True, description="false: it commits by itself, and cannot be undone.")
    timeout_s: float | None = Field(None, gt=0, le=3600, description="Instead of the adapter's call_timeout_s.")

    quirks: TableQuirks = Field(
        default_factory=TableQuirks,
        description="What its parameters, the columns of its rows and its value (`result`) keep in their own way.",
    )


class SqlConfig(AdapterConfig):
    """A database: PostgreSQL, MariaDB, MySQL, SQLite, Firebird, one through ODBC, or another with a dialect of SQLAlchemy."""

    url: SecretStr = Field(description="postgresql://user:password@host:5432/database, mysql://..., sqlite:///file.db")
    statements: dict[str, StatementConfig] = Field(default_factory=dict, description="Tools by name, each a statement.")
    tables: dict[str, TableConfig] = Field(
        default_factory=dict, description="Tables and views that may be used; no other is."
    )

    procedures: dict[str, ProcedureConfig] = Field(
        default_factory=dict, description="Stored procedures and functions as tools call_<name>; no other is."
    )
    quirks: Quirks = Field(default_factory=Quirks, description="What all tables and answers keep in their own way.")

    @field_validator("statements", "tables", "procedures")
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

    @property
    def has_code_pages(self) -> bool:
        """Tell whether a code page is declared anywhere."""
        of_some = [each.quirks for each in self.tables.values()]
        of_some += [each.quirks for each in self.statements.values()]
        of_some += [each.quirks for each in self.procedures.values()]
        said: list[Quirks] = [self.quirks, *of_some, *(one for quirks in of_some for one in quirks.columns.values())]
        return any(quirks.code_page is not None for quirks in said)

    @model_validator(mode="after")
    def _statements_fit(self) -> Self:
        for name, statement in self.statements.items():
            if problem := _problem(statement, self.dialect):
                raise PydanticCustomError(
                    "statement", "statements.{name}: {problem}", {"name": name, "problem": problem}
                )
        made = [*table_tools(self), *procedure_tools(self)]
        twice = (self.statements.keys() & set(made)) | {name for name in made if made.count(name) > 1}
        if twice:
            raise PydanticCustomError("name", "two tools would be named {name}", {"name": min(twice)})
        if self.procedures and self.dialect not in _PROCEDURES:
            said = "procedures: those of PostgreSQL, MariaDB, MySQL and Firebird are known; write a statement instead"
            raise PydanticCustomError("procedures", said)
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
    if statement.effect == "read" and (found := leaks(text, dialect)):
        return f"effect read, but {found} has an effect that no read-only transaction stops"
    if statement.effect == "read" and dialect in _CHECKED and (found := writes(text, dialect)):
        return f"effect read, but this could write ({found}), and this database knows no read-only transaction"
    return None


def procedure_tools(config: SqlConfig) -> dict[str, str]:
    """Name the tools of the procedures: {"call_book": "book"}."""
    return {f"call_{name}": name for name in config.procedures}


def table_tools(config: SqlConfig) -> dict[str, tuple[str, str]]:
    """Name the tools of the tables: {"read_orders": ("read", "orders")}."""
    return {
        f"{verb}_{name}": (verb, name)
        for name, table in config.tables.items()
        for verb in _TABLE_VERBS
        if getattr(table, verb)
    }
