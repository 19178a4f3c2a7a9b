"""
A line to PostgreSQL: what nobody reads yet waits, and leaves together with what somebody reads, or with the commit.

To wait for the server once for each statement was most of a unit's time. So a statement of ours is only asked here; the first
answer that somebody looks at sends all of them in their order, as a pipeline, and each is prepared once. What SQLAlchemy runs
on the same connection finds everything before it done.

In the first try of a unit the line also `trusts`: what this process remembers is taken to be so, and statements that rely on
it divide by zero where it is not. Then the unit is run again, and looks.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

if TYPE_CHECKING:
    from .statement import Statement

_LINE = "drawbar.line"
UNTRUE = "22012"
"""Division by zero: something that a unit relied on was not so."""
FORGOTTEN = "26000"
"""The server does not know a prepared statement any more."""
_MOST_NAMES = 500
_TEXT, _BYTES = 0, 17
_OIDS: dict[type, int] = {type(None): _TEXT, str: _TEXT, int: 20, float: 701, bool: 16, bytes: _BYTES}
# Of libpq's ExecStatusType.
_DONE, _TUPLES, _SKIPPED = 1, 2, 11
_FINE = {_DONE, _TUPLES, _SKIPPED}
_IDLE = 0
Values = dict[str, Any]


class Answer:
    """What the server says to one statement; looking at it sends the statement, when that has not left yet."""

    __slots__ = ("_line", "_rows", "oids", "result", "said", "text")

    def __init__(self, line: Line, text: bytes, said: list[bytes | None], oids: tuple[int, ...]) -> None:
        self._line = line
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self.text = text
        self.said = said
        self.oids = oids
        self.result: Any = None

    @property
    def rowcount(self) -> int:
        if self.result is None:
            self._line.send()
        return int(self.result.command_tuples or 0)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._read(), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._read())

    def _read(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            if self.result is None:
                self._line.send()
            self._rows = iter(self._line.rows_of(self.result))
        return self._rows


class Line:
    """The line of one connection. `begin` and `commit` stand around a unit; who owns it rolls back what failed."""

    def __init__(self, conn: Connection) -> None:
        driver: Any = conn.connection.driver_connection
        self._dbapi: Any = conn.dialect.loaded_dbapi
        self._driver = driver
        self._pg = driver.pgconn
        self._reader = self._dbapi.adapt.Transformer(driver)
        self._poll = select.poll()
        self._poll.register(self._pg.socket, select.POLLIN)
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._number = 0
        self._waiting: list[Answer] = []
        self._foreseen: dict[tuple[Any, ...], Answer] = {}
        self._guards: dict[str, Answer] = {}
        self.trusts = False

    def begin(self, *, trusts: bool) -> None:
        """Begin a unit, of which nothing leaves yet. Raises the driver's error where the server has hung up."""
        self._waiting = []
        self._foreseen = {}
        self._guards = {}
        self.trusts = trusts
        while self._poll.poll(0):  # nothing was asked: what can be read is the end of the line, or a notice
            self._pg.consume_input()

    def ask(self, statement: Statement, values: Values) -> Answer:
        """Let a statement leave with what is waited for next; one that was foreseen has been asked already."""
        if (foreseen := self.foreseen(statement, values)) is not None:
            return foreseen
        answer = self._answer(statement, values)
        self._waiting.append(answer)
        return answer

    def foresee(self, statement: Statement, values: Values) -> None:
        """Let what this unit is going to ask leave with what is waited for before."""
        self._foreseen[statement, *values.values()] = self.ask(statement, values)

    def foreseen(self, statement: Statement, values: Values) -> Answer | None:
        """Give what was foreseen and nobody has asked yet."""
        return self._foreseen.pop((statement, *values.values()), None) if self._foreseen else None

    def guard(self, of: str, statement: Statement, values: Values) -> None:
        """Ask what fails unless a row is as it is remembered."""
        self._guards[of] = self.ask(statement, values)

    def guarded(self, of: str, statement: Statement, values: Values) -> bool:
        """Put a statement that looks by itself into the place of a guard; False when that has left, or there is none."""
        guard = self._guards.pop(of, None)
        if guard is None or guard.result is not None:
            return False
        own = self._answer(statement, values)
        guard.text, guard.said, guard.oids = own.text, own.said, own.oids
        return True

    def send(self) -> None:
        """Send what waits, and wait for what the server says to all of it."""
        if self._waiting:
            self._exchange(commits=False)

    def commit(self) -> None:
        """Commit, together with what waits; a unit without any statement has nothing to commit."""
        if self._waiting or self._pg.transaction_status != _IDLE:
            self._exchange(commits=True)

    def rows_of(self, result: Any) -> Sequence[tuple[Any, ...]]:
        if result.status != _TUPLES:
            return ()
        self._reader.set_pgresult(result)
        rows: Sequence[tuple[Any, ...]] = self._reader.load_rows(0, result.ntuples, tuple)
        return rows

    def _exchange(self, *, commits: bool) -> None:
        asked, self._waiting = self._waiting, []
        if self._pg.transaction_status == _IDLE:
            asked.insert(0, Answer(self, b"BEGIN", [], ()))
        if commits:
            asked.append(Answer(self, b"COMMIT", [], ()))
        try:
            self._pg.enter_pipeline_mode()
            named = [self._put(answer) for answer in asked]
            self._pg.pipeline_sync()
            self._flush()
            failed = self._hear(asked, named)
            self._pg.exit_pipeline_mode()
        except BaseException:
            self._driver.close()  # whatever it was, nobody knows any more which answer is whose
            raise
        if failed is not None:
            error = self._dbapi.errors.error_from_result(failed, self._reader.encoding)
            if error.sqlstate == FORGOTTEN:
                self._names.clear()
            raise error

    def _answer(self, statement: Statement, values: Values) -> Answer:
        text, names = statement.numbered
        given = [values[name] for name in names]
        oids = tuple([_OIDS.get(type(value), _TEXT) for value in given])
        return Answer(self, text, [self._said(value) for value in given], oids)

    def _said(self, value: Any) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        if isinstance(value, str):
            if "\0" in value:
                raise self._dbapi.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
            return value.encode()
        return (b"t" if value else b"f") if isinstance(value, bool) else repr(value).encode()

    def _put(self, answer: Answer) -> bytes | None:
        """Put a statement on its way; give the name that it has from now on, where it had none."""
        formats = [int(oid == _BYTES) for oid in answer.oids] if _BYTES in answer.oids else None
        name = self._names.get((answer.text, answer.oids))
        if name is not None:
            self._pg.send_query_prepared(name, answer.said, formats)
            return None
        if len(self._names) >= _MOST_NAMES:
            self._pg.send_query_params(answer.text, answer.said, answer.oids, formats)
            return None
        self._number += 1
        name = b"drawbar%d" % self._number
        self._pg.send_prepare(name, answer.text, answer.oids)
        self._pg.send_query_prepared(name, answer.said, formats)
        return name

    def _flush(self) -> None:
        if not self._pg.flush():
            return
        both = select.poll()
        both.register(self._pg.socket, select.POLLIN | select.POLLOUT)
        while self._pg.flush():
            if any(event & ~select.POLLOUT for _, event in both.poll()):
                self._pg.consume_input()

    def _hear(self, asked: list[Answer], named: list[bytes | None]) -> Any:
        """Take the server's answers; give the first that is a failure."""
        failed = None
        for answer, name in zip(asked, named, strict=True):
            if name is not None:
                result = self._result()
                if result.status == _DONE:
                    self._names[answer.text, answer.oids] = name
                elif result.status != _SKIPPED:
                    failed = failed or result
            answer.result = result = self._result()
            if result.status not in _FINE:
                failed = failed or result
        self._one()  # that all is said
        return failed

    def _result(self) -> Any:
        """Give the server's answer to one command, which ends with nothing."""
        result = self._one()
        while result is not None and self._one() is not None:
            pass
        if result is None:
            raise self._dbapi.OperationalError("the server gave no answer")
        return result

    def _one(self) -> Any:
        while self._pg.is_busy():
            self._poll.poll()
            self._pg.consume_input()
        return self._pg.get_result()


def line_of(conn: Connection) -> Line | None:
    """Give the line of the unit that runs on a connection; None where statements go one by one, as on SQLite."""
    line: Line | None = None if conn.dialect.name == "sqlite" else conn.info.get(_LINE)
    return line


def opened(conn: Connection) -> Line:
    """Give the line of a connection to PostgreSQL, made when it has none yet."""
    line: Line | None = conn.info.get(_LINE)
    if line is None:
        line = conn.info[_LINE] = Line(conn)
    return line
