"""
The ledger: what was about to be done, and what came of it.

Functions on a connection, called inside a unit of the journal, so that an intent is one commit with the claim of its task and
an outcome one commit with what follows. States: `intent`, then `done`, `rejected`, `failed`, `unavailable` or `unknown`; an
unknown outcome (a dead letter) ends by `settle` alone, in `done` or `not_done`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, literal_column, or_, select, update

from ..errors import InputError
from ..values import dump, load
from .aside import Ready
from .effects import OPEN_CALLS, ledger
from .statement import Statement

HELD = ("intent", "done", "unknown")


@dataclass(slots=True)
class Intent:
    """What is about to be done. `id` is the same for every attempt; `expires_at` is when its caller has surely given up."""

    id: str
    tool: str
    effect: str
    caller: str
    hash: str
    arguments: Ready
    expires_at: float
    key: str | None = None
    key_s: float = 0
    says_key: bool = True
    """False where the key is made of what must not be seen."""
    run_id: str | None = None
    task: str | None = None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nobody did it: go on."""


@dataclass(frozen=True, slots=True)
class Same:
    """It was done under this key: here is the first answer."""

    result: Any
    entry: str


@dataclass(frozen=True, slots=True)
class Busy:
    """The first call under this key has no answer yet: `intent` (it runs) or `unknown` (a person settles it)."""

    entry: str
    state: str


Admission = Fresh | Same | Busy

_OF_KEY = (
    select(ledger)
    .where(ledger.c.tool == bindparam("of_tool"), ledger.c.key == bindparam("of_key"))
    .where(ledger.c.state.in_(HELD))
)
# The literal, so that the partial index serves.
_FAILED = and_(literal_column("ledger.dead = 1"), ledger.c.dropped == 0, ledger.c.state != "done")
_BY_ID = select(ledger).where(ledger.c.id == bindparam("of_id"))
_KNOWN = Statement("SELECT state, effect, attempts, result FROM ledger WHERE id = :id")
_DONE = Statement("SELECT args_hash, result FROM ledger WHERE id = :id AND state = 'done'")
_RECORD_TEXT = (
    'INSERT INTO ledger (id, tool, effect, caller, run_id, task, item, "key", args_hash, arguments, state, intent_at,'
    " expires_at) VALUES (:id, :tool, :effect, :caller, :run_id, :task, :item, :key, :args_hash, :arguments, :state,"
    " :intent_at, :expires_at)"
)
_RECORD = Statement(_RECORD_TEXT)
_INSERT = Statement(f"{_RECORD_TEXT} ON CONFLICT (id) DO NOTHING")
_CONCLUDE = Statement(
    "UPDATE ledger SET state = :state, outcome_at = :now, result = :result, error = :error, notes = :notes,"
    " probe_at = :probe_at WHERE id = :id AND state = 'intent'"
)


def admit(conn: Connection, intent: Intent, now: float) -> Admission:
    """
    Record an intent, unless its key was used before.

    Raises InputError (conflict) for other arguments under the same key. An intent of the same id that ended without effect is
    opened again.
    """
    if intent.key is not None and (before := _under_key(conn, intent, now)) is not None:
        return before
    row = _row(intent, now)
    if _INSERT(conn, **row).rowcount:
        intent.arguments.store(conn)
        return Fresh()
    state, effect, attempts, result = _KNOWN(conn, id=intent.id).fetchone()
    if state == "done":
        return Same(load(result), intent.id)
    if state == "unknown" or (state == "intent" and effect == "write"):
        return Busy(intent.id, state)
    mine = {name: value for name, value in row.items() if name not in {"run_id", "task", "item"} or value is not None}
    conn.execute(
        update(ledger)
        .where(ledger.c.id == intent.id)
        .values(
            **{
                **mine,  # a letter of a run stays its run's, whoever sends it again
                "attempts": attempts + 1,
                "outcome_at": None,
                "error": None,
                "probe_at": None,
                "dropped": 0,
            }
        )
    )
    intent.arguments.store(conn)
    return Fresh()


def record(conn: Connection, intent: Intent, now: float) -> None:
    """Record an intent that has a new id and no key: nothing can stand against it."""
    _RECORD(conn, **_row(intent, now))
    intent.arguments.store(conn)


def _row(intent: Intent, now: float) -> dict[str, Any]:
    return {
        "id": intent.id,
        "tool": intent.tool,
        "effect": intent.effect,
        "caller": intent.caller,
        "run_id": intent.run_id,
        "task": intent.task,
        "item": intent.item,
        "key": intent.key,
        "args_hash": intent.hash,
        "arguments": intent.arguments.text,
        "state": "intent",
        "intent_at": now,
        "expires_at": intent.expires_at,
    }


def done_as(conn: Connection, entry_id: str) -> tuple[str, Same] | None:
    """Give the hash of the arguments and the answer of an entry that is done; None for any other."""
    row = _DONE(conn, id=entry_id).fetchone()
    return None if row is None else (row[0], Same(load(row[1]), entry_id))


def _under_key(conn: Connection, intent: Intent, now: float) -> Admission | None:
    first = conn.execute(_OF_KEY, {"of_tool": intent.tool, "of_key": intent.key}).mappings().first()
    if first is None or first["id"] == intent.id:
        return None
    if first["state"] == "done" and first["intent_at"] < now - intent.key_s:
        conn.execute(update(ledger).where(ledger.c.id == first["id"]).values(key=None))
        return None
    if first["args_hash"] != intent.hash:
        of_call = str(intent.key).startswith("once:")
        raise InputError(
            "the Idempotency-Key was used for other arguments"
            if of_call
            else f"{f'the key {intent.key!r}' if intent.says_key else 'its key'} was used for other arguments",
            reason="invalid" if of_call else "conflict",
            field="Idempotency-Key" if of_call else None,
            tool=intent.tool,
            id=first["id"],
            next="use another key, or the first arguments",
        )
    if first["state"] == "done":
        return Same(load(first["result"]), first["id"])
    return Busy(first["id"], first["state"])


def conclude(
    conn: Connection,
    entry_id: str,
    *,
    state: str,
    now: float,
    result: Any = None,
    text: str | None = None,
    error: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
    probe_at: float | None = None,
) -> bool:
    """
    Record what came of an intent; `text` is the result as `dump` writes it, where that was done before.

    False when it is no longer open: then nothing is changed, and what came late is kept as evidence in the notes.
    """
    changed = _CONCLUDE(
        conn,
        id=entry_id,
        state=state,
        now=now,
        result=(text or dump(result)) if state == "done" else None,
        error=dump(dict(error)) if error else None,
        notes=dump(dict(notes)) if notes else None,
        probe_at=probe_at if state == "unknown" else None,
    )
    if changed.rowcount == 0:
        note(conn, entry_id, {"late": {"state": state, "result": result, "error": dict(error or {}), "at": now}})
        return False
    return True


def withdraw(conn: Connection, entry_id: str, *, intent_at: float, error: Mapping[str, Any], now: float) -> None:
    """End an intent of which nothing left; one of another moment stays, and so does one that was never kept."""
    mine = and_(ledger.c.id == entry_id, ledger.c.state == "intent", ledger.c.intent_at == intent_at)
    conn.execute(update(ledger).where(mine).values(state="unavailable", outcome_at=now, error=dump(dict(error))))


def note(conn: Connection, entry_id: str, said: Mapping[str, Any]) -> None:
    """Add evidence."""
    row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
    if row is not None:
        notes = {**(load(row["notes"]) or {}), **said}
        conn.execute(update(ledger).where(ledger.c.id == entry_id).values(notes=dump(notes)))


def take_probe(conn: Connection, entry_id: str, due_at: float, until: float) -> bool:
    """Let one process ask a probe that is due, and others not before `until`; False when another was faster."""
    mine = and_(ledger.c.id == entry_id, ledger.c.state == "unknown", ledger.c.probe_at == due_at)
    return conn.execute(update(ledger).where(mine).values(probe_at=until)).rowcount == 1


def probed(conn: Connection, entry_id: str, answer: Mapping[str, Any], next_at: float | None) -> None:
    """Keep what a probe answered, and when to look again (None: never, a person decides)."""
    row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
    if row is not None and row["state"] == "unknown":
        probes = [*(load(row["probes"]) or []), dict(answer)][-20:]
        conn.execute(update(ledger).where(ledger.c.id == entry_id).values(probes=dump(probes), probe_at=next_at))


def settle(
    conn: Connection, entry_id: str, *, done: bool, result: Any, by: str, reason: str | None, now: float
) -> None:
    """End an unknown outcome. Raises InputError when there is none of that id or it is settled already."""
    changed = conn.execute(
        update(ledger)
        .where(and_(ledger.c.id == entry_id, ledger.c.state == "unknown"))
        .values(
            state="done" if done else "not_done",
            result=dump(result) if done else None,
            probe_at=None,
            settled_by=by,
            reason=reason,
            outcome_at=now,
        )
    )
    if changed.rowcount == 0:
        row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
        if row is None:
            raise InputError(f"there is no dead letter {entry_id!r}", reason="not_found", next="see drawbar dead")
        require_unknown(row)


def require_unknown(row: Mapping[Any, Any]) -> None:
    """Refuse to settle what has an outcome."""
    if row["state"] != "unknown":
        raise InputError(f"{row['id']} is not open: it is {row['state']}", reason="conflict", id=row["id"])


def require_settled(row: Mapping[Any, Any]) -> None:
    """Refuse to drop what has no known outcome yet."""
    if row["state"] in {"intent", "unknown"}:
        raise InputError(
            f"{row['id']} has an unknown outcome: settle it first",
            reason="conflict",
            id=row["id"],
            next="drawbar dead settle ID --done or --not-done",
        )


def drop(conn: Connection, entry_id: str) -> None:
    """Take a settled entry off the dead letters' list; it stays in the ledger."""
    row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
    if row is None:
        raise InputError(f"there is no dead letter {entry_id!r}", reason="not_found", next="see drawbar dead")
    require_settled(row)
    conn.execute(update(ledger).where(ledger.c.id == entry_id).values(dropped=1))


def find(conn: Connection, entry_id: str) -> dict[str, Any]:
    """Give one entry with plain values. Raises InputError when there is none."""
    row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
    if row is None:
        raise InputError(f"there is no entry {entry_id!r} in the ledger", reason="not_found", next="see drawbar dead")
    return _plain(row)


def for_a_person() -> ColumnElement[bool]:
    """Say which entries a person must decide about."""
    unsent = and_(
        ledger.c.state == "unavailable", ledger.c.settled_by.is_not(None)
    )  # sent again, while nobody was there
    direct = and_(or_(ledger.c.state == "not_done", unsent), ledger.c.run_id.is_(None), ledger.c.dropped == 0)
    return or_(ledger.c.state == "unknown", direct, _FAILED)


def dead(
    conn: Connection,
    *,
    where: Iterable[ColumnElement[bool]] = (),
    oldest: bool = False,
    after: str | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """
    List unknown outcomes, newest first (or the oldest), and what is to be sent again or dropped.

    That is: direct calls that were settled as not done, and compensations that failed. Else what belongs to a run goes on
    with it as soon as it is settled.
    """
    query = select(ledger).where(for_a_person(), *where)
    if after is not None:
        query = query.where(ledger.c.id > after if oldest else ledger.c.id < after)
    order = ledger.c.id if oldest else ledger.c.id.desc()
    return [_plain(row) for row in conn.execute(query.order_by(order).limit(limit)).mappings()]


def bury(conn: Connection, entry_id: str) -> bool:
    """Make a compensation that failed for good a dead letter; False when nothing of it is in the ledger."""
    return conn.execute(update(ledger).where(ledger.c.id == entry_id).values(dead=1)).rowcount > 0


def bury_unsent(conn: Connection, intent: Intent, error: Mapping[str, Any], now: float) -> None:
    """Make a compensation a dead letter that failed before there was an intent."""
    _INSERT(
        conn,
        **{name: getattr(intent, name) for name in ("id", "tool", "effect", "caller", "run_id", "task", "item")},
        key=None,
        args_hash=intent.hash,
        arguments=intent.arguments.store(conn),
        state="failed",
        intent_at=now,
        expires_at=now,
    )
    mine = update(ledger).where(ledger.c.id == intent.id)
    conn.execute(mine.values(dead=1, attempts=0, outcome_at=now, error=dump(dict(error))))


def failed_compensations(conn: Connection, run_id: str) -> Sequence[str]:
    """Name compensations of a run that failed and that nobody sent again or dropped."""
    return list(conn.execute(select(ledger.c.id).where(ledger.c.run_id == run_id, _FAILED)).scalars())


def is_open(conn: Connection, entry_id: str) -> bool:
    """Tell whether an entry has no outcome yet; one that is not there has none to wait for."""
    row = conn.execute(_BY_ID, {"of_id": entry_id}).mappings().first()
    return row is not None and row["state"] in {"intent", "unknown"}


def due_probes(conn: Connection, now: float, limit: int = 20, *, not_of: Iterable[str] = ()) -> list[dict[str, Any]]:
    """List unknown outcomes whose probe is due; not those of some adapters, which others ask."""
    asked = [~ledger.c.tool.startswith(f"{adapter}.", autoescape=True) for adapter in not_of]
    query = select(ledger).where(ledger.c.state == "unknown", ledger.c.probe_at <= now, *asked)
    query = query.order_by(ledger.c.probe_at)
    return [_plain(row) for row in conn.execute(query.limit(limit)).mappings()]


def expired_calls(conn: Connection, now: float, limit: int = 100) -> list[dict[str, Any]]:
    """List intents of direct calls whose process has surely gone; those of runs are the engine's until they are letters."""
    query = select(ledger).where(literal_column(OPEN_CALLS), ledger.c.expires_at < now)
    return [_plain(row) for row in conn.execute(query.limit(limit)).mappings()]


_LOADED = ("result", "error", "notes", "probes")


def _plain(row: Any) -> dict[str, Any]:
    return {name: load(value) if name in _LOADED else value for name, value in row.items()}
