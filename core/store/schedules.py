"""What the clock starts next. One process fires a tick: who holds the row until the tick is concluded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Row, select, text

from .tables import runs, schedules

_SHOWN = ("name", "spec", "next_at", "fired_for", "last_run", "away_until", "held_until")

_ADD = text("INSERT INTO schedules (name, spec, next_at) VALUES (:name, :spec, :next_at) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class Kept:
    """One schedule. `busy` tells that the run of its last tick has not ended."""

    name: str
    spec: str
    next_at: float
    fired_for: float | None
    last_run: str | None
    away_until: float | None
    held_until: float | None
    busy: bool


def every(conn: Connection, names: Collection[str]) -> list[Kept]:
    return [_kept(row) for row in conn.execute(_select().where(schedules.c.name.in_(names)))]


def find(conn: Connection, name: str) -> Kept | None:
    """Give one, as it stays until the unit ends."""
    row = conn.execute(_select().where(schedules.c.name == name).with_for_update(of=schedules)).one_or_none()
    return None if row is None else _kept(row)


def add(conn: Connection, name: str, *, spec: str, next_at: float) -> None:
    """Enter one that is not there yet."""
    conn.execute(_ADD, {"name": name, "spec": spec, "next_at": next_at})


def change(conn: Connection, name: str, *, seen: float, **values: Any) -> bool:
    """Write values; False when its next tick is no longer the one seen."""
    asked = (schedules.c.name == name, schedules.c.next_at == seen)
    done = cast("CursorResult[Any]", conn.execute(schedules.update().where(*asked).values(**values)))
    return done.rowcount == 1


def remove(conn: Connection, name: str) -> None:
    conn.execute(schedules.delete().where(schedules.c.name == name))


def keep_only(conn: Connection, names: Collection[str]) -> None:
    """Forget what nobody schedules any more."""
    conn.execute(schedules.delete().where(schedules.c.name.not_in(names)))


def _select() -> Any:
    busy = runs.c.id.is_not(None) & runs.c.finished_at.is_(None)
    joined = schedules.outerjoin(runs, runs.c.id == schedules.c.last_run)
    return select(*(schedules.c[name] for name in _SHOWN), busy.label("busy")).select_from(joined)


def _kept(row: Row[Any]) -> Kept:
    values: tuple[Any, ...] = tuple(row)
    return Kept(*values)
