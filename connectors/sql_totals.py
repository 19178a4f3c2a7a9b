"""Control totals of a table: how many rows, and sums of columns, exact to the column's scale."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import ConfigError
from .sql_model import Table
from .sql_shapes import shape

_NUMBERS = frozenset({"integer", "bigint", "decimal"})
_COUNTED = 100_000


def totals_of(
    connection: Connection, table: Table, names: Sequence[str], where: Sequence[sa.ColumnElement[bool]] = ()
) -> list[Decimal]:
    """Count the rows, and sum the columns that are named."""
    columns = shape(table).c
    known = {column.name: column for column in table.columns}
    for name in names:
        if name not in known or known[name].kind not in _NUMBERS:
            raise ConfigError(f"{table.full_name} has no column {name} of whole or decimal numbers", field="totals")
    query = (
        sa.select(sa.func.count(), *(sa.func.sum(columns[name]) for name in names))
        .select_from(shape(table))
        .where(*where)
    )
    count, *sums = connection.execute(query).one()
    return [Decimal(count), *(_exact(found, known[name].scale) for found, name in zip(sums, names, strict=True))]


def about(connection: Connection, table: Table) -> int:
    """Say about how many rows there are: PostgreSQL knows it of a large table, where counting would read all of it."""
    counted = sa.select(sa.func.count()).select_from(shape(table))
    if connection.dialect.name == "postgresql":
        name = connection.dialect.identifier_preparer.format_table(shape(table)).replace("%", "%%")
        plan: Any = connection.exec_driver_sql(f"explain (format json) select from {name}").scalar_one()
        if (planned := int(plan[0]["Plan"]["Plan Rows"])) > _COUNTED:
            return planned
    return int(connection.execute(counted).scalar_one())


def _exact(found: Any, scale: int | None) -> Decimal:
    number = Decimal(0) if found is None else Decimal(repr(found)) if isinstance(found, float) else Decimal(found)
    return number if scale is None else round(number, scale)
