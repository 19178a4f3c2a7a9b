"""Reflected tables in SQLAlchemy's words: their columns, what is asked of them, and how their values are read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from .sql_model import Column, Condition, Table
from .sql_quirks import nulls, pattern
from .sql_values import column_reader, writer

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "like": lambda column, value: column.like(value),
}
_LONGEST_LIST = 1000
_BLANK = frozenset({"text", "other"})
_PADS = frozenset({"firebird", "mssql", "db2", "ibm_db_sa"})
"""Where two texts are the same that differ in blanks at their ends."""


@lru_cache(maxsize=512)
def shape(table: Table) -> sa.TableClause:
    """Make SQLAlchemy's view of a table without types: values are converted by `sql_values` alone."""
    columns: list[Any] = [
        sa.column(sa.quoted_name(column.name, quote=True) if column.quoted else column.name) for column in table.columns
    ]
    return sa.table(table.name, *columns, schema=table.schema) if table.schema else sa.table(table.name, *columns)


def readers(table: Table, names: Sequence[str], dialect: str) -> list[Callable[[Any], Any] | None]:
    return [column_reader(table.column(name), dialect) for name in names]


def bind_row(table: Table, row: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """Convert a row's values to what the driver takes; InputError names the column that does not fit."""
    return {name: writer(table.column(name), dialect)(value) for name, value in row.items()}


def compared_writer(column: Column, dialect: str) -> Callable[[Any], Any]:
    """Give what makes of a value what it is compared with: as `writer` does, without blanks that callers do not see."""
    write, quirk = writer(column, dialect), column.quirk
    if quirk is None or quirk.trailing_blanks != "strip":
        return write

    def bare(value: Any) -> Any:
        written = write(value)
        return written.rstrip(" ") if isinstance(written, str) else written

    return bare


def form_of(condition: Condition) -> tuple[str, str, int]:
    """Give what a condition is beside its values: conditions of one form differ in what is bound alone."""
    if condition.operator == "is null" or condition.value is None:
        is_null = condition.value is True or condition.operator == "="
        return condition.column, "is null" if is_null else "is not null", 0
    if condition.operator == "in":
        return condition.column, "in", _room(len(condition.value))
    return condition.column, condition.operator, 1


def _room(count: int) -> int:
    """Lists of nearly the same length are of one form: places that are left over repeat the last value."""
    return 0 if count == 0 else min(1 << (count - 1).bit_length(), max(count, _LONGEST_LIST))


def condition_on(
    table: Table, form: tuple[str, str, int], bound: Sequence[Any], dialect: str
) -> sa.ColumnElement[bool]:
    """Compose a condition of a form; `bound` stands for its values. What means NULL is compared as NULL is: with no success."""
    name, operator, _ = form
    known = table.column(name)
    column = _compared(shape(table).c[name], known, operator, dialect)
    words = nulls(known)
    if operator in {"is null", "is not null"}:
        is_null = sa.or_(column.is_(None), column.in_(words)) if words else column.is_(None)
        return is_null if operator == "is null" else sa.not_(is_null)
    if not bound:
        return sa.false()
    found = column.in_(bound) if operator == "in" else _COMPARE[operator](column, bound[0])
    return sa.and_(found, column.not_in(words)) if words else found


def compared(table: Table, name: str, dialect: str) -> Any:
    """Give a column as it is compared with a value."""
    return _compared(shape(table).c[name], table.column(name), "=", dialect)


def _compared(column: Any, known: Column, operator: str, dialect: str) -> Any:
    """Take away the blanks that callers do not see, where the database would compare them."""
    quirk = known.quirk
    if quirk is None or (known.stored or known.kind) not in _BLANK or quirk.code_page is not None:
        return column
    if quirk.number or quirk.boolean or quirk.date:
        return sa.func.trim(column)
    if quirk.trailing_blanks is None or (operator != "like" and (quirk.trailing_blanks == "pad" or dialect in _PADS)):
        return column
    if dialect == "firebird":
        return sa.func.trim(sa.literal_column("trailing ' ' from").op("")(column))
    return sa.func.rtrim(column)


def values_of(condition: Condition, form: tuple[str, str, int], column: Column, write: Callable[[Any], Any]) -> Any:
    """Give what is bound for a condition, as its column keeps it."""
    _, operator, places = form
    if operator == "in":
        written = [write(value) for value in condition.value]
        return written + written[-1:] * (places - len(written))
    if places == 0:
        return ()
    return (pattern(column, condition.value) if operator == "like" else write(condition.value),)


def condition_with(table: Table, condition: Condition, dialect: str) -> sa.ColumnElement[bool]:
    """Compose a condition with its values."""
    column, form = table.column(condition.column), form_of(condition)
    return condition_on(table, form, values_of(condition, form, column, compared_writer(column, dialect)), dialect)
