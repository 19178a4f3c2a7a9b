"""History of syncs, who runs one now, and cursors of targets that cannot keep their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, Integer, String, Table, Text, delete, insert, select, update

from ..values import dump, load
from .tables import metadata

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("sync", String(100), nullable=False),
    Column("state", String(20), nullable=False),
    Column("caller", String(200), nullable=False),
    Column("run_id", String(40)),
    Column("options", Text),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("read", Integer, nullable=False, server_default="0"),
    Column("written", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("filtered", Integer, nullable=False, server_default="0"),
    Column("portions", Text),
    Column("cursor_before", Text),
    Column("cursor_after", Text),
    Column("error", Text),
    Column("report", Text),
)
Index("sync_runs_by_sync", sync_runs.c.sync, sync_runs.c.id)

sync_state = Table(
    "sync_state",
    metadata,
    Column("sync", String(100), primary_key=True),
    Column("cursor", Text),
    Column("holder", String(40)),
    Column("held_until", Float, nullable=False, server_default="0"),
    Column("promise", Text),
    Column("seen", Text),
)
_PARKED = "#"
"""What a key begins with that is an entry of the ledger, and no sync: its row says in `seen` which sync waits for it."""

_LOADED = ("options", "portions", "cursor_before", "cursor_after", "error", "report")


def hold(conn: Connection, sync: str, holder: str, *, now: float, until: float) -> str | None:
    """Take the right to run a sync; gives who holds it when that is somebody else."""
    row = conn.execute(select(sync_state).where(sync_state.c.sync == sync).with_for_update()).mappings().first()
    if row is None:
        conn.execute(insert(sync_state).values(sync=sync, holder=holder, held_until=until))
        return None
    if row["holder"] not in (None, holder) and row["held_until"] > now:
        return str(row["holder"])
    conn.execute(update(sync_state).where(sync_state.c.sync == sync).values(holder=holder, held_until=until))
    return None


def renew(conn: Connection, sync: str, holder: str, *, until: float) -> None:
    """Hold it longer; what was released or taken over meanwhile is left alone."""
    mine = (sync_state.c.sync == sync, sync_state.c.holder == holder)
    conn.execute(update(sync_state).where(*mine).values(held_until=until))


def release(conn: Connection, sync: str, holder: str) -> None:
    conn.execute(
        update(sync_state)
        .where(sync_state.c.sync == sync, sync_state.c.holder == holder)
        .values(holder=None, held_until=0)
    )


def cursor(conn: Connection, sync: str) -> Any:
    return load(conn.execute(select(sync_state.c.cursor).where(sync_state.c.sync == sync)).scalar())


def locked_cursor(conn: Connection, sync: str) -> Any:
    """Give the cursor, which nobody else changes before this unit ends."""
    return load(conn.execute(select(sync_state.c.cursor).where(sync_state.c.sync == sync).with_for_update()).scalar())


def set_cursor(conn: Connection, sync: str, value: Any) -> None:
    """Keep a cursor; what was promised before is done or of no account then."""
    _keep(conn, sync, cursor=None if value is None else dump(value), promise=None)


def promise(conn: Connection, sync: str) -> Any:
    return load(conn.execute(select(sync_state.c.promise).where(sync_state.c.sync == sync)).scalar())


def set_promise(conn: Connection, sync: str, value: Mapping[str, Any] | None) -> None:
    """Keep what is about to be written where no transaction holds it together with the cursor."""
    _keep(conn, sync, promise=None if value is None else dump(value))


def seen(conn: Connection, sync: str) -> Any:
    """Give the columns that the source had when they were last looked at."""
    return load(conn.execute(select(sync_state.c.seen).where(sync_state.c.sync == sync)).scalar())


def set_seen(conn: Connection, sync: str, value: Any) -> None:
    _keep(conn, sync, seen=dump(value))


def park(conn: Connection, sync: str, entries: Sequence[str]) -> None:
    """Keep the ledger's entries whose settlement the sync is to hear of."""
    for entry in entries:
        _keep(conn, _PARKED + entry, seen=dump(sync))


def parked(conn: Connection, sync: str) -> list[str]:
    """List what was parked and whose end the sync has not heard of."""
    rows = conn.execute(
        select(sync_state.c.sync).where(sync_state.c.sync.like(f"{_PARKED}%"), sync_state.c.seen == dump(sync))
    )
    return sorted(row[0].removeprefix(_PARKED) for row in rows)


def unpark(conn: Connection, entry: str) -> None:
    conn.execute(delete(sync_state).where(sync_state.c.sync == _PARKED + entry))


def _keep(conn: Connection, sync: str, **values: str | None) -> None:
    if conn.execute(update(sync_state).where(sync_state.c.sync == sync).values(values)).rowcount == 0:
        conn.execute(insert(sync_state).values(sync=sync, **values))


def begin(conn: Connection, row: Mapping[str, Any]) -> None:
    """Record a run that starts; those of the same sync whose process died are closed."""
    conn.execute(
        update(sync_runs)
        .where(sync_runs.c.sync == row["sync"], sync_runs.c.state == "running")
        .values(
            state="failed",
            finished_at=row["started_at"],
            error=dump({"kind": "unavailable", "message": "its process died; the next run went on where it stopped"}),
        )
    )
    conn.execute(insert(sync_runs).values(**_dumped(row)))


def save(conn: Connection, run_id: str, **values: Any) -> None:
    conn.execute(update(sync_runs).where(sync_runs.c.id == run_id).values(**_dumped(values)))


def find(conn: Connection, run_id: str) -> dict[str, Any] | None:
    row = conn.execute(select(sync_runs).where(sync_runs.c.id == run_id)).mappings().first()
    return None if row is None else _loaded(row)


def page(conn: Connection, sync: str, *, after: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """List runs of a sync, newest first."""
    query = select(sync_runs).where(sync_runs.c.sync == sync)
    if after is not None:
        query = query.where(sync_runs.c.id < after)
    return [_loaded(row) for row in conn.execute(query.order_by(sync_runs.c.id.desc()).limit(limit)).mappings()]


def _dumped(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dump(value) if name in _LOADED and value is not None else value for name, value in values.items()}


def _loaded(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): load(value) if name in _LOADED else value for name, value in row.items()}
