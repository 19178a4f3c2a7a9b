"""One-use confirmation codes, bound to caller, tool, arguments and time; of a code only its digest is kept."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, delete, insert, select

from ..errors import InputError
from .effects import codes


def keep(conn: Connection, code: str, *, caller: str, tool: str, args_hash: str, expires_at: float, now: float) -> None:
    conn.execute(delete(codes).where(codes.c.expires_at < now))
    conn.execute(
        insert(codes).values(code=_digest(code), caller=caller, tool=tool, args_hash=args_hash, expires_at=expires_at)
    )


def spend(conn: Connection, code: str, *, caller: str, tool: str, args_hash: str, now: float) -> None:
    """
    Use a code up, inside the unit of what it is spent on.

    Raises InputError: conflict for one that is spent, over or nobody's, invalid for one that was given for something else;
    that one stays good for what it was given for.
    """
    row = conn.execute(select(codes).where(codes.c.code == _digest(code))).mappings().first()
    todo = "preview the call again: that gives a new code"
    if row is None or row["caller"] != caller or row["expires_at"] < now:
        raise InputError(
            "this code was used, is older than ten minutes, or was not given to you",
            reason="conflict",
            tool=tool,
            field="code",
            next=todo,
        )
    if (row["tool"], row["args_hash"]) != (tool, args_hash):
        raise InputError(
            f"this code was given for {'other arguments' if row['tool'] == tool else row['tool']}",
            tool=tool,
            field="code",
            next=todo,
        )
    if conn.execute(delete(codes).where(codes.c.code == _digest(code))).rowcount == 0:
        raise InputError("this code was used just now", reason="conflict", tool=tool, field="code", next=todo)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
