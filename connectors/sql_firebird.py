"""What Firebird's driver has of its own: how it connects, and that a transaction says what it may when it begins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from firebird.driver import TPB, Isolation, TraAccessMode, connect, driver_config
from firebird.driver.core import BlobReader, Connection
from firebird.driver.types import CancelType
from sqlalchemy.engine import URL

from .sql_flood import Flood

_numbers = itertools.count(1)
_READ_WORDS = frozenset({"charset", "role", "auth_plugin_list", "fb_client_library"})


class Entrance:
    """
    Where one Firebird is, under a name of its own in the driver's register.

    The dialect registers a database by its path alone: two servers with the same path would be one.
    """

    def __init__(self, url: URL, timeout_s: float) -> None:
        self._name = f"drawbar-{next(_numbers)}"
        words = {name: str(value) for name, value in url.query.items() if name in _READ_WORDS}
        if library := words.pop("fb_client_library", None):
            driver_config.fb_client_library.value = library
        server = driver_config.register_server(self._name)
        server.host.value = url.host
        server.port.value = str(url.port or 3050)
        database = driver_config.register_database(self._name)
        database.server.value = self._name
        database.database.value = url.database
        database.timeout.value = max(1, math.ceil(timeout_s))
        self._words: Mapping[str, str] = {"charset": "UTF8", **words}
        self._login = {"user": url.username, "password": url.password}

    def connect(self) -> Any:
        line = connect(self._name, **self._login, **self._words)
        line.__class__ = _Line
        return line


class _Line(Connection):  # type: ignore[misc]  # the driver has no types
    """A connection whose server may be gone when it is thrown away: that is no news, and no traceback on stderr."""

    def __del__(self) -> None:
        with suppress(Exception):
            super().__del__()


def sized(fetch: Callable[[int], Sequence[Any]], most: int) -> Callable[[int], Sequence[Any]]:
    """Look at the lengths of long values before they are read: the driver gives what reads them."""
    refused: list[Flood] = []

    def look(count: int) -> Sequence[Any]:
        if refused:
            raise refused[0]
        rows = fetch(count)
        for at, row in enumerate(rows):
            if any(isinstance(value, BlobReader) and value.length > most for value in row):
                refused.append(Flood(most))
                return rows[:at] or look(count)
        return rows

    return look


def read_long(value: Any) -> Any:
    """Read a long value to its end."""
    if not isinstance(value, BlobReader):
        return value
    with value:
        return value.read()


def begin(line: Any, access: str, timeout_s: float) -> None:
    """Begin a transaction that reads or writes and waits no longer than this for a lock."""
    line.main_transaction.begin(
        TPB(
            access_mode=TraAccessMode.READ if access == "read" else TraAccessMode.WRITE,
            isolation=Isolation.READ_COMMITTED_RECORD_VERSION,
            lock_timeout=max(1, math.ceil(timeout_s)),
            auto_commit=access == "autocommit",
        ).get_buffer()
    )


def cancel(line: Any) -> None:
    """End what runs on this connection, from another thread: Firebird 3 has no time limit for a statement."""
    line._att.cancel_operation(CancelType.RAISE)  # noqa: SLF001 - the driver has no public way


def plan(line: Any, sql: str) -> None:
    """Let the database prepare a statement without running it."""
    with line.cursor() as cursor:
        cursor.prepare(sql).free()
