"""Stop an answer that is far larger than its limit while it comes, before it is in memory."""

from __future__ import annotations

import os
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.errors import InputError

_SPELLED = 4
"""On the line a value takes at most so many times the bytes that it counts here (UTF-8, hexadecimal digits)."""
_BESIDE = 1 << 20
_LOOK_S = 0.005
_RECEIVED = 128  # where struct tcp_info of Linux has how many bytes came


class Flood(InputError):
    """More came than was asked for; the connection is of no use any more."""

    def __init__(self, most: int, said: str = "one row is larger than") -> None:
        super().__init__(f"{said} max_bytes ({most})", reason="too_large")


@contextmanager
def at_most(connection: Connection, most: int) -> Iterator[None]:
    """
    Raise Flood in the body when far more than `most` bytes come in answer.

    What the driver has of its own for that differs: SQLite refuses such a value itself, the others are looked at while they
    receive. ODBC takes all rows before it gives the first: its line is cut from outside, and what came whole before
    anybody looked is refused too, or the same answer would be given now and then.
    """
    begin = _WAYS.get(connection.dialect.driver)
    if begin is None:
        yield
        return
    line: Any = connection.info.get("socket") if begin is _odbc else connection.connection.dbapi_connection
    end = begin(line, most)
    failed: Exception | None = None
    try:
        yield
    except Exception as error:  # whatever the driver says of a line that was cut
        failed = error
        raise
    finally:
        if end():
            connection.invalidate()
            if begin is _odbc or not (failed is None or isinstance(failed, Flood)):
                raise Flood(most, "all rows together are much larger than") from failed


def _postgres(line: Any, most: int) -> Callable[[], bool]:
    from psycopg.waiting import wait

    flooded = False

    def stop() -> None:
        nonlocal flooded
        flooded = True
        line.pgconn.finish()

    def bounded(steps: Any, interval: float = 0.1) -> Any:
        return wait(watched(steps, line.pgconn.socket, most, stop), line.pgconn.socket, interval)

    line.wait = bounded

    def end() -> bool:
        del line.wait
        return flooded

    return end


def watched(steps: Any, fileno: int, most: int, stop: Callable[[], None]) -> Generator[Any, Any, Any]:
    """
    Go through the steps of an answer of psycopg while somebody else looks at how much comes; the first step costs nothing.

    One step alone can take a value of any size: libpq goes on as long as the server is as fast as it reads.
    """
    try:
        wanted = next(steps)
    except StopIteration as ended:
        return ended.value
    ready = yield wanted
    try:
        wanted = steps.send(ready)
    except StopIteration as ended:
        return ended.value
    came = _LOOKOUT.begin(fileno, most)
    try:
        while True:
            ready = yield wanted
            if came.too_much():
                steps.close()
                stop()
                raise Flood(most)
            try:
                wanted = steps.send(ready)
            except StopIteration as ended:
                return ended.value
            except Exception as error:  # what the driver says of a line that was cut
                if not came.cut:
                    raise
                stop()
                raise Flood(most) from error
    finally:
        _LOOKOUT.end(came)


class _Came:
    """How much came on a socket since somebody began to look."""

    __slots__ = ("_before", "_fileno", "_most", "cut")

    def __init__(self, fileno: int, most: int) -> None:
        self._fileno = fileno
        self._most = most * _SPELLED + _BESIDE
        self._before = _received(fileno)
        self.cut = False

    def too_much(self) -> bool:
        return self.cut or _received(self._fileno) - self._before > self._most

    def look(self) -> None:
        if not self.cut and self.too_much():
            self.cut = True
            with suppress(OSError), socket.socket(fileno=os.dup(self._fileno)) as line:
                line.shutdown(socket.SHUT_RDWR)


class _Lookout:
    """One thread for the whole process that looks at all answers that are large; it sleeps while there is none."""

    def __init__(self, every_s: float = _LOOK_S) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._coming: set[_Came] = set()
        self._thread: threading.Thread | None = None

    def begin(self, fileno: int, most: int) -> _Came:
        came = _Came(fileno, most)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._look, name="drawbar-flood", daemon=True)
                self._thread.start()
            self._coming.add(came)
            self._busy.set()
        return came

    def end(self, came: _Came) -> None:
        with self._lock:
            self._coming.discard(came)

    def _look(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(self._every_s)
            with self._lock:  # while it is held no answer can end and give its descriptor to another
                for came in self._coming:
                    came.look()
                if not self._coming:
                    self._busy.clear()


_LOOKOUT = _Lookout()


def _received(fileno: int) -> int:
    """Ask the system how many bytes came on a socket; 0 where it does not say (a socket of Unix)."""
    try:
        with socket.socket(fileno=os.dup(fileno)) as line:
            told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED + 8)
        return int(struct.unpack_from("Q", told, _RECEIVED)[0])
    except (OSError, AttributeError, struct.error):
        return 0


def _mysql(line: Any, most: int) -> Callable[[], bool]:
    receive = line._read_bytes  # noqa: SLF001 - it has no other place where the size is known before the bytes
    left = most * _SPELLED + _BESIDE

    def bounded(count: int) -> Any:
        nonlocal left
        left -= count
        if left < 0:
            if line._result is not None:  # noqa: SLF001
                line._result.unbuffered_active = False  # noqa: SLF001 - or its end reads what is left of the answer
            line._force_close()  # noqa: SLF001
            raise Flood(most)
        return receive(count)

    line._read_bytes = bounded  # noqa: SLF001

    def end() -> bool:
        del line._read_bytes  # noqa: SLF001
        return left < 0

    return end


def _sqlite(line: Any, most: int) -> Callable[[], bool]:
    before = line.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(most * _SPELLED + _BESIDE, 1 << 30))

    def end() -> bool:
        line.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
        return False

    return end


def _odbc(fileno: int | None, most: int) -> Callable[[], bool]:
    if fileno is None:
        return lambda: False
    came = _LOOKOUT.begin(fileno, most)

    def end() -> bool:
        _LOOKOUT.end(came)
        return came.too_much()

    return end


def flooding(fetch: Callable[[int], Any], most: int) -> Callable[[int], Any]:
    """Say of what SQLite refuses to give that it is a flood."""

    def fetched(count: int) -> Any:
        try:
            return fetch(count)
        except exc.DataError as error:
            if getattr(error.orig, "sqlite_errorname", None) != "SQLITE_TOOBIG":
                raise
            raise Flood(most) from error

    return fetched


_WAYS: dict[str, Callable[[Any, int], Callable[[], bool]]] = {
    "psycopg": _postgres,
    "pymysql": _mysql,
    "pysqlite": _sqlite,
    "pyodbc": _odbc,
}
