"""
What was used of an allowance in the last minute or session: counts by slots of time, each forgotten when its time is over.

They live where the budgets do, and like them need not outlive a crash.
"""

from __future__ import annotations

from sqlalchemy import Connection

from .budgets import alone
from .statement import Statement

_FAR_S = 10.0
_FORGET = Statement("DELETE FROM allowances WHERE name = :name AND (until <= :now OR until > :far)")
_OF = Statement("SELECT coalesce(sum(spent), 0), min(until) FROM allowances WHERE name = :name")
_ADD = Statement(
    "INSERT INTO allowances (name, slot, spent, until) VALUES (:name, :slot, :spent, :until)"
    " ON CONFLICT (name, slot) DO UPDATE SET spent = allowances.spent + :spent, until = :until"
)
_GIVE_BACK = Statement("UPDATE allowances SET spent = spent - :spent WHERE name = :name AND slot = :slot")
# Rows that another process forgets at this moment are left to it: two that lock them in different order would block each other.
_SWEEP = {
    "sqlite": Statement("DELETE FROM allowances WHERE until <= :now"),
    "postgresql": Statement(
        "DELETE FROM allowances WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM allowances WHERE until <= :now LIMIT 1000 FOR UPDATE SKIP LOCKED))"
    ),
}


def take(
    conn: Connection, name: str, *, slot: int, count: int, total: int, now: float, until: float
) -> tuple[int, int, float | None]:
    """
    Take up to `count` of what is left of `total`, to be remembered until then.

    Gives how many were got, how many are left for others, and when the next of those in use is forgotten.
    """
    alone(conn, name)
    _FORGET(conn, name=name, now=now, far=until + _FAR_S)  # far ahead: from a clock that is no more
    spent, frees_at = _OF(conn, name=name).fetchone()
    got = max(min(count, total - spent), 0)
    if got:
        _ADD(conn, name=name, slot=slot, spent=got, until=until)
    return got, max(total - spent - got, 0), frees_at


def give_back(conn: Connection, name: str, slot: int, count: int) -> None:
    """Return what was taken in a slot and not used."""
    alone(conn, name)
    _GIVE_BACK(conn, name=name, slot=slot, spent=count)


def sweep(conn: Connection, now: float) -> None:
    """Forget what is over of everybody's."""
    _SWEEP[conn.dialect.name](conn, now=now)
