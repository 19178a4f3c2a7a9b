"""
Large values, kept aside: once for each run, in pieces that can be read and removed one by one.

Functions on a connection, called inside the unit of the journal that writes the row which refers to the claim. A claim whose
body was removed stays as a row until its run goes: who asks for it hears what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Float, Index, Integer, LargeBinary, String, Table, Text, bindparam, select

from .statement import Statement, insert
from .tables import metadata

PIECE_BYTES = 262_144
BITE = 4
"""Pieces that are removed in one bite."""
_AT_ONCE = 500

claims = Table(
    "claims",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("run_id", String(40)),  # null for the answer of a direct call
    Column("sha256", String(64), nullable=False),
    Column("bytes", Integer, nullable=False),  # as it is kept
    Column("shown_bytes", Integer, nullable=False),  # as readers see it
    Column("plain", Integer, nullable=False),  # readers see it as it is kept
    Column("content_type", String(100), nullable=False),
    Column("sealed", Integer, nullable=False, server_default="0"),
    Column("hidden", Text),  # paths that are masked when it is shown
    Column("pieces", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float),
    Column("entry", String(200)),  # the ledger's entry that it goes with: what was to be sent
)
Index("claims_by_run", claims.c.run_id)

claim_pieces = Table(
    "claim_pieces",
    metadata,
    Column("claim", String(100), primary_key=True),
    Column("piece", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)


class Ready(Protocol):
    """A value that is ready for a row: `text` is what the row holds, `store` writes what of it is kept aside."""

    @property
    def text(self) -> str: ...

    def store(self, conn: Connection) -> str: ...


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a claim."""

    id: str
    run_id: str | None
    sha256: str
    bytes: int
    shown_bytes: int
    plain: int
    content_type: str
    sealed: int
    hidden: str | None
    pieces: int
    created_at: float
    removed_at: float | None = None
    entry: str | None = None


_COLUMNS = tuple(column.name for column in claims.columns)
_ADD = Statement(
    f"INSERT INTO claims ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
    " ON CONFLICT (id) DO UPDATE SET removed_at = NULL, pieces = :pieces, sealed = :sealed, created_at = :created_at"
    " WHERE claims.removed_at IS NOT NULL"
)
_ADD_PIECE = insert(claim_pieces, "claim", "piece", "body")
_FORGET = Statement("DELETE FROM claim_pieces WHERE claim = :id")
_FIND = Statement(select(*(claims.c[name] for name in _COLUMNS)).where(claims.c.id == bindparam("id")))
_OF_OWNER = Statement(
    f"SELECT {', '.join(_COLUMNS)} FROM claims WHERE run_id IS NULL AND id LIKE :like AND removed_at IS NULL"
    " ORDER BY created_at DESC LIMIT :most"
)
_PIECE = Statement("SELECT body FROM claim_pieces WHERE claim = :id AND piece = :piece")
_WALK = Statement(
    "SELECT id, run_id, created_at, removed_at, pieces FROM claims"
    " WHERE id > :after AND id < :before AND (removed_at IS NULL OR pieces > 0)"
    " AND (entry IS NULL OR NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.id = claims.entry)) ORDER BY id LIMIT :most"
)
_OVER = Statement(
    "SELECT parent_run FROM runs WHERE id = :id AND finished_at < :cutoff"
    " AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.run_id = :id AND ledger.state IN ('intent', 'unknown'))"
)
_LIVES = Statement("SELECT 1 FROM runs WHERE id = :id")
_REMOVE = Statement("UPDATE claims SET removed_at = :now WHERE id = :id AND removed_at IS NULL")
_EAT = Statement(
    "DELETE FROM claim_pieces WHERE (claim, piece) IN (SELECT claim, piece FROM claim_pieces WHERE claim = :id"
    f" ORDER BY piece LIMIT {BITE})"
)
_EATEN = Statement("UPDATE claims SET pieces = 0 WHERE id = :id AND removed_at IS NOT NULL")
_GONE = Statement("DELETE FROM claims WHERE id = :id AND run_id IS NULL")


def add(conn: Connection, row: Row, pieces: Iterable[bytes]) -> None:
    """Keep a body under its id; one that is there already is not written again."""
    said = {name: getattr(row, name) for name in _COLUMNS}
    if not _ADD(conn, **said).rowcount:
        return
    _FORGET(conn, id=row.id)  # what a removal has not yet come to
    for number, body in enumerate(pieces):
        _ADD_PIECE(conn, claim=row.id, piece=number, body=body)


def find(conn: Connection, claim_id: str) -> Row | None:
    row = _FIND(conn, id=claim_id).fetchone()
    return None if row is None else Row(*row)


def hidden_of(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Give the paths that are masked when claims are shown, of those that have any."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        which = claims.c.id.in_(ids[start : start + _AT_ONCE]), claims.c.hidden.is_not(None)
        found.update((row[0], row[1]) for row in conn.execute(select(claims.c.id, claims.c.hidden).where(*which)))
    return found


def of_owner(conn: Connection, owner: str, most: int) -> list[Row]:
    """Give claims of direct calls whose id begins so, the newest first."""
    return [Row(*row) for row in _OF_OWNER(conn, like=f"{owner}%", most=most).fetchall()]


def pieces(conn: Connection, claim_id: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """Give pieces one by one; fewer when the body is being removed."""
    for number in numbers:
        row = _PIECE(conn, id=claim_id, piece=number).fetchone()
        if row is None:
            return
        yield bytes(row[0])


def old(conn: Connection, after: str, before: str, most: int) -> list[tuple[Any, ...]]:
    """
    Walk over bodies that are kept and were made before an id: id, run, when, removed when, pieces.

    What goes with an entry of the ledger is passed over while that is there.
    """
    found: list[tuple[Any, ...]] = _WALK(conn, after=after, before=before, most=most).fetchall()
    return found


def is_over(conn: Connection, run_id: str, cutoff: float) -> bool:
    """Tell whether a run ended before then, and so did every run that it is a part of."""
    while True:
        row = _OVER(conn, id=run_id, cutoff=cutoff).fetchone()
        if row is None:
            return _LIVES(conn, id=run_id).fetchone() is None
        if row[0] is None:
            return True
        run_id = row[0]


def remove(conn: Connection, claim_id: str, now: float) -> None:
    """Give a body up: from now on nobody reads it."""
    _REMOVE(conn, id=claim_id, now=now)


def eat(conn: Connection, claim_id: str) -> bool:
    """Take one bite of a body that was given up; true when nothing is left."""
    if _EAT(conn, id=claim_id).rowcount >= BITE:
        return False
    _EATEN(conn, id=claim_id)
    _GONE(conn, id=claim_id)
    return True
