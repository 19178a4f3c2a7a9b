"""Approvals: questions to another person, each bound to what exactly was asked, and expiring into a rejection."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, false, func, insert, or_, select, update

from ..access import Caller
from ..errors import InputError
from ..values import dump, load
from .effects import approvals
from .ids import new_id
from .statement import Statement

_CALLERS = Statement(
    "WITH RECURSIVE above (id, parent, caller, depth) AS ("
    " SELECT id, parent_run, caller, 0 FROM runs WHERE id = :id"
    " UNION ALL SELECT r.id, r.parent_run, r.caller, a.depth + 1 FROM runs r JOIN above a ON r.id = a.parent"
    " WHERE a.depth < 100) SELECT caller FROM above"
)


def ask(
    conn: Connection,
    *,
    asked_by: str,
    by: list[str],
    now: float,
    within_s: float,
    run_id: str | None = None,
    task: str | None = None,
    item: int | None = None,
    tool: str | None = None,
    description: str | None = None,
    arguments: str | None = None,
    args_hash: str | None = None,
) -> str:
    """Put the question and give its id. `arguments` are as the ledger keeps them: dumped, and sealed where they must be."""
    approval_id = new_id()
    conn.execute(
        insert(approvals).values(
            id=approval_id,
            run_id=run_id,
            task=task,
            item=item,
            tool=tool,
            description=description,
            asked_by=asked_by,
            arguments=arguments,
            args_hash=args_hash,
            by=dump(by),
            state="waiting",
            asked_at=now,
            expires_at=now + within_s,
        )
    )
    return approval_id


def answer(
    conn: Connection, approval_id: str, *, approved: bool, caller: Caller, reason: str | None, now: float
) -> dict[str, Any]:
    """
    Record an answer. The command line stands above the list of who may answer.

    Raises InputError: forbidden for the one who asked and for who is not named, conflict when answered or expired.
    """
    row = find(conn, approval_id, to_change=True)
    if row["state"] != "waiting" or row["expires_at"] <= now:
        state = "expired" if row["state"] == "waiting" else row["state"]
        raise InputError(f"approval {approval_id} is not open: it is {state}", reason="conflict", id=approval_id)
    if row["asked_by"] == caller.name or caller.name in _behind(conn, row["run_id"]):
        raise InputError(
            f"{caller.name} asked for this and cannot approve it",
            reason="forbidden",
            id=approval_id,
            next="ask another person",
        )
    if not caller.may_answer(row["by"], row["asked_by"]):
        raise InputError(
            f"approval {approval_id} is for {', '.join(row['by'])}",
            reason="forbidden",
            id=approval_id,
            next="ask one of them, or name your role under agents.*.roles",
        )
    conn.execute(
        update(approvals)
        .where(and_(approvals.c.id == approval_id, approvals.c.state == "waiting"))
        .values(state="approved" if approved else "rejected", answered_by=caller.name, answered_at=now, reason=reason)
    )
    return find(conn, approval_id)


def expire(conn: Connection, now: float) -> list[dict[str, Any]]:
    """Turn overdue questions into rejections and give them."""
    query = select(approvals).where(approvals.c.state == "waiting", approvals.c.expires_at <= now).limit(100)
    overdue = [_plain(row) for row in conn.execute(query).mappings()]
    for row in overdue:
        conn.execute(
            update(approvals)
            .where(and_(approvals.c.id == row["id"], approvals.c.state == "waiting"))
            .values(state="expired", answered_at=now, reason="nobody answered in time")
        )
    return overdue


def withdraw(conn: Connection, run_id: str, now: float) -> None:
    """Close the open questions of a run that was cancelled, but not those of what undoes it."""
    undoes = approvals.c.task.startswith("compensate:")
    mine = and_(approvals.c.run_id == run_id, or_(approvals.c.task.is_(None), ~undoes))
    conn.execute(
        update(approvals)
        .where(and_(mine, approvals.c.state == "waiting"))
        .values(state="withdrawn", answered_at=now, reason="the run was cancelled")
    )


def find(conn: Connection, approval_id: str, *, to_change: bool = False) -> dict[str, Any]:
    """Give a question as it is now; `to_change` keeps it so until the unit ends."""
    query = select(approvals).where(approvals.c.id == approval_id)
    row = conn.execute(query.with_for_update() if to_change else query).mappings().first()
    if row is None:
        raise InputError(f"there is no approval {approval_id!r}", reason="not_found", next="see drawbar approvals")
    return _plain(row)


def page(
    conn: Connection,
    *,
    state: str | None = "waiting",
    run_id: str | None = None,
    by: Caller | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """List approvals, oldest first; `by` leaves only those that this caller may answer."""
    query = select(approvals)
    if state is not None:
        query = query.where(approvals.c.state == state)
    if run_id is not None:
        query = query.where(approvals.c.run_id == run_id)
    if by is not None:
        query = query.where(_answerable(conn, by))
    if after is not None:
        query = query.where(approvals.c.id > after)
    return [_plain(row) for row in conn.execute(query.order_by(approvals.c.id).limit(limit)).mappings()]


def _answerable(conn: Connection, caller: Caller) -> ColumnElement[bool]:
    """Say `Caller.may_answer` in SQL, so that pages are full. `by` is kept as a JSON list of texts."""
    if "approve" not in caller.scopes:
        return false()
    not_own = approvals.c.asked_by != caller.name
    if caller.kind == "cli":
        return not_own
    place = func.strpos if conn.dialect.name == "postgresql" else func.instr
    named = [place(approvals.c.by, dump(name)) > 0 for name in sorted({caller.name, *caller.roles})]
    return and_(not_own, or_(approvals.c.by == dump([]), *named))


def _behind(conn: Connection, run_id: str | None) -> set[str]:
    """Name who started a run, and the runs above it: an agent asks, and who gave it the task must not be the one who agrees."""
    if run_id is None:
        return set()
    return {str(load(caller)["name"]) for (caller,) in _CALLERS(conn, id=run_id).fetchall()}


def _plain(row: Any) -> dict[str, Any]:
    plain = dict(row)
    return {**plain, "by": load(plain["by"])}
