"""Messages that a call took from a queue and that are not yet settled: every process of this state can settle them."""

from __future__ import annotations

import time

from sqlalchemy import Column, Connection, Float, Index, String, Table, Text

from .journal import Journal
from .statement import Statement, insert
from .tables import metadata

_REMEMBERED_S = 7 * 86_400.0
"""A settled message is remembered for so long, so that settling it again says the same."""

taken = Table(
    "taken",
    metadata,
    Column("claim", String(40), primary_key=True),
    Column("adapter", String(200), nullable=False),
    Column("body", Text),  # null when it is settled
    Column("taken_at", Float, nullable=False),
    Column("outcome", String(20)),
    Column("settled_at", Float),
)
Index("taken_settled", taken.c.settled_at)

_ADD = insert(taken, "claim", "adapter", "body", "taken_at")
_FIND = Statement("SELECT body, outcome FROM taken WHERE claim = :claim AND adapter = :adapter")
_SETTLE = Statement(
    "UPDATE taken SET body = NULL, outcome = :outcome, settled_at = :now"
    " WHERE claim = :claim AND adapter = :adapter AND outcome IS NULL"
)
_FORGET = Statement("DELETE FROM taken WHERE settled_at < :before")


class Taken:
    """Keeps them in the journal; each change is a commit of its own, made before the broker is told."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def keep(self, adapter: str, claim: str, body: str) -> None:
        self._journal.write(lambda conn: _ADD(conn, claim=claim, adapter=adapter, body=body, taken_at=time.time()))

    def find(self, adapter: str, claim: str) -> tuple[str | None, str | None] | None:
        """Give the body and the outcome of a message: one of the two is there."""
        with self._journal.read() as conn:
            row = _FIND(conn, claim=claim, adapter=adapter).fetchone()
        return None if row is None else (row[0], row[1])

    def settle(self, adapter: str, claim: str, outcome: str) -> None:
        def unit(conn: Connection) -> None:
            now = time.time()
            _SETTLE(conn, claim=claim, adapter=adapter, outcome=outcome, now=now)
            _FORGET(conn, before=now - _REMEMBERED_S)

        self._journal.write(unit)
