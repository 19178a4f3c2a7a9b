"""One-use confirmation codes, bound to caller, tool, arguments and time."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from .effects import codes


def keep(conn: Connection, code: str, *, caller: str, tool: str, args_hash: str, expires_at: float, now: float) -> None:
    conn.execute(delete(codes).where(codes.c.expires_at < now))
    conn.execute(insert(codes).values(code=code, caller=caller, tool=tool, args_hash=args_hash, expires_at=expires_at))


def use(conn: Connection, code: str, *, caller: str, tool: str, args_hash: str, now: float) -> bool:
    """Spend a code; false when it is unknown, spent, expired or was given for something else."""
    row = conn.execute(select(codes).where(codes.c.code == code)).mappings().first()
    conn.execute(delete(codes).where((codes.c.code == code) | (codes.c.expires_at < now)))
    if row is None or row["expires_at"] < now:
        return False
    return (row["caller"], row["tool"], row["args_hash"]) == (caller, tool, args_hash)
