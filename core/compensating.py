"""
What a compensation sees of what it undoes, and what becomes of one that fails for good.

It is a task of its own otherwise, with its retries, its intent and its parking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .claim import Came, Claim
from .errors import ConfigError
from .guard import Guard
from .interpreter import WHOLE
from .store import ledger, runs, undoing
from .store.ids import new_id
from .store.journal import Connection
from .veils import split

Settle = Callable[[Connection], Came]


def seen(conn: Connection, guard: Guard, claim: Claim) -> dict[str, Any]:
    """Give `arguments`, what the task sent, and `result`, what came back; the ledger knows both better than the task."""
    assert claim.step.undoes is not None
    run_id, _, item = claim.place
    done = undoing.done(conn, run_id, claim.step.undoes, item)
    result = done.output if done.arguments is None else done.result
    claim.seen |= {("result", *split(path)) for path in guard.aside.hidden_in(conn, result)}
    if done.arguments is None:
        return {"arguments": {}, "result": guard.aside.load(conn, result)}
    claim.seen |= {("arguments", *split(path)) for path in guard.carried(done.arguments, conn)}
    return {"arguments": guard.arguments_of(done.arguments, conn), "result": guard.aside.load(conn, result)}


def lettered(guard: Guard, claim: Claim, settle: Settle) -> Settle:
    """Make a dead letter of a compensation that fails for good: a person sends it again or drops it."""

    def settled(conn: Connection) -> Came:
        came = settle(conn)
        row = runs.current(conn, *claim.place)
        if came.state != "failed" or row is None or row[:2] != ("running", claim.fence):
            return came
        entry = row[2]
        if entry is None or not ledger.bury(conn, entry):
            entry = new_id()
            ledger.bury_unsent(conn, _unsent(guard, claim, entry), came.error or {}, guard.journal.now())
            undoing.keep_entry(conn, claim.place, entry)
        return replace(came, entry=entry)

    return settled


def _unsent(guard: Guard, claim: Claim, entry: str) -> ledger.Intent:
    """Write what would have been sent; it was never prepared, which an empty hash says."""
    assert claim.step.task.tool is not None
    hidden = guard.landscape.hidden(claim.step.task.tool) if claim.arguments else ()
    try:
        kept = guard.to_keep(claim.arguments, hidden, entry, carried=claim.carried)
    except ConfigError:  # without a state_key it can be neither sealed nor kept
        kept = guard.to_keep(None, (), entry)
    return ledger.Intent(
        id=entry,
        tool=claim.step.task.tool,
        effect="write",
        caller=claim.known.caller.name,
        hash="",
        arguments=kept,
        expires_at=guard.journal.now(),
        run_id=claim.run_id,
        task=claim.task,
        item=None if claim.item == WHOLE else claim.item,
    )
