"""
Keys of a table, compared with those of another one in hashed buckets, so that equal ones do not travel.

A bucket is a share of all keys by the hash of a key's text. Where the database can hash, it answers with one row a bucket
(its number, how many keys, the sum of their hashes), and only the keys of buckets that differ are read. Where it cannot, its
keys are read and hashed here. The hash is MD5, which PostgreSQL, MySQL and MariaDB know and compute alike; nobody attacks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..core.errors import ConfigError
from ..core.syncs.deletes import Bucket, Key, text_of
from .sql import Database, step
from .sql_model import Table
from .sql_shapes import readers, shape
from .sql_steps import STEP_S

_CHUNK = 5000
_KINDS = frozenset({"integer", "bigint", "text", "uuid", "date"})
_SEPARATOR = "\x1f"
_HASHING = frozenset({"postgresql", "mysql", "mariadb"})


class TableKeys:
    """The keys of one table, by the columns `names` in their order."""

    def __init__(self, database: Database, table: Table, names: Sequence[str]) -> None:
        self._database = database
        self._table = table
        self._names = list(names)
        for name in names:
            if (kind := table.column(name).kind) not in _KINDS:
                raise ConfigError(
                    f"{table.full_name}.{name} is a {kind}: deletions are found by keys of {', '.join(sorted(_KINDS))}",
                    field="deletes",
                )

    def buckets(self) -> dict[int, Bucket]:
        """Count and sum the keys of each bucket."""
        with self._database.unit("read", timeout_s=STEP_S, steps=True) as connection:
            if self._database.dialect not in _HASHING:
                return _summed(hashed(key) for key in self._read(connection, None))
            bucket, number = self._hashes()
            query = (
                sa.select(bucket, sa.func.count(), sa.func.sum(number)).select_from(shape(self._table)).group_by(bucket)
            )
            return {int(at): Bucket(int(count), int(total)) for at, count, total in connection.execute(query)}

    def of(self, buckets: Sequence[int]) -> Iterator[Key]:
        """Give the keys of some buckets."""
        with self._database.unit("read", timeout_s=STEP_S, steps=True) as connection:
            yield from self._read(connection, frozenset(buckets))

    def total(self) -> int:
        with self._database.unit("read", timeout_s=STEP_S) as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(shape(self._table))).scalar_one())

    def _read(self, connection: Connection, buckets: frozenset[int] | None) -> Iterator[Key]:
        columns = shape(self._table).c
        query = sa.select(*(columns[name] for name in self._names))
        hashes_here = self._database.dialect not in _HASHING
        if buckets is not None and not hashes_here:
            query = query.where(self._hashes()[0].in_(sorted(buckets)))
        reads = readers(self._table, self._names, self._database.dialect)
        result = connection.execution_options(stream_results=True, max_row_buffer=_CHUNK).execute(query)
        while chunk := result.fetchmany(_CHUNK):
            step(connection)
            for raw in chunk:
                key = tuple(value if read is None else read(value) for read, value in zip(reads, raw, strict=True))
                if buckets is None or not hashes_here or hashed(key)[0] in buckets:
                    yield key

    def _hashes(self) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """Compose a key's bucket and its number, as `hashed` computes them."""
        columns, is_mysql = shape(self._table).c, self._database.dialect != "postgresql"
        texts = [self._text(columns[name], name, is_mysql=is_mysql) for name in self._names]
        whole: Any = texts[0]
        for text in texts[1:]:
            whole = sa.func.concat(whole, sa.literal_column("char(31)" if is_mysql else "chr(31)"), text)
        digest = sa.func.md5(whole)
        return _number(digest, 1, 3, is_mysql=is_mysql), _number(digest, 4, 12, is_mysql=is_mysql)

    def _text(self, column: Any, name: str, *, is_mysql: bool) -> Any:
        kind = self._table.column(name).kind
        if is_mysql:
            text: Any = sa.literal_column(f"convert({self._quoted(name)} using utf8mb4)")
        else:
            text = sa.cast(column, sa.Text)
        if kind in ("text", "uuid"):
            text = sa.func.rtrim(text) if kind == "text" else sa.func.lower(text)
        return sa.func.coalesce(text, "")  # a part of a key that is NULL

    def _quoted(self, name: str) -> str:
        return self._database.engine.dialect.identifier_preparer.quote(name)


def hashed(key: Key) -> tuple[int, int]:
    """Give the bucket of a key and its number within the sum."""
    text = _SEPARATOR.join(text_of(part) for part in key)
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:3], 16), int(digest[3:15], 16)


def _summed(hashes: Iterator[tuple[int, int]]) -> dict[int, Bucket]:
    found: dict[int, list[int]] = {}
    for at, number in hashes:
        one = found.setdefault(at, [0, 0])
        one[0] += 1
        one[1] += number
    return {at: Bucket(*one) for at, one in found.items()}


def _number(digest: Any, first: int, digits: int, *, is_mysql: bool) -> sa.ColumnElement[Any]:
    part = sa.func.substr(digest, first, digits)
    if is_mysql:
        return sa.cast(sa.func.conv(part, 16, 10), sa.Numeric(20, 0))
    return sa.cast(sa.cast(sa.literal("x").op("||")(part), _Bits(digits * 4)), sa.BigInteger)


class _Bits(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, size: int) -> None:
        self._size = size

    def get_col_spec(self, **_: Any) -> str:
        return f"bit({self._size})"
