"""Tables, columns and queries as plain frozen values: what the SQL connector and the SQL adapter say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "integer",
    "bigint",
    "decimal",
    "float",
    "boolean",
    "text",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "bytes",
    "json",
    "uuid",
    "array",
    "other",
]
KEPT = "= "
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "like", "is null"]
ORDERED: frozenset[Kind] = frozenset(
    {"integer", "bigint", "decimal", "float", "text", "date", "time", "timestamp", "timestamptz", "uuid"}
)


@dataclass(frozen=True, slots=True)
class Quirk:
    """
    How a column keeps its values otherwise than its type says.

    `code_page`: (what the bytes are, what they were read as); `null`: what means NULL, `null_as` what is written for it
    where the database takes none; `boolean`: (true, false).
    """

    trailing_blanks: Literal["strip", "pad"] | None = None
    nul_bytes: Literal["strip", "cut"] | None = None
    code_page: tuple[str, str] | None = None
    null: tuple[str, ...] = ()
    null_as: str | None = None
    date: str | None = None
    pivot: int = 70
    number: Literal["integer", "bigint", "decimal"] | None = None
    decimal_mark: str = "."
    scale: int | None = None
    width: int | None = None
    boolean: tuple[str, str] | None = None

    @property
    def sortable(self) -> bool:
        """Tell whether the database orders what it keeps as the values are ordered."""
        if self.date is not None:
            return self.date.startswith("%Y") and "%m" in self.date and self.date.find("%m") < self.date.find("%d")
        return self.number is None and self.code_page is None and self.boolean is None


@dataclass(frozen=True, slots=True)
class Column:
    """
    `generated`: the database makes a value when none is given (default, identity, computed).

    `stored` is the kind that the database has, where `quirk` makes `kind` another.
    `quoted`: a name in lower case that the database would take for another without quotes (Firebird, Oracle, DB2).
    """

    name: str
    kind: Kind
    nullable: bool = True
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    generated: bool = False
    comment: str | None = None
    values: tuple[str, ...] = ()
    quoted: bool = False
    quirk: Quirk | None = None
    stored: Kind | None = None

    @property
    def sortable(self) -> bool:
        return self.kind in ORDERED and (self.quirk is None or self.quirk.sortable)


@dataclass(frozen=True, slots=True)
class Table:
    """
    A reflected table or view.

    `unique` holds the column sets that the database keeps unique, the primary key first; `transactional` is false for
    engines that cannot roll back (MyISAM).
    """

    name: str
    schema: str | None
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[frozenset[str], ...] = ()
    transactional: bool = True
    comment: str | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Condition:
    column: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """
    A read of at most `limit` rows of one table. `after` holds the values of the `order` columns of the last row seen (keyset paging).

    The order must end in a unique key when `after` is used. With `pages` a row holds, under KEPT and its place there,
    each column of the order that is not shown as it is kept.
    """

    columns: Sequence[str]
    where: Sequence[Condition] = ()
    order: Sequence[Order] = ()
    after: Sequence[Any] | None = None
    limit: int = 100
    pages: bool = False


@dataclass(slots=True)
class Rows:
    """What was read. `truncated`: there was more than the limit of rows or bytes allowed."""

    rows: list[dict[str, Any]]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What a write did: the rows that it matched, the key that the database made, the rows that it gave back."""

    count: int
    key: Mapping[str, Any] | None = None
    rows: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of a procedure; `type` is the database's own word for it, `optional` that it has a default."""

    column: Column
    mode: Literal["in", "out", "inout", "variadic"] = "in"
    type: str = ""
    optional: bool = False
    named: bool = True


@dataclass(frozen=True, slots=True)
class Procedure:
    """
    A stored procedure or function.

    `gives` says what comes back beside OUT parameters: nothing or result sets that nobody declared (`sets`), one value
    (`value`), or rows of `rows`. `commits`: it may commit by itself, so that nothing undoes it. `keeps`: it names tables
    that cannot roll back. `kinds` holds what is declared of columns that nobody reflected.
    """

    name: str
    schema: str | None
    arguments: tuple[Argument, ...]
    gives: Literal["nothing", "sets", "value", "rows"]
    is_function: bool = False
    result: Column | None = None
    rows: tuple[Column, ...] = ()
    commits: bool = False
    keeps: bool = False
    comment: str | None = None
    kinds: Mapping[str, Column] | None = None

    @property
    def inward(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.mode != "out")

    @property
    def outward(self) -> tuple[Column, ...]:
        return tuple(argument.column for argument in self.arguments if argument.mode in {"out", "inout"})

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Called:
    """What a procedure gave: its OUT parameters, its value, its result sets."""

    out: Mapping[str, Any] | None = None
    value: Any = None
    sets: Sequence[Rows] = ()
