"""
Tables of SQLite by column, read by ADBC's driver.

SQLite lets every row have types of its own. A first row that we make says which one each column has to have; one that has
another ends the reading, and so does a text that is bytes: then the rows are read one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

from ..core.arrow_column import ArrowColumn
from ..core.batch import LaneClosed
from .sql import Database
from .sql_model import Column, Table
from .sql_shapes import shape

_SETTINGS = ("busy_timeout = 5000", "cache_size = -256")
"""Who reads a table from its beginning to its end comes back to no page: SQLite would keep 2 MB of them."""
_ROWS = 1024
_AT_ONCE_ROWS, _AT_ONCE_BYTES = 4096, 1 << 20
"""
The driver's batches are small, since one of wide rows has to fit too. They are put together, since packing a few rows costs
much the same as packing many.
"""
_FIRST = {
    "integer": "0",
    "bigint": "0",
    "boolean": "0",
    "decimal": "0.5",
    "float": "0.5",
    "text": "''",
    "date": "''",
    "timestamp": "''",
}
_ENDS = "abs(-9223372036854775807 - 1)"
"""SQLite has no way to raise an error but an integer that overflows."""


@dataclass(frozen=True, slots=True)
class SqliteColumns:
    """A table whose columns have all one type, or so it says."""

    path: str
    query: str
    columns: Sequence[Column]

    @classmethod
    def of(cls, database: Database, table: Table) -> SqliteColumns | None:
        """Compose the query; None where a column is of a kind that Arrow has not, or the driver is not there."""
        url = database.engine.url
        known = all(
            column.kind in _FIRST and column.quirk is None and (column.kind != "decimal" or column.scale is not None)
            for column in table.columns
        )
        if not known or url.query or find_spec("adbc_driver_sqlite") is None:
            return None
        prepare = database.engine.dialect.identifier_preparer
        names = [prepare.quote(column.name) for column in table.columns]
        first = ", ".join(f"{_FIRST[column.kind]} as {name}" for column, name in zip(table.columns, names, strict=True))
        rest = ", ".join(_checked(column, name) for column, name in zip(table.columns, names, strict=True))
        query = f"select {first} union all select {rest} from {prepare.format_table(shape(table))}"
        return cls(str(url.database), query, table.columns)

    def portions(self) -> Iterator[list[ArrowColumn]]:
        """Give the columns of some rows at a time; LaneClosed where a value is not of its column's type."""
        import adbc_driver_manager as driver
        import adbc_driver_sqlite
        import pyarrow as pa

        try:
            # The driver's own DB-API would load all of Arrow's file systems.
            with (
                adbc_driver_sqlite.connect(f"file:{quote(self.path)}?mode=ro") as database,
                driver.AdbcConnection(database) as line,
                driver.AdbcStatement(line) as statement,
            ):
                statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_ROWS)})
                for setting in _SETTINGS:
                    with _answer(statement, f"pragma {setting}"):
                        pass
                with _answer(statement, self.query) as batches:
                    self._look(batches.schema)
                    yield from _joined(batches)
        except (driver.Error, pa.ArrowException, OSError) as error:
            raise LaneClosed(str(error).partition("\n")[0]) from error

    def _look(self, schema: Any) -> None:
        words = {"0": "int64", "0.5": "double", "''": "string"}
        for field, column in zip(schema, self.columns, strict=True):
            if str(field.type) != words[_FIRST[column.kind]]:
                raise LaneClosed(f"{column.name} has values that are no {column.kind}")


def _joined(batches: Iterable[Any]) -> Iterator[list[ArrowColumn]]:
    """Put batches together until there is enough in hand; the first row of all is left out."""
    held: list[Any] = []
    skipped = 1
    for batch in batches:
        held.append(batch.slice(skipped))
        skipped = 0
        if sum(map(len, held)) >= _AT_ONCE_ROWS or sum(one.nbytes for one in held) >= _AT_ONCE_BYTES:
            del batch
            yield _taken(held)
    if held:
        yield _taken(held)


def _taken(held: list[Any]) -> list[ArrowColumn]:
    """Take batches for one, and keep none of them: whoever waits for room would hold them twice."""
    import pyarrow as pa

    columns = zip(*(batch.columns for batch in held), strict=True)
    found = [ArrowColumn(pa.concat_arrays(parts)) for parts in columns]
    held.clear()
    return found


def _answer(statement: Any, query: str) -> Any:
    import pyarrow as pa

    statement.set_sql_query(query)
    stream, _ = statement.execute_query()
    return pa.RecordBatchReader.from_stream(stream)


def _checked(column: Column, name: str) -> str:
    if _FIRST[column.kind] != "''":
        return name
    return f"case when typeof({name}) in ('text', 'null') then {name} else {_ENDS} end"
