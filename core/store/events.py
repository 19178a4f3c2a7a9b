"""What happened, in order. Rows are written here, inside units of the journal; `core.events` gives them their numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from ..values import dump, load
from .statement import insert
from .tables import events

AUDIT = frozenset(
    (
        *("approval.approved", "approval.rejected", "assignment.answered"),
        *("dead.settled", "dead.sent", "dead.dropped", "hold.set", "hold.released"),
        *("file.retry", "file.release", "file.skip", "sync.cursor_set"),
        *("run.cancelling", "run.pausing", "run.resumed", "run.retried", "key.added", "key.revoked", "state.restored"),
    )
)
"""Events that say what a person did: the audit has them too, and they are kept for as long as it is."""
AUDITED, REQUEST_OF = "drawbar.audited", "drawbar.request"
"""Under these names a connection keeps who hears of them, and the request that a unit is for."""
UNDONE = "drawbar.undone"
"""Under this name SQLite's connection counts how often what units wrote was undone: what they remember of it is wrong then."""
Audited = Callable[[Connection, str, str | None, str | None, Any, str | None], None]
"""Hears the type, the run, the task, the body, and the request."""

_INSERT = insert(events, "run_id", "type", "task", "item", "body", "at")


def add(
    conn: Connection,
    type: str,  # noqa: A002 - the word of the contract
    *,
    run_id: str | None = None,
    task: str | None = None,
    item: int | None = None,
    body: Any = None,
) -> None:
    """Record one event."""
    add_many(conn, [event(type, run_id=run_id, task=task, item=item, body=body)])


def audited(
    conn: Connection,
    type: str,  # noqa: A002
    *,
    run_id: str | None = None,
    task: str | None = None,
    body: Any = None,
) -> None:
    """Tell the audit what somebody did, in the commit of what was done."""
    told: Audited | None = conn.info.get(AUDITED)
    if told is not None:
        told(conn, type, run_id, task, body, conn.info.get(REQUEST_OF))


def event(
    type: str,  # noqa: A002
    *,
    run_id: str | None = None,
    task: str | None = None,
    item: int | None = None,
    body: Any = None,
) -> dict[str, Any]:
    """Make the row of an event, for `add_many`."""
    return {
        "run_id": run_id,
        "type": type,
        "task": task,
        "item": item,
        "body": None if body is None else dump(body),
        "at": time.time(),
    }


def add_many(conn: Connection, rows: list[dict[str, Any]]) -> None:
    _INSERT.many(conn, rows)
    for row in rows:
        if row["type"] in AUDIT:
            said = None if row["body"] is None else load(row["body"])
            audited(conn, row["type"], run_id=row["run_id"], task=row["task"], body=said)
