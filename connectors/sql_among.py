"""Rows by many keys at once, in a statement of one form whatever their number: each form is kept compiled, with its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

_BIGINT = 1 << 63
_TUPLES = frozenset({"postgresql", "mysql", "mariadb", "sqlite"})
"""Where a list of tuples may be looked for."""


def among(columns: Sequence[Any], keys: Sequence[Sequence[Any]], dialect: str) -> sa.ColumnElement[bool]:
    """Compose that the columns are one of these keys; a part that is None is NULL."""
    whole = [key for key in keys if None not in key]
    if len(columns) == 1:
        if dialect == "postgresql" and all(type(key[0]) is int and abs(key[0]) < _BIGINT for key in whole):
            # One parameter, whatever the number of keys: nothing is compiled or planned again.
            numbers = sa.bindparam(None, [key[0] for key in whole], type_=ARRAY(sa.BigInteger), unique=True)
            same: sa.ColumnElement[bool] = columns[0] == sa.any_(numbers)
            return same if len(whole) == len(keys) else sa.or_(same, columns[0].is_(None))
        found: sa.ColumnElement[bool] = columns[0].in_([key[0] for key in whole])
        return found if len(whole) == len(keys) else sa.or_(found, columns[0].is_(None))
    if dialect not in _TUPLES:
        whole = []
    single = keys if not whole else [key for key in keys if None in key]
    either = [_same(columns, key) for key in _padded(single)]
    if whole:
        either.append(sa.tuple_(*columns).in_([tuple(key) for key in whole]))
    return sa.or_(*either)


def _same(columns: Sequence[Any], key: Sequence[Any]) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == part for column, part in zip(columns, key, strict=True)))


def _padded(keys: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Repeat the last key, so that there are few forms."""
    room = 1 << (len(keys) - 1).bit_length() if keys else 0
    return [*keys, *list(keys[-1:]) * (room - len(keys))]
