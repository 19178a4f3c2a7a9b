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
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import sqlalchemy as sa
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import fetch, send
from psycopg.pq import ExecStatus
from psycopg.waiting import wait
from sqlalchemy.dialects import postgresql

from ..core.errors import InputError
from ..core.trace import CARRIED
from ..core.watch import watching
from .sql_errors import meaning, said
from .sql_flood import Flood, watched
from .sql_model import Kind, Rows
from .sql_statements import POSTGRES, Limits, Statement, more_bytes, row_bytes, unique_names
from .sql_values import bindable, plain, reader

if TYPE_CHECKING:
    from psycopg.abc import PQGen

    from .sql import Database

_CHUNK = 500
_LIGHT_ROWS = 64
"""More are not read where others wait meanwhile."""
Stand = Literal["waits", "ended", "rest"]
_LIGHT_TURNS = 8
_IDLE_S = 1.0
_GRACE_S = 2.0
_AGAIN_S = 60.0
_WAKE_S = 1.0
_TIMED_OUT = "57014"
_MOST_KNOWN = 200
"""So many prepared statements are kept on one connection."""
_numbers = itertools.count(1)
_Convert = Callable[[Any], Any]
_Named = Callable[[Sequence[Sequence[Any]]], list[dict[str, Any]]]
_NUMBERS: frozenset[Kind | None] = frozenset({"integer", "bigint", "decimal", "float", "boolean", "date", "timestamp"})
_MOST_NAMED = 200


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
    """
    One statement that reads.

    `readers` convert its columns, where they are known beforehand. `ends` says that it asks for one row more than the limit
    itself, so that the rest of what is cut is read and done with.
    """

    def __init__(
        self,
        pins: Pins,
        clause: sa.ClauseElement,
        limits: Limits,
        readers: Sequence[_Convert | None] | None = None,
        *,
        ends: bool = False,
    ) -> None:
        self._pins = pins
        compiled: Any = clause.compile(dialect=postgresql.dialect(paramstyle="numeric_dollar"))  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self.sql = str(compiled).encode()
        self.number = next(_numbers)
        self.limits = limits
        self.readers = readers
        self.ends = ends
        self._names: list[str] = list(compiled.positiontup or ())
        self._is_long = False
        self._is_heavy = False

    @classmethod
    def of(cls, database: Database, statement: Statement, limits: Limits) -> PinnedRead | None:
        """Give the pinned form of a statement; None where it has none."""
        if database.driver != "psycopg" or statement.lists or statement.text.verb not in {"select", "with"}:
            return None
        if "set_config" in statement.text.sql.lower():  # it would change the connection for those who come after
            return None
        return cls(_pins_of(database), statement.bound(), limits)

    @classmethod
    def whole(
        cls, database: Database, clause: sa.ClauseElement, limits: Limits, readers: Sequence[_Convert | None]
    ) -> PinnedRead:
        """Give the pinned form of a SELECT that ends one row after the limit by itself."""
        return cls(_pins_of(database), clause, limits, readers, ends=True)

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
                found = pin.read(self, self._values(parameters))
        except Exception as error:  # whatever it is: the ordinary way finds the words for it
            self.failed(pin, error)
            return None
        self.done(pin, limit_ms, found)
        return found

    def begin(
        self, parameters: Mapping[str, Any], left_s: float, answer: Callable[[Rows], Any], otherwise: Callable[[], Any]
    ) -> PinnedReading | None:
        """
        Begin to read where a connection is at hand that knows the statement; None where another way has to be gone.

        `answer` makes of rows what is answered, `otherwise` goes the ordinary way after all.
        """
        if self._is_long or self._is_heavy:
            return None
        limit_ms = _limit_ms(left_s)
        if (pin := self._pins.take(limit_ms)) is None:
            return None
        known = pin.knows(self, self._values(parameters))
        if known is None:
            self._pins.give_back(pin, limit_ms)
            return None
        return PinnedReading(self, pin, limit_ms, known, left_s, answer, otherwise)

    def _values(self, parameters: Mapping[str, Any]) -> list[Any]:
        return [bindable(parameters[name], "postgresql") for name in self._names]

    def done(self, pin: _Pin, limit_ms: int, found: Rows) -> None:
        """Hear what was read on a connection, which is free again."""
        if pin.is_clear:
            self._pins.give_back(pin, limit_ms)
        else:
            self._is_long = True  # a server cursor leaves the rest over there
            self._pins.drop(pin)

    def failed(self, pin: _Pin, error: Exception) -> None:
        """Hear that a read failed; raises where that is the answer, and not only the end of a short cut."""
        self._pins.drop(pin)
        if isinstance(error, Flood):  # of many rows, of which the first ones are an answer
            self._is_long = True
            return
        if isinstance(error, InputError):
            raise error
        if getattr(error, "sqlstate", None) == _TIMED_OUT:
            text, detail = said(error)
            raise meaning(error)(text, detail=detail) from error

    def was_heavy(self) -> None:
        """Hear that an answer was long: the next ones are read on threads from the beginning."""
        self._is_heavy = True

    def grow(self, left_s: float) -> None:
        """Hear that the ordinary way was gone, in a call with so much time, and led to an answer."""
        if not self._is_long:
            self._pins.grow(_limit_ms(left_s))


def _pins_of(database: Database) -> Pins:
    pins = database.beside(partial(Pins, database))
    assert isinstance(pins, Pins)
    return pins


def _limit_ms(left_s: float) -> int:
    """Give the limit of the connections that a call uses: the calls of one tool have nearly the same time."""
    return math.ceil(left_s * 2) * 500


class PinnedReading:
    """One read under way on a connection of its own; see `core.tool.Reading`."""

    def __init__(
        self,
        asked: PinnedRead,
        pin: _Pin,
        limit_ms: int,
        known: _Known,
        left_s: float,
        answer: Callable[[Rows], Any],
        otherwise: Callable[[], Any],
    ) -> None:
        self.fileno = pin.fileno
        self._asked = asked
        self._pin = pin
        self._limit_ms = limit_ms
        self._answer = answer
        self._otherwise = otherwise
        self._taken = _Taken(pin, known, asked)
        now = time.monotonic()
        self._until = now + left_s + _GRACE_S
        self._known = known
        self._error: Exception | None = None
        self._ended = False
        self._turns = 0
        self._state: Stand = "waits"
        self.until = now + _GRACE_S if pin.is_rested else None
        try:
            if not (pin.ask(known) if self.until is None else pin.wake()):
                self._state = "rest"
        except Exception as error:  # a thread sees to it
            self._error, self._state = error, "rest"

    def step(self) -> Stand:
        if self._state == "waits":
            try:
                self._state = self._stepped()
            except Exception as error:  # a thread sees to it
                self._error, self._state = error, "rest"
        return self._state

    def answer(self) -> Any:
        found = self._taken.found
        self._asked.done(self._pin, self._limit_ms, found)
        return self._answer(found)

    def rest(self) -> Any:
        try:
            if self.until is not None and self._error is None:
                raise TimeoutError("it rested, and says nothing any more")
            if self._error is None and not self._ended:
                with watching(self.fileno, self._until - time.monotonic()):
                    wait(self._taken.all(), self.fileno, _WAKE_S)
        except Exception as error:  # as in `read`
            self._error = error
        if self._error is None:
            return self.answer()
        self._asked.failed(self._pin, self._error)
        return self._otherwise()

    def _stepped(self) -> Stand:
        """Take what has come, as far as that is little."""
        line, taken = self._pin.line, self._taken
        line.consume_input()
        if self.until is not None:
            return self._woken()
        self._turns += 1
        if self._turns > _LIGHT_TURNS:  # a long value, of which there may be more than is wanted
            return "rest"
        while not line.is_busy():
            if (result := line.get_result()) is None:
                taken.ends()
                self._ended = True
                return "ended"
            if result.ntuples > _LIGHT_ROWS:
                taken.first = result
                self._asked.was_heavy()
                return "rest"
            if taken.take(result):
                self._ended = True
                return "ended"
        return "waits"

    def _woken(self) -> Stand:
        """Ask a connection that rested once it has shown that somebody is at its other end."""
        pin = self._pin
        while not pin.line.is_busy():
            if (result := pin.line.get_result()) is None:
                self.until = None
                return "waits" if pin.ask(self._known) else "rest"
            if (failed := pin.error(result)) is not None:
                raise failed
        return "waits"


class _Known:
    """What a connection knows of a statement that it prepared: its name there, and how its columns are read."""

    __slots__ = ("columns", "name", "named", "readers", "sized")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.columns: list[str] | None = None
        self.readers: list[tuple[int, _Convert]] = []
        self.sized: list[int] = []
        """Where a value may be of any size."""
        self.named = naming(())

    def look(self, result: Any, readers: Sequence[_Convert | None] | None) -> None:
        self.columns = unique_names([(result.fname(at) or b"").decode() for at in range(result.nfields)])
        kinds = [POSTGRES.get(result.ftype(at)) for at in range(result.nfields)]
        found = readers or [plain if kind is None else reader(kind, "postgresql") for kind in kinds]
        self.readers = [(at, convert) for at, convert in enumerate(found) if convert is not None]
        self.sized = [at for at, kind in enumerate(kinds) if kind not in _NUMBERS]
        self.named = naming(tuple(self.columns))


@lru_cache(maxsize=512)
def naming(columns: tuple[str, ...]) -> _Named:
    """Give what makes rows of values objects; spelled out for its columns it takes a third of the time of zip()."""
    if len(columns) > _MOST_NAMED:
        return lambda rows: [dict(zip(columns, row, strict=True)) for row in rows]
    values = [f"v{at}" for at in range(len(columns))]
    fields = ", ".join(f"{name!r}: {value}" for name, value in zip(columns, values, strict=True))
    made: _Named = eval(f"lambda rows: [{{{fields}}} for [{', '.join(values)}] in rows]")  # noqa: S307 - names are quoted
    return made


class _Pin:
    """One connection; one thread at a time uses it. After a read it `is_clear` when nothing of the answer is left on it."""

    def __init__(self, line: psycopg.Connection[Any]) -> None:
        self._line = line
        self.line = line.pgconn
        self.fileno = line.pgconn.socket
        self.transformer = Transformer(line)
        self._sent: Sequence[Any] = ()
        self._known: dict[tuple[int, tuple[int, ...]], _Known] = {}
        self._used = time.monotonic()
        self.is_clear = True

    def close(self) -> None:
        self._line.close()

    def read(self, asked: PinnedRead, values: Sequence[Any]) -> Rows:
        if self.is_rested:
            with watching(self.fileno, _GRACE_S):
                self.line.send_query(b"")
                self._results()
        types = self._dumped(values)
        known = self._known.get((asked.number, types)) or self._prepare(asked, types)
        taken = _Taken(self, known, asked)
        self.ask(known)
        wait(taken.all(), self.fileno, _WAKE_S)
        return taken.found

    def knows(self, asked: PinnedRead, values: Sequence[Any]) -> _Known | None:
        """Tell how it knows the statement; None where it does not."""
        return self._known.get((asked.number, self._dumped(values)))

    @property
    def is_rested(self) -> bool:
        """Tell that it was not used just now: whatever is between may have forgotten it by now, and say nothing."""
        return time.monotonic() - self._used > _IDLE_S

    def wake(self) -> bool:
        """Send what only asks for an answer; False where some of it waits until the socket takes it."""
        self.is_clear = False
        self.line.send_query(b"")
        return not self.line.flush()

    def ask(self, known: _Known) -> bool:
        """Send the statement with the values that `knows` was given; False where some of it waits until the socket takes it."""
        self.is_clear = False
        self.line.send_query_prepared(known.name, self._sent, param_formats=self.transformer.formats)
        self.line.set_chunked_rows_mode(_CHUNK)
        return not self.line.flush()

    def was_read(self) -> None:
        """Hear that nothing of an answer is left on it."""
        self.is_clear, self._used = True, time.monotonic()

    def _dumped(self, values: Sequence[Any]) -> tuple[int, ...]:
        """Make values ready to be sent; give their types."""
        self._sent = self.transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        return self.transformer.types or ()

    def _prepare(self, asked: PinnedRead, types: tuple[int, ...]) -> _Known:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self.line.send_query(b"deallocate all")
            self._results()
        known = _Known(b"drawbar_%d_%d" % (asked.number, len(self._known)))
        self.line.send_prepare(known.name, asked.sql, param_types=types)
        self._results()
        self._known[asked.number, types] = known
        return known

    def _results(self) -> None:
        """Take what comes and needs no reading. Raises the first error, when all has come."""
        wait(send(self.line), self.fileno, _WAKE_S)
        failed = None
        while (result := wait(fetch(self.line), self.fileno, _WAKE_S)) is not None:
            failed = failed or self.error(result)
        if failed is not None:
            raise failed

    def error(self, result: Any) -> Exception | None:
        if result.status in _WELL:
            return None
        return psycopg.errors.error_from_result(result, encoding="utf-8")


class _Taken:
    """What comes of one statement, piece by piece, until it is `found`."""

    def __init__(self, pin: _Pin, known: _Known, asked: PinnedRead) -> None:
        self.found = Rows([])
        self.first: Any = None
        """A piece that came and was not taken yet."""
        self._pin = pin
        self._known = known
        self._asked = asked
        self._size = 0
        self._failed: Exception | None = None

    def all(self) -> PQGen[None]:
        """Take all of it; what is yielded is what the socket is waited for. Raises Flood where far too much comes."""
        return watched(self._fetched(), self._pin.fileno, self._asked.limits.bytes, self._pin.close)

    def _fetched(self) -> PQGen[None]:
        line = self._pin.line
        yield from send(line)
        result, self.first = self.first, None
        while result is not None or (result := (yield from fetch(line))) is not None:
            if self.take(result):
                return
            result = None
        self.ends()

    def ends(self) -> None:
        """Hear that this was all. Raises what went wrong over there."""
        if self._failed is not None:
            raise self._failed
        self._pin.was_read()

    def take(self, result: Any) -> bool:
        """Take a piece; tell that it is enough. Raises InputError where one row is more than that."""
        known = self._known
        self._failed = self._failed or self._pin.error(result)
        if self._failed is not None or (result.ntuples == 0 and known.columns is not None):
            return False
        if known.columns is None:
            known.look(result, self._asked.readers)
        transformer = self._pin.transformer
        transformer.set_pgresult(result)
        values = transformer.load_rows(0, result.ntuples, list)
        for at, convert in known.readers:
            for row in values:
                row[at] = convert(row[at])
        size = 16 * len(values) * len(known.columns or ())
        for at in known.sized:
            size += more_bytes([row[at] for row in values])
        limits, rows = self._asked.limits, self.found.rows
        if self._size + size > limits.bytes or len(rows) + len(values) > limits.rows:
            return self._end(values)
        self._size += size
        rows += known.named(values)
        return False

    def _end(self, values: Sequence[Sequence[Any]]) -> bool:
        """Take what is still within the limits of a piece that is not, row by row."""
        limits, rows, columns = self._asked.limits, self.found.rows, self._known.columns or ()
        for row in values:
            self._size += row_bytes(row)
            if len(rows) == limits.rows and self._asked.ends:
                self.found = Rows(rows, truncated=True)  # this was the last one
                return False
            if len(rows) == limits.rows or self._size > limits.bytes:
                if not rows:
                    said = f"one row is larger than max_bytes ({limits.bytes})"
                    raise InputError(said, reason="too_large")
                self.found = Rows(rows, truncated=True)
                return True
            rows.append(dict(zip(columns, row, strict=True)))
        return False


_WELL = {ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY}
