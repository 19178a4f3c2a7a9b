"""The steps of agents' tasks: what their models were told and said, and which calls were made, each written once."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, Connection, Float, Integer, String, Table, Text

from .statement import Statement
from .tables import metadata

agent_steps = Table(
    "agent_steps",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("task", String(200), primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("body", Text, nullable=False),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("cost", Text),
    Column("at", Float, nullable=False),
    sqlite_with_rowid=False,
)
_STEPS = Statement(
    "SELECT no, kind, body, input_tokens, output_tokens, cost FROM agent_steps"
    " WHERE run_id = :run_id AND task = :task AND item = :item ORDER BY no"
)
_ADD = Statement(
    "INSERT INTO agent_steps (run_id, task, item, no, kind, body, input_tokens, output_tokens, cost, at)"
    " VALUES (:run_id, :task, :item, :no, :kind, :body, :input_tokens, :output_tokens, :cost, :at)"
)
_FORGET = Statement("DELETE FROM agent_steps WHERE run_id = :run_id AND task = :task")
_USED = Statement(
    "SELECT kind, input_tokens, output_tokens, cost FROM agent_steps WHERE run_id = :run_id AND kind IN ('said', 'heard')"
)


class Row(NamedTuple):
    no: int
    kind: str
    body: str
    input_tokens: int
    output_tokens: int
    cost: str | None


def steps(conn: Connection, run_id: str, task: str, item: int) -> list[Row]:
    """Give all steps of one task, in order."""
    return [Row(*row) for row in _STEPS(conn, run_id=run_id, task=task, item=item).fetchall()]


def add(conn: Connection, place: tuple[str, str, int], row: Row, at: float) -> None:
    """Write the next step; of two that come at once, one fails."""
    run_id, task, item = place
    _ADD(conn, run_id=run_id, task=task, item=item, at=at, **row._asdict())


def forget(conn: Connection, run_id: str, task: str) -> None:
    """Let a task begin anew: nothing that was said or done in it counts any more."""
    _FORGET(conn, run_id=run_id, task=task)


def used(conn: Connection, run_id: str) -> tuple[list[tuple[int, int, str | None]], int]:
    """Give the tokens and the cost of every answer that models gave in a run, and how many calls they had made."""
    rows = _USED(conn, run_id=run_id).fetchall()
    said = [(read, written, cost) for kind, read, written, cost in rows if kind == "said"]
    return said, len(rows) - len(said)
