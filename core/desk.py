"""What a person decides: approvals, and writes whose outcome nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from .access import Caller
from .errors import ConfigError, DrawbarError, InputError
from .guard import Answer, Guard
from .landscape import Bound
from .masking import MASK, masked
from .prepared import Prepared
from .store import approvals, events, ledger, letters
from .store.journal import Journal
from .values import ClaimCheck, load, moment

Verb = Literal["send", "drop", "settle"]


class Runs(Protocol):
    """The engine, as far as a decision makes a run go on."""

    def settled(self, entry_id: str) -> None: ...

    def answered(self, approval_id: str) -> None: ...


class Desk:
    def __init__(self, journal: Journal, guard: Guard, runs: Runs) -> None:
        self._journal = journal
        self._guard = guard
        self._runs = runs

    def approvals(
        self,
        *,
        state: str | None = "waiting",
        run_id: str | None = None,
        by: Caller | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """List questions, oldest first; `state` None gives the answered ones too, `by` those that this caller may answer."""
        with self._journal.read() as conn:
            rows = approvals.page(conn, state=state, run_id=run_id, by=by, after=after, limit=limit)
        return [self._approval(row) for row in rows]

    def approval(self, approval_id: str) -> dict[str, Any]:
        with self._journal.read() as conn:
            return self._approval(approvals.find(conn, approval_id))

    def answer(self, approval_id: str, *, approved: bool, caller: Caller, reason: str | None = None) -> dict[str, Any]:
        """Approve or reject. Never by the one that asked; an answer is final."""
        caller.require("approve")
        now = self._journal.now()

        def unit(conn: Any) -> dict[str, Any]:
            row = approvals.answer(
                conn,
                approval_id,
                approved=approved,
                caller=caller,
                reason=reason,
                now=now,
            )
            said = {"approval": approval_id, "by": caller.name, "reason": reason}
            events.add(conn, f"approval.{row['state']}", run_id=row["run_id"], task=row["task"], body=said)
            return row

        row = self._journal.write(unit)
        self._runs.answered(approval_id)
        return self._approval(row)

    def _approval(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": row["id"],
            "state": row["state"],
            "description": row["description"],
            "tool": row["tool"],
            "arguments": self._shown(row["tool"], row["arguments"]),
            "asked_by": row["asked_by"],
            "by": row["by"],
            "asked_at": moment(row["asked_at"]),
            "expires_at": moment(row["expires_at"]),
            "answered_by": row["answered_by"],
            "answered_at": moment(row["answered_at"]),
            "reason": row["reason"],
            "run_id": row["run_id"],
            "task": row["task"],
        }

    def _shown(self, tool: str | None, kept: str | None) -> Any:
        """Show kept arguments without what must not be seen; all of them are hidden where nobody can say what that is."""
        if tool is None or kept is None:
            return None if kept is None else load(kept)
        try:
            arguments = self._guard.opened(kept)
        except ConfigError:  # state_key is not the one that it was sealed with: the rest can be read all the same
            return MASK
        if isinstance(arguments, ClaimCheck):
            with self._journal.read() as conn:
                return self._guard.aside.shown(conn, arguments)
        hidden = self._guard.landscape.hidden(tool)
        if self._guard.vault.sealed(kept) and not hidden:
            return masked(arguments, list(arguments))
        return masked(arguments, hidden)

    def dead_letters(
        self, wanted: letters.Wanted = letters.EVERY, *, after: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List what was parked for a person, newest first."""
        with self._journal.read() as conn:
            rows = ledger.dead(conn, where=letters.conditions(conn, wanted), after=after, limit=limit)
        return [self._letter(row) for row in rows]

    def dead_letter(self, entry_id: str) -> dict[str, Any]:
        """Show all that is known: what was sent, when and where to, what came back, what probes said, what each verb does."""
        with self._journal.read() as conn:
            row = ledger.find(conn, entry_id)
        return {**self._letter(row), **self._evidence(row)}

    def settle(
        self, entry_id: str, *, done: bool, caller: Caller, result: Any = None, reason: str | None = None
    ) -> dict[str, Any]:
        """
        End an unknown outcome with what a person found out.

        `done` needs the answer where the tool's output schema does; its run goes on with it. Not done frees the write.
        """
        caller.require("operate")
        with self._journal.read() as conn:
            row = ledger.find(conn, entry_id)
        if done:
            self._look_at_result(row, result)
        now = self._journal.now()

        kept = self._guard.settled(row, result)

        def unit(conn: Any) -> None:
            kept.store(conn)
            ledger.settle(conn, entry_id, done=done, result=kept.value, by=caller.name, reason=reason, now=now)
            said = {"entry": entry_id, "by": caller.name, "done": done, "reason": reason}
            events.add(conn, "dead.settled", run_id=row["run_id"], task=row["task"], body=said)

        self._journal.write(unit)
        self._runs.settled(entry_id)
        return self.dead_letter(entry_id)

    def send(self, entry_id: str, *, caller: Caller, reason: str | None = None) -> Answer:
        """Send a direct call again that was settled as not done, or a compensation that failed; it keeps its id."""
        caller.require("operate")
        with self._journal.read() as conn:
            row = ledger.find(conn, entry_id)
        self._guard.queues.require(self._guard.queues.of_tool(row["tool"]), row["tool"])
        prepared = self._to_send(row, caller)
        said = {"entry": entry_id, "by": caller.name, "reason": reason}
        self._journal.write(lambda conn: events.add(conn, "dead.sent", body=said))
        answer = self._guard.call(prepared, call_id=entry_id)
        if row["run_id"]:
            self._runs.settled(entry_id)
        return answer

    def would(self, verb: Verb, row: Mapping[str, Any], *, caller: Caller, said: Mapping[str, Any]) -> str:
        """Say what a verb would do to a letter, and do nothing. Raises what the verb would raise."""
        if verb == "send":
            prepared = self._to_send(row, caller)
            prepared.tool.share.look(prepared.tool.timeout_s)
        elif verb == "drop":
            ledger.require_settled(row)
        else:
            ledger.require_unknown(row)
            if said["done"]:
                self._look_at_result(row, said.get("result"))
            verb_ = "settle --done" if said["done"] else "settle --not-done"
            return _verbs(row)[verb_]
        return _verbs(row)[verb]

    def _look_at_result(self, row: Mapping[str, Any], result: Any) -> None:
        bound = self._bound(row["tool"])
        if bound is not None and (deviation := bound.answer.deviation(result)) is not None:
            raise InputError(
                f"the result does not fit the output of {bound.name}: {deviation}",
                field="result",
                tool=bound.name,
                next=f"see drawbar describe {bound.name}",
            )

    def _to_send(self, row: Mapping[str, Any], caller: Caller) -> Prepared:
        """Prepare what is sent again; InputError for what is not to be."""
        if not _is_failed(row) and not _is_undone(row):
            todo = f"drawbar dead settle {row['id']} --done or --not-done"
            raise InputError(
                f"{row['id']} is {row['state']}: only what was settled as not done is sent again",
                reason="conflict",
                id=row["id"],
                next=todo if row["state"] == "unknown" else None,
            )
        if row["run_id"] and not _is_failed(row):
            raise InputError(
                f"{row['id']} belongs to run {row['run_id']}, which sends it itself", reason="conflict", id=row["id"]
            )
        return self._guard.again(row, caller)

    def drop(
        self,
        entry_id: str,
        *,
        caller: Caller,
        reason: str | None = None,
        agree: Callable[[Any], None] | None = None,
    ) -> None:
        """
        Take a settled letter off the list; refused while its outcome is unknown.

        `agree` looks at the letter, and raises when that is not what the caller has seen.
        """
        caller.require("operate")
        if agree is not None:
            agree(self.dead_letter(entry_id))

        def unit(conn: Any) -> None:
            ledger.drop(conn, entry_id)
            events.add(conn, "dead.dropped", body={"entry": entry_id, "by": caller.name, "reason": reason})

        self._journal.write(unit)

    def _bound(self, tool: str) -> Bound | None:
        """Find the tool, or nothing when its system is away or gone: a letter can be read all the same."""
        try:
            return self._guard.landscape.tool(tool)
        except DrawbarError:
            return None

    def _letter(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": row["id"],
            "state": row["state"],
            "tool": row["tool"],
            "caller": row["caller"],
            "run_id": row["run_id"],
            "task": row["task"],
            "key": self._guard.key_shown(row),
            "since": moment(row["intent_at"]),
            "error": (row["error"] or {}).get("message"),
        }

    def _evidence(self, row: Mapping[str, Any]) -> dict[str, Any]:
        bound = self._bound(row["tool"])
        hidden = self._guard.landscape.hidden(row["tool"])
        notes = dict(row["notes"] or {})
        owner = self._guard.landscape.config(bound.adapter).owner if bound else None
        return {
            "effect": row["effect"],
            "arguments": self._shown(row["tool"], row["arguments"]),
            "left_at": moment(notes.pop("left_at", None)),
            "attempts": row["attempts"],
            "came_back": row["error"],
            "result": masked(row["result"], hidden),
            "notes": notes,
            "probes": [{**probe, "at": moment(probe.get("at"))} for probe in row["probes"] or []],
            "next_probe_at": moment(row["probe_at"]),
            "owner": owner,
            "settled_by": row["settled_by"],
            "reason": row["reason"],
            "verbs": _verbs(row),
        }


def _is_failed(row: Mapping[str, Any]) -> bool:
    """Tell whether it is a compensation that failed."""
    return bool(row["dead"]) and not row["dropped"] and row["state"] not in {"intent", "unknown", "done"}


def _is_undone(row: Mapping[str, Any]) -> bool:
    """Tell whether it was settled as not done, and nothing came of sending it again."""
    return row["state"] == "not_done" or (row["state"] == "unavailable" and row["settled_by"] is not None)


def _verbs(row: Mapping[str, Any]) -> dict[str, str]:
    """Say what each verb would do to this letter."""
    if row["state"] == "unknown":
        goes_on = "and its run goes on with that result" if row["run_id"] else "and its caller gets that result"
        again = "the run sends it again" if row["run_id"] else "it may be sent again"
        return {
            "settle --done": f"records that it happened over there, {goes_on}",
            "settle --not-done": f"records that nothing happened; {again}",
            "send": "refused until it is settled",
            "drop": "refused until it is settled",
        }
    if _is_failed(row):
        return {"send": "sends it again under the same id", "drop": "takes it off this list; what was done stays done"}
    if _is_undone(row) and not row["run_id"]:
        return {"send": "sends it again under the same id", "drop": "takes it off this list; nothing is sent"}
    return {}
