"""What was made over REST: workflows, agents, adapters and changes of tools, each change a new version."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Row, String, Table, and_, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from ..errors import InputError
from ..values import dump, load
from . import events
from .journal import Journal
from .partial import partial_index
from .tables import definitions, metadata

registrations = Table(
    "registrations",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("hash", String(64)),
    Column("current", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String(200), nullable=False),
)
# Two processes that change one version: the second breaks this index and hears that it was late.
Index("registrations_version", registrations.c.kind, registrations.c.id, registrations.c.version, unique=True)
partial_index(
    "registrations_current",
    registrations.c.kind,
    registrations.c.id,
    unique=True,
    where="current",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one thing. A body of None says that it was deleted."""

    kind: str
    id: str
    version: int
    name: str
    hash: str | None
    body: dict[str, Any] | None
    created_at: float
    changed_at: float
    changed_by: str


class Definitions:
    """The journal's table of things made over REST: every process that asks sees the last version."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def changes(self) -> int:
        """Count the changes so far; it differs when anything was made, changed or deleted by any process."""
        with self._journal.read() as connection:
            # A count, not the highest number: numbers become visible out of order on PostgreSQL.
            return connection.execute(select(func.count()).select_from(registrations)).scalar_one()

    def get(self, kind: str, id: str) -> Stored | None:  # noqa: A002 - the word of the contract
        with self._journal.read() as connection:
            found = _current(connection, kind, id)
        return found if found is not None and found.body is not None else None

    def page(self, kind: str, *, after: str | None = None, limit: int = 100) -> list[Stored]:
        """List what is there by id, which for generated ids is the order of making."""
        query = _SELECT.where(registrations.c.kind == kind, registrations.c.current, registrations.c.hash.is_not(None))
        if after is not None:
            query = query.where(registrations.c.id > after)
        with self._journal.read() as connection:
            return [_stored(row) for row in connection.execute(query.order_by(registrations.c.id).limit(limit))]

    def put(
        self,
        kind: str,
        id: str,  # noqa: A002 - the word of the contract
        name: str,
        body: dict[str, Any],
        *,
        by: str,
        expect: int | None = None,
    ) -> Stored:
        """Write a new version. `expect` is the version that the writer has seen; 0: it must not exist."""
        return self._write(kind, id, name, body, by, expect)

    def remove(self, kind: str, id: str, *, by: str, expect: int | None = None) -> None:  # noqa: A002
        self._write(kind, id, None, None, by, expect)

    def _write(
        self, kind: str, thing: str, name: str | None, body: dict[str, Any] | None, by: str, expect: int | None
    ) -> Stored:
        now = time.time()  # people read it; the journal's own clock is another

        def unit(connection: Connection) -> Stored:
            last = _current(connection, kind, thing)
            _agree(kind, thing, last, expect, removing=body is None)
            written = Stored(
                kind,
                thing,
                last.version + 1 if last else 1,
                name or (last.name if last else thing),
                _keep(connection, body) if body is not None else None,
                body,
                last.created_at if last and last.body is not None else now,
                now,
                by,
            )
            _supersede(connection, written)
            what = "removed" if body is None else "changed" if last and last.body is not None else "created"
            said = {"kind": kind, "id": thing, "version": written.version, "by": by, "name": written.name}
            events.audited(connection, f"{kind}.{what}", body={**said, "hash": written.hash})
            return written

        try:
            return self._journal.write(unit)
        except IntegrityError as error:
            raise _stale(kind, thing) from error


_SELECT = select(registrations, definitions.c.body).select_from(
    registrations.outerjoin(definitions, definitions.c.hash == registrations.c.hash)
)


def _current(connection: Connection, kind: str, thing: str) -> Stored | None:
    asked = and_(registrations.c.kind == kind, registrations.c.id == thing, registrations.c.current)
    row = connection.execute(_SELECT.where(asked)).one_or_none()
    return None if row is None else _stored(row)


def _stored(row: Row[Any]) -> Stored:
    return Stored(
        row.kind,
        row.id,
        row.version,
        row.name,
        row.hash,
        None if row.hash is None else load(row.body),
        row.created_at,
        row.changed_at,
        row.changed_by,
    )


def _agree(kind: str, thing: str, last: Stored | None, expect: int | None, *, removing: bool) -> None:
    there = last is not None and last.body is not None
    if expect == 0 and there:
        raise InputError(f"there is already a {kind} {thing!r}", reason="conflict", next="change it with PUT or PATCH")
    if not there and (removing or expect):
        raise InputError(f"there is no {kind} {thing!r}", reason="not_found")
    if expect and last is not None and last.version != expect:
        raise _stale(kind, thing)


def _stale(kind: str, thing: str) -> InputError:
    return InputError(
        f"{kind} {thing!r} was changed by somebody else", reason="stale", next="read it again and repeat the change"
    )


def _keep(connection: Connection, body: dict[str, Any]) -> str:
    """Keep a body once, by its hash."""
    written = dump(body)
    digest = hashlib.sha256(written.encode()).hexdigest()
    if connection.execute(select(definitions.c.hash).where(definitions.c.hash == digest)).first() is None:
        connection.execute(definitions.insert().values(hash=digest, body=written))
    return digest


def _supersede(connection: Connection, written: Stored) -> None:
    asked = and_(registrations.c.kind == written.kind, registrations.c.id == written.id, registrations.c.current)
    connection.execute(registrations.update().where(asked).values(current=False))
    connection.execute(
        registrations.insert().values(
            kind=written.kind,
            id=written.id,
            version=written.version,
            name=written.name,
            hash=written.hash,
            current=True,
            created_at=written.created_at,
            changed_at=written.changed_at,
            changed_by=written.changed_by,
        )
    )
