"""
Reads of PostgreSQL in one round trip: prepared statements on connections that can only read.

Such a connection is read-only and has its time limit from its first byte on, by startup options: a pooler between refuses them
or keeps them to itself, and then nothing is pinned. What goes wrong here is no answer yet: it is asked again on the ordinary
way, which says what is wrong; a read does no harm twice.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch, send
from psycopg.pq import ExecStatus
from psycopg.waiting import wait
from sqlalchemy.dialects import postgresql

from ..core.errors import InputError
from ..core.trace import CARRIED
from ..core.watch import watching
from .sql_errors import meaning, said
from .sql_model import Rows
from .sql_statements import POSTGRES, Limits, Statement, row_bytes, unique_names
from .sql_values import bindable, plain, reader

if TYPE_CHECKING:
    from .sql import Database

_CHUNK = 500
_IDLE_S = 1.0
_GRACE_S = 2.0
_AGAIN_S = 60.0
_WAKE_S = 1.0
_TIMED_OUT = "57014"
_numbers = itertools.count(1)
_Convert = Callable[[Any], Any]


class Pins:
    """The connections of one database; never more than its budget has calls."""

    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[int, list[_Pin]] = {}
        self._open = 0
        self._not_before = 0.0
        self._closed = False

    def take(self, limit_ms: int) -> _Pin | None:
        try:
            return self._idle[limit_ms].pop()
        except (KeyError, IndexError):
            return None

    def give_back(self, pin: _Pin, limit_ms: int) -> None:
        if self._closed:
            self.drop(pin)
        else:
            self._idle.setdefault(limit_ms, []).append(pin)

    def grow(self, limit_ms: int) -> None:
        """Open one more, after the system was seen to answer."""
        if self._closed or time.monotonic() < self._not_before or not self._room():
            return
        try:
            pin = _Pin(self._database.connect_apart(limit_ms))
        except Exception:  # it is a short cut, no more
            self._not_before = time.monotonic() + _AGAIN_S
            with self._lock:
                self._open -= 1
            return
        self.give_back(pin, limit_ms)

    def drop(self, pin: _Pin) -> None:
        with self._lock:
            self._open -= 1
        pin.close()

    def close(self) -> None:
        self._closed = True
        for idle in self._idle.values():
            while idle:
                self.drop(idle.pop())

    def _room(self) -> bool:
        """Take room for one more; one that is idle with another time limit makes room."""
        with self._lock:
            if self._open < self._most:
                self._open += 1
                return True
        other = next((idle.pop() for idle in list(self._idle.values()) if idle), None)
        if other is None:
            return False
        other.close()
        return True


class PinnedRead:
    """One statement that reads."""

    def __init__(self, pins: Pins, statement: Statement, limits: Limits) -> None:
        self._pins = pins
        compiled = statement.bound().compile(dialect=postgresql.dialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self.sql = str(compiled).encode()
        self.number = next(_numbers)
        self.limits = limits
        self._names: list[str] = list(compiled.positiontup or ())
        self._is_long = False

    @classmethod
    def of(cls, database: Database, statement: Statement, limits: Limits) -> PinnedRead | None:
        """Give the pinned form of a statement; None where it has none."""
        if database.driver != "psycopg" or statement.lists or statement.text.verb not in {"select", "with"}:
            return None
        if "set_config" in statement.text.sql.lower():  # it would change the connection for those who come after
            return None
        pins = database.beside(partial(Pins, database))
        assert isinstance(pins, Pins)
        return cls(pins, statement, limits)

    def read(self, parameters: Mapping[str, Any], left_s: float) -> Rows | None:
        """Read at once; None where the ordinary way has to be gone. Raises Unavailable when the time is over."""
        carried = CARRIED.get()
        if self._is_long or (carried is not None and carried.sql_comment):
            return None
        limit_ms = _limit_ms(left_s)
        if (pin := self._pins.take(limit_ms)) is None:
            return None
        try:
            with watching(pin.fileno, left_s + _GRACE_S):
                found = pin.read(self, [bindable(parameters[name], "postgresql") for name in self._names])
        except InputError:
            self._pins.drop(pin)
            raise
        except Exception as error:  # whatever it is: the ordinary way finds the words for it
            self._pins.drop(pin)
            if getattr(error, "sqlstate", None) == _TIMED_OUT:
                text, detail = said(error)
                raise meaning(error)(text, detail=detail) from error
            return None
        if found.truncated:
            self._is_long = True  # a server cursor leaves the rest over there
            self._pins.drop(pin)
        else:
            self._pins.give_back(pin, limit_ms)
        return found

    def grow(self, left_s: float) -> None:
        """Hear that the ordinary way was gone, in a call with so much time, and led to an answer."""
        if not self._is_long:
            self._pins.grow(_limit_ms(left_s))


def _limit_ms(left_s: float) -> int:
    """Give the limit of the connections that a call uses: the calls of one tool have nearly the same time."""
    return math.ceil(left_s * 2) * 500


class _Known:
    """What a connection knows of a statement that it prepared: its name there, and how its columns are read."""

    __slots__ = ("columns", "name", "readers")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.columns: list[str] | None = None
        self.readers: list[tuple[int, _Convert]] = []

    def look(self, result: Any) -> None:
        self.columns = unique_names([(result.fname(at) or b"").decode() for at in range(result.nfields)])
        kinds = [POSTGRES.get(result.ftype(at)) for at in range(result.nfields)]
        found = [plain if kind is None else reader(kind, "postgresql") for kind in kinds]
        self.readers = [(at, convert) for at, convert in enumerate(found) if convert is not None]


class _Pin:
    """One connection; one thread at a time uses it."""

    def __init__(self, line: psycopg.Connection[Any]) -> None:
        self._line = line
        self._pgconn = line.pgconn
        self.fileno = line.pgconn.socket
        self._transformer = Transformer(line)
        self._known: dict[tuple[int, tuple[int, ...]], _Known] = {}
        self._used = time.monotonic()

    def close(self) -> None:
        self._line.close()

    def read(self, asked: PinnedRead, values: Sequence[Any]) -> Rows:
        if time.monotonic() - self._used > _IDLE_S:
            with watching(self.fileno, _GRACE_S):
                self._pgconn.send_query(b"")
                self._results()
        transformer = self._transformer
        sent = transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types, formats = transformer.types or (), transformer.formats
        known = self._known.get((asked.number, types)) or self._prepare(asked, types)
        self._pgconn.send_query_prepared(known.name, sent, param_formats=formats)
        self._pgconn.set_chunked_rows_mode(_CHUNK)
        rows = self._rows(known, asked.limits)
        self._used = time.monotonic()
        return rows

    def _prepare(self, asked: PinnedRead, types: tuple[int, ...]) -> _Known:
        known = _Known(b"drawbar_%d_%d" % (asked.number, len(self._known)))
        self._pgconn.send_prepare(known.name, asked.sql, param_types=types)
        self._results()
        self._known[asked.number, types] = known
        return known

    def _results(self) -> None:
        """Take what comes and needs no reading. Raises the first error, when all has come."""
        wait(send(self._pgconn), self.fileno, _WAKE_S)
        failed = None
        while (result := wait(fetch(self._pgconn), self.fileno, _WAKE_S)) is not None:
            failed = failed or self._error(result)
        if failed is not None:
            raise failed

    def _rows(self, known: _Known, limits: Limits) -> Rows:
        wait(send(self._pgconn), self.fileno, _WAKE_S)
        rows: list[dict[str, Any]] = []
        size = 0
        failed = None
        while (result := wait(fetch(self._pgconn), self.fileno, _WAKE_S)) is not None:
            if (failed := failed or self._error(result)) is not None:
                continue
            if known.columns is None:
                known.look(result)
            columns = known.columns or ()
            self._transformer.set_pgresult(result)
            for values in self._transformer.load_rows(0, result.ntuples, list):
                for at, convert in known.readers:
                    values[at] = convert(values[at])
                size += row_bytes(values)
                if len(rows) == limits.rows or size > limits.bytes:
                    if not rows:
                        said = f"one row is larger than max_bytes ({limits.bytes})"
                        raise InputError(said, reason="too_large")
                    return Rows(rows, truncated=True)
                rows.append(dict(zip(columns, values, strict=True)))
        if failed is not None:
            raise failed
        return Rows(rows)

    def _error(self, result: Any) -> Exception | None:
        if result.status in _WELL:
            return None
        return psycopg.errors.error_from_result(result, encoding="utf-8")


_WELL = {ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY}
