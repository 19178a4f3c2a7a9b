"""Sort a driver's error by what it means at its phase."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..core.errors import ConfigError, DrawbarError, InputError, OutcomeUnknown, Rejected, Unavailable

FOREIGN = (exc.SQLAlchemyError, OverflowError, ValueError, OSError)

# SQLSTATE classes and codes: connection, rollback by the server, resources, operator, system.
_LATER = ("08", "40", "53", "57", "58", "55P03", "55006", "HYT0", "HY008", "70100")
_LOGIN = ("28", "3D000")
_ROLLED_BACK = ("23", "40")
_MYSQL_LATER = {
    1020, 1021, 1037, 1038, 1040, 1041, 1042, 1043, 1053, 1077, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213,
    1226, 1317, 1637, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055, 3024,
}  # fmt: skip
_MYSQL_LOGIN = {1044, 1045, 1049, 1698, 1820, 1862}
_SQLITE_LATER = {"BUSY", "LOCKED", "INTERRUPT", "IOERR", "CANTOPEN", "FULL", "NOMEM", "PROTOCOL"}
_MYSQL_LOST = {1927, 2006, 2013, 2014, 2045, 2055, 4031}
# Firebird's network errors, a shutdown of the server or of the database, and an attachment that is gone.
_FIREBIRD_LOST = {335544421, 335544528, 335544648, 335544721, 335544722, 335544726, 335544727, 335544741, 335544856}
_ODBC = re.compile(r"^(?:\[[^]]*\]\s*)*(?P<words>.*?)\s*\((?P<code>-?\d+)\) \(SQL\w+\)", re.DOTALL)


def said(error: BaseException) -> tuple[str, dict[str, Any]]:
    """Give the driver's own sentence and, for machines, its codes; never the SQL or its parameters."""
    origin = getattr(error, "orig", None) or error
    detail: dict[str, Any] = {}
    if state := getattr(origin, "sqlstate", None):
        detail["sqlstate"] = state
    if diagnosis := getattr(origin, "diag", None):
        named = {
            "constraint": diagnosis.constraint_name,
            "column": diagnosis.column_name,
            "table": diagnosis.table_name,
        }
        detail.update({name: value for name, value in named.items() if value})
        text = diagnosis.message_primary or str(origin)
    elif code := getattr(origin, "sqlite_errorname", None):
        detail["code"], text = code, str(origin)
    elif len(origin.args) >= 2 and isinstance(origin.args[0], int):
        detail["code"], text = origin.args[0], str(origin.args[1])
    elif len(origin.args) == 2 and _is_state(origin.args[0]):
        return _odbc(origin.args[0], str(origin.args[1]))
    else:
        text = str(origin)
    return " ".join(text.split()) or type(origin).__name__, detail


def _is_state(given: Any) -> bool:
    return isinstance(given, str) and len(given) == 5 and given.isalnum()


def _odbc(state: str, text: str) -> tuple[str, dict[str, Any]]:
    """Read `[42S02] [ma-3.1.15][10.11.6-MariaDB]Table 'x' doesn't exist (1146) (SQLExecDirectW)`."""
    found = _ODBC.search(text)
    words, code = (found["words"], int(found["code"])) if found else (text, 0)
    detail: dict[str, Any] = {"sqlstate": state}
    if code and "[ma-" in text:  # MariaDB's driver: its states say less than the server's own number
        detail = {"code": code}
    return " ".join(words.split()), detail


def meaning(error: BaseException) -> type[DrawbarError]:
    """Say what an error before the commit means: Rejected, Unavailable, or ConfigError for a login."""
    if isinstance(error, exc.TimeoutError) or getattr(error, "connection_invalidated", False):
        return Unavailable
    if isinstance(error, OSError):
        return Unavailable
    if isinstance(error, (OverflowError, ValueError)):  # a driver that cannot send such a value
        return InputError
    text, detail = said(error)
    if text.startswith("Could not decode to UTF-8"):  # SQLite: bytes of another code page
        return Rejected
    state, code = detail.get("sqlstate"), detail.get("code")
    if isinstance(code, int):
        return ConfigError if code in _MYSQL_LOGIN else Unavailable if code in _MYSQL_LATER else Rejected
    if code == "SQLITE_TOOBIG":
        return InputError
    if isinstance(code, str):
        return Unavailable if code.split("_")[1] in _SQLITE_LATER else Rejected
    if state:
        return ConfigError if state.startswith(_LOGIN) else Unavailable if state.startswith(_LATER) else Rejected
    return Unavailable if isinstance(error, (exc.OperationalError, exc.InterfaceError)) else Rejected


def is_lost(error: BaseException) -> bool:
    """Tell whether a driver's error means that its connection is gone; SQLAlchemy does not know all of them."""
    if _FIREBIRD_LOST.intersection(getattr(error, "gds_codes", None) or ()):
        return True
    detail = said(error)[1]
    return detail.get("code") in _MYSQL_LOST or str(detail.get("sqlstate", "")).startswith("08")


@contextmanager
def connecting(name: str) -> Iterator[None]:
    """Nothing has been sent: Unavailable, or ConfigError when the login or the driver is wrong."""
    try:
        yield
    except FOREIGN as error:
        kind = meaning(error)
        text, detail = said(error)
        text = _connection_text(text)
        if kind is ConfigError or "password authentication failed" in text or "no password supplied" in text:
            raise ConfigError(f"{name}: {text}", next="correct the url of this adapter", detail=detail) from error
        if "Can't open lib" in text or "no default driver specified" in text:
            there = (
                "install the ODBC driver that the url names, or correct it; odbcinst -q -d lists those that are there"
            )
            raise ConfigError(f"{name}: {text}", next=there, detail=detail) from error
        if '" does not exist' in text and "database" in text:
            raise ConfigError(f"{name}: {text}", next="correct the url of this adapter", detail=detail) from error
        raise Unavailable(f"{name}: {text}", detail=detail) from error


def _connection_text(text: str) -> str:
    """Cut what libpq repeats for each address, and what SQLAlchemy adds."""
    return (
        text.split(" Multiple connection attempts", maxsplit=1)[0]
        .split("(Background on this error", maxsplit=1)[0]
        .strip()
    )


@contextmanager
def executing(*, undone: bool) -> Iterator[None]:
    """Before the commit: nothing happened when the transaction is `undone`, else nobody knows."""
    try:
        yield
    except DrawbarError:
        raise
    except FOREIGN as error:
        text, detail = said(error)
        raise (meaning(error) if undone else OutcomeUnknown)(text, detail=detail) from error


@contextmanager
def committing() -> Iterator[None]:
    """Nobody knows, unless the server answered that it rolled back (a deferred constraint, a serialization failure)."""
    try:
        yield
    except FOREIGN as error:
        text, detail = said(error)
        answered = not getattr(error, "connection_invalidated", False)
        state, code = str(detail.get("sqlstate", "")), detail.get("code")
        if answered and (
            state.startswith(_ROLLED_BACK) or code in {1213, "SQLITE_BUSY"} or _is_sqlite_constraint(code)
        ):
            raise meaning(error)(text, detail=detail) from error
        raise OutcomeUnknown(f"in commit: {text}", detail=detail) from error


def _is_sqlite_constraint(code: Any) -> bool:
    return isinstance(code, str) and code.startswith("SQLITE_CONSTRAINT")


@contextmanager
def driver_errors(connection: Connection) -> Iterator[None]:
    """Give errors of a cursor that is used without SQLAlchemy the form that SQLAlchemy gives them."""
    dialect = connection.dialect
    kinds = dialect.dbapi.Error  # type: ignore[union-attr]  # connected: it is there
    try:
        yield
    except kinds as error:
        lost = is_lost(error) or dialect.is_disconnect(error, connection.connection, None)
        if lost:
            connection.invalidate()
        made = exc.DBAPIError.instance("", None, error, kinds, hide_parameters=True, connection_invalidated=lost)
        raise made from error
