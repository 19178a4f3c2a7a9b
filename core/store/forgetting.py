"""Erasing what was said, and keeping that it was: the rows and their digests stay."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, case, literal, or_, select, update

from .agents import agent_steps
from .answers import http_answers
from .aside import claims, eat, remove
from .assignments import assignments
from .effects import approvals, ledger
from .events import AUDIT
from .tables import attempts, events, items, runs, task_runs

Row = dict[str, Any]
_PAGE = 500


def entries(conn: Connection, after: str) -> list[Row]:
    """Walk over the ledger."""
    names = ("id", "tool", "caller", "run_id", "arguments", "result", "state", "dead", "dropped")
    query = select(*(ledger.c[name] for name in names)).where(ledger.c.id > after).order_by(ledger.c.id).limit(_PAGE)
    return [dict(row) for row in conn.execute(query).mappings()]


def ran(conn: Connection, after: str) -> list[Row]:
    """Walk over the runs."""
    names = ("id", "workflow", "input", "output", "finished_at", "parent_run")
    query = select(*(runs.c[name] for name in names)).where(runs.c.id > after).order_by(runs.c.id).limit(_PAGE)
    return [dict(row) for row in conn.execute(query).mappings()]


def a_run(conn: Connection, run_id: str) -> Row | None:
    query = select(runs.c.id, runs.c.workflow, runs.c.finished_at).where(runs.c.id == run_id)
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def children(conn: Connection, run_id: str) -> list[str]:
    return list(conn.execute(select(runs.c.id).where(runs.c.parent_run == run_id)).scalars())


def of_run(conn: Connection, run_id: str) -> list[str]:
    """Name the ledger's entries of a run."""
    return list(conn.execute(select(ledger.c.id).where(ledger.c.run_id == run_id)).scalars())


def thoroughly(conn: Connection) -> None:
    """Let an embedded database overwrite what it removes, on this connection from now on."""
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql("PRAGMA secure_delete=ON")


def erase_entry(conn: Connection, entry: str, mark: str, now: float) -> bool:
    """Erase what an entry that is over says; false for one that is open by now."""
    is_open = or_(
        ledger.c.state.in_(("intent", "unknown")),
        (ledger.c.dead == 1) & (ledger.c.dropped == 0) & (ledger.c.state != "done"),
        (ledger.c.state == "not_done") & (ledger.c.dropped == 0) & ledger.c.run_id.is_(None),
    )
    changed = conn.execute(
        update(ledger)
        .where(ledger.c.id == entry, ~is_open)
        .values(arguments=mark, result=_marked(ledger.c.result, mark), error=None, notes=None, probes=None)
    )
    if changed.rowcount:
        _bodies(conn, or_(claims.c.id.like(f"{entry}.%"), claims.c.entry == entry), now)
    return bool(changed.rowcount)


def erase_run(conn: Connection, run_id: str, mark: str, now: float) -> bool:
    """Erase what a run that is over got, gave and said on its way; false for one that goes on."""
    changed = conn.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.finished_at.is_not(None))
        .values(input=_marked(runs.c.input, mark), output=_marked(runs.c.output, mark), error=None)
    )
    if not changed.rowcount:
        return False
    for table, columns in (
        (task_runs, {"outcome": _marked(task_runs.c.outcome, mark), "error": None}),
        (items, {"value": mark}),
        (attempts, {"error": None, "notes": None}),
        (approvals, {"arguments": _marked(approvals.c.arguments, mark)}),
        (assignments, {"input": None, "output": _marked(assignments.c.output, mark), "error": None}),
    ):
        conn.execute(update(table).where(table.c.run_id == run_id).values(**columns))
    conn.execute(agent_steps.delete().where(agent_steps.c.run_id == run_id))
    told = events.c.type.not_in(sorted(AUDIT))
    conn.execute(update(events).where(events.c.run_id == run_id, told).values(body=None))
    _bodies(conn, claims.c.run_id == run_id, now)
    return True


def answers(conn: Connection) -> list[Row]:
    """Give the answers that are kept for repeated requests."""
    names = ("caller", "key", "body")
    query = select(*(http_answers.c[name] for name in names)).where(http_answers.c.body.is_not(None))
    return [dict(row) for row in conn.execute(query).mappings()]


def erase_answer(conn: Connection, row: Row, body: bytes) -> None:
    """Give an answer another body: the key stays used, so nothing is done again."""
    mine = (http_answers.c.caller == row["caller"], http_answers.c.key == row["key"])
    conn.execute(update(http_answers).where(*mine).values(body=body))


def _marked(column: Any, mark: str) -> Any:
    return case((column.is_(None), literal(None)), else_=bindparam(None, mark))


def _bodies(conn: Connection, which: Any, now: float) -> None:
    for claim in conn.execute(select(claims.c.id).where(which)).scalars().all():
        remove(conn, claim, now)
        while not eat(conn, claim_id=claim):
            pass
