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
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "like", "is null"]
ORDERED: frozenset[Kind] = frozenset(
    {"integer", "bigint", "decimal", "float", "text", "date", "time", "timestamp", "timestamptz", "uuid"}
)


@dataclass(frozen=True, slots=True)
class Column:
    """
    `generated`: the database makes a value when none is given (default, identity, computed).

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
    A read of one table. `after` holds the values of the `order` columns of the last row seen (keyset paging).

    The order must end in a unique key when `after` is used.
    """

    columns: Sequence[str]
    where: Sequence[Condition] = ()
    order: Sequence[Order] = ()
    after: Sequence[Any] | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
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
