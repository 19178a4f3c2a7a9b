"""
The audit log's rows.

A row (a block) holds one entry, or those that came within a second and touch nothing. It is signed when it is made and linked
into its process's chain soon after, in an order that one process alone decides; `payload` is no part of what is signed, only
its digests are, so that it can be erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Float, Index, Integer, String, Table, Text, func, select, text, update

from .partial import partial_index
from .statement import Statement, insert
from .tables import meta, metadata

blocks = Table(
    "audit_blocks",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("origin", String(40), nullable=False),  # the process that wrote it
    Column("signer", String(16), nullable=False),  # which key signed it
    Column("at", Float, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("payload", Text),
    Column("erased", Integer, nullable=False, server_default="0"),
    Column("chain", String(40)),
    Column("no", Integer),  # of its first entry in the chain
    Column("link", String(64)),
)
# SQLite finds what is unlinked by the index of what is linked, so it keeps none of its own.
_UNLINKED_HERE = "chain IS NULL AND no < 0"
partial_index(
    "audit_unlinked",
    blocks.c.id,
    where=_UNLINKED_HERE,
    on_postgres="chain IS NULL",
)
Index("audit_linked", blocks.c.chain, blocks.c.no)

chains = Table(
    "audit_chains",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("signer", String(16), nullable=False),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("entries", Integer, nullable=False, server_default="0"),
    Column("link", String(64), nullable=False),
    Column("cut", Integer, nullable=False, server_default="0"),  # entries that are too old to be kept
    Column("cut_link", String(64), nullable=False),
    Column("sealed", Integer, nullable=False, server_default="0"),  # entries that a seal stands for
    Column("digest", String(64), nullable=False),
)

seals = Table(
    "audit_seals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("signer", String(16), nullable=False),
    Column("day", String(10), nullable=False),
    Column("at", Float, nullable=False),
    Column("body", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)

_SIGNED = ("id", "origin", "signer", "at", "entries", "body", "digest", "payload")
_ADD = insert(blocks, *_SIGNED)
_ADD_LINKED = insert(blocks, *_SIGNED, "chain", "no", "link")
_LAST = Statement(
    "SELECT no + entries - 1, link FROM audit_blocks WHERE chain = :chain AND no > 0 ORDER BY no DESC LIMIT 1"
)
_UNSIGNED = Statement(
    "SELECT id FROM audit_chains WHERE signer = :signer AND EXISTS (SELECT 1 FROM audit_blocks b"
    " WHERE b.chain = audit_chains.id AND b.no > audit_chains.entries AND b.id < :before) LIMIT 1000"
)
_UNLINKED = "SELECT id, origin, entries, body, digest FROM audit_blocks WHERE chain IS NULL AND signer = :signer"
_OWN = Statement(f"{_UNLINKED} AND origin = :origin ORDER BY id LIMIT 1000")
_LEFT = f"{_UNLINKED} AND origin <> :origin AND id < :before ORDER BY id LIMIT 1000"
_LEFT_HERE, _LEFT_THERE = Statement(_LEFT), Statement(f"{_LEFT} FOR UPDATE SKIP LOCKED")
_LINK = Statement("UPDATE audit_blocks SET chain = :chain, no = :no, link = :link WHERE id = :id")
_CHAIN = Statement("SELECT entries, link, cut, cut_link, number FROM audit_chains WHERE id = :id")
_CHAIN_THERE = Statement("SELECT entries, link, cut, cut_link, number FROM audit_chains WHERE id = :id FOR UPDATE")
_GROW = Statement("UPDATE audit_chains SET entries = :entries, link = :link, digest = :digest WHERE id = :id")
Row = dict[str, Any]
Head = tuple[int, str, int, str, int]
"""A chain's number of entries, last link, how many were cut, the link there, and its number."""


def add(conn: Connection, row: Mapping[str, Any]) -> None:
    """Write a block that is signed, together with the commit."""
    _ADD.many(conn, [dict(row)])


def add_linked(conn: Connection, row: Mapping[str, Any], *, chain: str, no: int, link: str) -> None:
    """Write a block that has its place already."""
    _ADD_LINKED(conn, **row, chain=chain, no=no, link=link)


def last(conn: Connection, chain: str) -> tuple[int, str] | None:
    """Give the last entry of a chain, and its link, by the blocks that are there."""
    found: tuple[int, str] | None = _LAST(conn, chain=chain).fetchone()
    return found


def unsigned(conn: Connection, signer: str, before: str) -> list[str]:
    """Name chains that have old blocks beyond the end that their row signs."""
    return [row[0] for row in _UNSIGNED(conn, signer=signer, before=before).fetchall()]


def own(conn: Connection, origin: str, signer: str) -> list[Any]:
    """Give the oldest blocks of this process that are not linked yet."""
    found: list[Any] = _OWN(conn, origin=origin, signer=signer).fetchall()
    return found


def left(conn: Connection, origin: str, signer: str, before: str) -> list[Any]:
    """Give blocks that other processes left unlinked; on many machines each to one of those who ask."""
    ask = _LEFT_HERE if conn.dialect.name == "sqlite" else _LEFT_THERE
    found: list[Any] = ask(conn, origin=origin, signer=signer, before=before).fetchall()
    return found


def any_left(conn: Connection, origin: str, signer: str, before: str) -> bool:
    return _LEFT_HERE(conn, origin=origin, signer=signer, before=before).fetchone() is not None


def link(conn: Connection, rows: Sequence[Row]) -> None:
    _LINK.many(conn, rows)


def head(conn: Connection, chain: str, *, to_change: bool = False) -> Head | None:
    ask = _CHAIN_THERE if to_change and conn.dialect.name == "postgresql" else _CHAIN
    found: Head | None = ask(conn, id=chain).fetchone()
    return found


def grow(conn: Connection, chain: str, *, entries: int, link: str, digest: str) -> None:
    _GROW(conn, id=chain, entries=entries, link=link, digest=digest)


def take_turn(conn: Connection) -> None:
    """Let one process at a time begin a chain or seal; the turn ends with the unit."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(7236841)")


def begin(conn: Connection, row: Mapping[str, Any]) -> None:
    conn.execute(chains.insert().values(**row))


def count_chains(conn: Connection) -> int:
    """Give the number of the newest chain."""
    return int(conn.execute(select(func.coalesce(func.max(chains.c.number), 0))).scalar_one())


def all_chains(conn: Connection) -> list[Row]:
    return [dict(row) for row in conn.execute(select(chains).order_by(chains.c.number)).mappings()]


def grown(conn: Connection) -> list[tuple[str, int, str]]:
    """Name chains that have grown since they were sealed, with their entries and their last link."""
    query = select(chains.c.id, chains.c.entries, chains.c.link).where(chains.c.entries > chains.c.sealed)
    return [(row[0], row[1], row[2]) for row in conn.execute(query.order_by(chains.c.number))]


def is_sealed(conn: Connection, ids: Sequence[str]) -> None:
    for one in ids:
        conn.execute(update(chains).where(chains.c.id == one).values(sealed=chains.c.entries))


def all_seals(conn: Connection) -> list[Row]:
    return [dict(row) for row in conn.execute(select(seals).order_by(seals.c.number)).mappings()]


def last_seal(conn: Connection) -> Row | None:
    row = conn.execute(select(seals).order_by(seals.c.number.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def seal(conn: Connection, row: Mapping[str, Any]) -> None:
    conn.execute(seals.insert().values(**row))


def of_chain(conn: Connection, chain: str, after: int, limit: int) -> list[Row]:
    """Give blocks of a chain in its order."""
    query = select(blocks).where(blocks.c.chain == chain, blocks.c.no > after).order_by(blocks.c.no).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def strays(conn: Connection, limit: int = 1000) -> list[Row]:
    """Give blocks that are in no chain, or in one that is not there."""
    known = select(chains.c.id)
    query = select(blocks).where(blocks.c.chain.is_(None) | blocks.c.chain.not_in(known)).limit(limit)
    return [dict(row) for row in conn.execute(query.order_by(blocks.c.id)).mappings()]


def page(conn: Connection, *, before: str | None, since: str | None, limit: int, oldest: bool = False) -> list[Row]:
    """Give blocks, newest first, below an id; or oldest first, above it."""
    query = select(blocks).limit(limit)
    if oldest:
        query = query.where(blocks.c.id > (before or "")).order_by(blocks.c.id)
    else:
        query = query.order_by(blocks.c.id.desc())
        query = query.where(blocks.c.id < before) if before is not None else query
    query = query.where(blocks.c.id >= since) if since is not None else query
    return [dict(row) for row in conn.execute(query).mappings()]


def find(conn: Connection, block: str) -> Row | None:
    row = conn.execute(select(blocks).where(blocks.c.id == block)).mappings().first()
    return None if row is None else dict(row)


def erase(conn: Connection, block: str, payload: str, erased: int) -> None:
    """Write a payload without what is to be forgotten."""
    conn.execute(update(blocks).where(blocks.c.id == block).values(payload=payload, erased=blocks.c.erased + erased))


def old(conn: Connection, signer: str, before: str) -> list[str]:
    """Name chains that have blocks from before an id, in which nothing is unlinked."""
    query = select(blocks.c.chain).where(blocks.c.id < before, blocks.c.chain.is_not(None), blocks.c.signer == signer)
    return [str(one) for one in conn.execute(query.distinct()).scalars()]


def last_old(conn: Connection, chain: str, before: str) -> tuple[int, str] | None:
    """Give the last entry and its link up to which every block of a chain is from before an id."""
    young = select(func.min(blocks.c.no)).where(blocks.c.chain == chain, blocks.c.id >= before).scalar_subquery()
    query = select(blocks.c.no, blocks.c.entries, blocks.c.link).where(blocks.c.chain == chain)
    query = query.where(blocks.c.no < func.coalesce(young, 2**31 - 1)).order_by(blocks.c.no.desc()).limit(1)
    row = conn.execute(query).first()
    return None if row is None else (row[0] + row[1] - 1, row[2])


def cut(conn: Connection, chain: str, *, cut: int, cut_link: str, digest: str) -> None:
    """Remove the oldest blocks of a chain; its row remembers how many, and where it goes on."""
    conn.execute(blocks.delete().where(blocks.c.chain == chain, blocks.c.no <= cut))
    conn.execute(update(chains).where(chains.c.id == chain).values(cut=cut, cut_link=cut_link, digest=digest))


def word(conn: Connection, name: str) -> str | None:
    found = conn.execute(select(meta.c.value).where(meta.c.name == f"audit:{name}")).scalar()
    return None if found is None else str(found)


def say(conn: Connection, name: str, value: str) -> None:
    """Keep one word."""
    changed = conn.execute(update(meta).where(meta.c.name == f"audit:{name}").values(value=value))
    if changed.rowcount == 0:
        conn.execute(meta.insert().values(name=f"audit:{name}", value=value))


def unlinked(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(blocks).where(text("chain IS NULL"))).scalar_one())
