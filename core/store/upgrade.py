"""
Which schema a journal has, whether this program works on it, and how an older one is brought up to date.

The embedded file migrates itself, after a copy of it was made; a database that many machines share only when an operator says
so (`drawbar migrate`). Two rows of `meta` say what is there: `schema` is the version of the tables (absent in the first
release), `version` the oldest program that they serve; the first release looks at that one alone.
"""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from ..errors import ConfigError, DrawbarError, Unavailable
from . import migrations
from .backup import copied
from .tables import SERVES_FROM, VERSION, meta, metadata, revisions

log = structlog.get_logger("drawbar.journal")
LOCKS_S = 60.0
_LOCK_MS = 500  # less than the second after which the server looks for circles
_PAUSE_S = 0.5
_HELD = {"55P03", "40P01"}  # lock not available, deadlock


class Schema(NamedTuple):
    """What a journal says of itself."""

    version: int
    serves_from: int


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done to a journal. `before` is None for one that was made; `copy` is the file of before."""

    before: int | None
    after: int
    copy: Path | None = None

    def __str__(self) -> str:
        if self.before is None:
            return f"the state is made, its schema is version {self.after}"
        kept = "" if self.copy is None else f"; as it was before, it is in {self.copy}"
        return f"the state's schema was brought from version {self.before} to {self.after}{kept}"


def found(conn: Connection) -> Schema | None:
    """Read a journal's schema; None where there is none. ConfigError when this program cannot work on it, ever."""
    if not inspect(conn).has_table("meta"):
        return None
    try:
        rows = conn.execute(select(meta.c.name, meta.c.value).where(meta.c.name.in_(("version", "schema"))))
        said = {row.name: row.value for row in rows}
        if "version" not in said:
            return None
        serves_from = int(said["version"])
        schema = Schema(int(said.get("schema", serves_from)), serves_from)
    except (ValueError, ProgrammingError) as error:
        raise ConfigError("state: the database has a table meta that is not a journal's", field="state") from error
    if schema.serves_from > VERSION:
        raise ConfigError(
            f"the journal was written by a newer Drawbar (its schema is version {schema.version} and serves programs from"
            f" {schema.serves_from} on, ours is {VERSION})",
            field="state",
            next="use the newer program",
        )
    return schema


def is_older(schema: Schema) -> bool:
    return schema.version < VERSION


def make(conn: Connection) -> None:
    """Make all tables, as this program has them."""
    _known()
    metadata.create_all(conn)
    conn.execute(revisions.insert().values(version_num=migrations.revision(VERSION)))
    for statement in migrations.written():
        conn.execute(statement)


def agree(conn: Connection) -> None:
    """Look whether we can work on it, or make it; ConfigError when it has to be migrated first, or is not for us."""
    schema = found(conn)
    if schema is not None and is_older(schema):
        raise ConfigError(
            f"the journal's schema is version {schema.version}, and this program needs {VERSION}",
            field="state",
            next="drawbar migrate"
            if schema.version >= SERVES_FROM
            else "stop every older program, then drawbar migrate",
        )


def settle(conn: Connection, *, migrate: bool) -> Upgraded | None:
    """Make the tables where there are none, or migrate older ones if we may; None when there is nothing to do."""
    schema = found(conn)
    if schema is None:
        make(conn)
        return Upgraded(None, VERSION)
    if not migrate or not is_older(schema):
        agree(conn)
        return None
    _hold_all(conn)
    conn.exec_driver_sql("SET LOCAL statement_timeout = 0")  # an index on a large table takes its time
    migrations.upgrade(conn, schema.version)
    return Upgraded(schema.version, VERSION)


def _hold_all(conn: Connection) -> None:
    """
    Lock every table before any is changed: others take them in another order.

    Who waits for a lock makes all others wait, and in a circle the server ends one of them: so ask, give up before that, and
    ask again.
    """
    names = ", ".join(sorted({*inspect(conn).get_table_names()} & _known()))
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_MS}ms'")
    until = time.monotonic() + LOCKS_S
    while True:
        try:
            with conn.begin_nested():
                conn.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _HELD:
                raise
        if time.monotonic() > until:
            raise Unavailable(
                "another session holds a table of the journal for too long",
                field="state",
                next="drawbar migrate, later",
            )
        time.sleep(_PAUSE_S)


def _known() -> set[str]:
    """Name every table of ours, the modules that define them loaded."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return {*metadata.tables}


def planned(conn: Connection) -> str | None:
    """Give the statements of the upgrade as SQL, and run none; None when there is nothing to do."""
    schema = found(conn)
    return migrations.script(conn, schema.version) if schema is not None and is_older(schema) else None


def embedded(conn: Connection, path: Path) -> Upgraded | None:
    """
    Bring an older file up to date after a copy of it; None when there is nothing to do.

    The caller holds the turn to write, so nothing is written between the copy and the change.
    """
    schema = found(conn)
    if schema is None or not is_older(schema):
        return None
    driver: Any = conn.connection.driver_connection
    copy = copied(driver, path, f"v{schema.version}")
    log.warning("journal.copied", copy=str(copy), version=schema.version)
    driver.execute("BEGIN IMMEDIATE")
    try:
        migrations.upgrade(conn, schema.version)
        driver.execute("COMMIT")
    except BaseException as error:
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        if isinstance(error, (SQLAlchemyError, sqlite3.Error, OSError, DrawbarError)):
            raise ConfigError(
                f"state: {path} could not be brought to version {VERSION}: {getattr(error, 'orig', None) or error}",
                field="state",
                next=f"it is as it was, and its copy is {copy}",
            ) from error
        raise
    log.warning("journal.migrated", file=str(path), before=schema.version, after=VERSION, copy=str(copy))
    return Upgraded(schema.version, VERSION, copy)
