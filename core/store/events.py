"""What happened, in order. Rows are written here, inside units of the journal; `core.events` gives them their numbers."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection

from ..values import dump
from .statement import insert
from .tables import events

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
    _INSERT.later(conn, rows)
