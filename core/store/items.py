"""The items of a for_each: their values, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from .attempts import keep_tries
from .statement import Statement, insert
from .tables import items

_OUTPUTS = Statement(
    "SELECT item, outcome FROM task_runs WHERE run_id = :run_id AND task = :task AND item >= 0 AND state = 'succeeded'"
)
_ITEM = Statement("SELECT value FROM items WHERE run_id = :run_id AND task = :task AND item = :item")
_FORGET_ITEMS = Statement("DELETE FROM items WHERE run_id = :run_id AND task = :task")
_ADD_ITEM = insert(items, "run_id", "task", "item", "value")
_VALUES = Statement("SELECT item, value FROM items WHERE run_id = :run_id AND task = :task")
_RESET_ITEM = Statement(
    "UPDATE task_runs SET state = 'pending', outcome = NULL, intent = NULL, child = NULL, done_no = NULL"
    " WHERE run_id = :run_id AND task = :task AND item = :item"
)


def outputs(conn: Connection, run_id: str, task: str) -> Mapping[int, str | None]:
    return dict(_OUTPUTS(conn, run_id=run_id, task=task).fetchall())


def value(conn: Connection, run_id: str, task: str, item: int) -> str | None:
    row = _ITEM(conn, run_id=run_id, task=task, item=item).fetchone()
    return row[0] if row else None


def keep(conn: Connection, run_id: str, task: str, whole: Sequence[str], values: Sequence[str]) -> None:
    """
    Keep a for_each's list; an item whose value has changed since is begun anew, one that is done too.

    `values` are what rows hold of the `whole` ones.
    """
    before = dict(_VALUES(conn, run_id=run_id, task=task).fetchall())
    if before:
        keep_tries(conn, run_id, task)
    _FORGET_ITEMS(conn, run_id=run_id, task=task)
    rows = [{"run_id": run_id, "task": task, "item": item, "value": value} for item, value in enumerate(values)]
    _ADD_ITEM.many(conn, rows)
    for item, value in before.items():
        if item >= len(values) or value not in (values[item], whole[item]):
            _RESET_ITEM(conn, run_id=run_id, task=task, item=item)
