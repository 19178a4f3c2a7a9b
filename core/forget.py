"""
Forgetting: what was said about somebody is erased everywhere, and that it was said stays.

An expression says what: it is asked of the arguments and results in the ledger, of the inputs and outputs of runs, and of what
the audit tells. The audit's chain holds digests alone, so it stays sound. What is still open is left, and named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .access import Caller
from .audit.audit import Audit
from .audit.chain import ERASED, entries_of, payloads_of, payloads_text
from .errors import ConfigError, DrawbarError, InputError
from .expressions import EvaluationError, Expression
from .expressions import compile as compiled
from .guard import Guard
from .store import audit as audits
from .store import forgetting as stored
from .store.journal import Connection, Journal
from .values import dump, load, moment, write_json

SEEN = ("arguments", "result", "input", "output", "tool", "caller", "run", "workflow")
Row = Mapping[str, Any]


@dataclass(slots=True)
class Matches:
    """What an expression fits."""

    entries: dict[str, str] = field(default_factory=dict)
    """Of the ledger, with their tools."""
    runs: dict[str, str] = field(default_factory=dict)
    """With their workflows."""
    told: dict[str, list[int]] = field(default_factory=dict)
    """Of the audit: which payloads of which blocks."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    """What is open and stays."""
    unread: int = 0
    """What could not be opened: it was sealed with another key."""

    def as_json(self, *, erased: bool) -> dict[str, Any]:
        return {
            "erased": erased,
            "ledger": len(self.entries),
            "runs": len(self.runs),
            "audit": sum(map(len, self.told.values())),
            "answers": len(self.answers),
            "left": self.left,
            "unread": self.unread,
            "entries": [{"id": entry, "tool": tool} for entry, tool in self.entries.items()],
            "run_ids": list(self.runs),
            "stays": "that it happened: ids, times, tools, callers, outcomes, digests, business keys, reasons",
        }


class Forgetting:
    def __init__(self, journal: Journal, guard: Guard, audit: Audit) -> None:
        self._journal = journal
        self._guard = guard
        self._audit = audit

    def find(self, expression: str) -> dict[str, Any]:
        """Say what would be erased, and erase nothing."""
        return self._matches(_expression(expression)).as_json(erased=False)

    def erase(self, expression: str, *, caller: Caller, reason: str | None = None) -> dict[str, Any]:
        """Erase it. Doing it again finds nothing."""
        caller.require("administer")
        self._audit.beat()
        found = self._matches(_expression(expression))
        now = time.time()
        mark = dump({"forgotten": moment(now)})
        for what, ids, erase in (("entry", found.entries, stored.erase_entry), ("run", found.runs, stored.erase_run)):
            for one in list(ids):
                if not self._journal.write(_unit(erase, one, mark, now)):
                    found.left.append({what: one, "why": "it is open by now"})
                    del ids[one]
        for answer in found.answers:
            self._journal.write(lambda conn, row=answer: stored.erase_answer(conn, row, write_json(load(mark))))  # type: ignore[misc]  # mypy cannot see through the default
        for block, numbers in found.told.items():
            self._journal.write(lambda conn, block=block, numbers=numbers: self._untell(conn, block, numbers))  # type: ignore[misc]
        said = found.as_json(erased=True)
        counts = {name: said[name] for name in ("ledger", "runs", "audit", "answers")}
        # The expression names whom it is about: it is not kept.
        self._audit.note("verb", caller.name, "forget", "done", payload={**counts, "reason": reason})
        self._audit.beat()
        return said

    def _matches(self, expression: Expression) -> Matches:
        found = Matches()
        with self._journal.read() as conn:
            for row in _walk(lambda after: stored.entries(conn, after)):
                if self._fits(expression, found, lambda row=row: self._entry(conn, row)):  # type: ignore[misc]
                    _take_entry(conn, found, row)
            for row in _walk(lambda after: stored.ran(conn, after)):
                if self._fits(expression, found, lambda row=row: self._run(conn, row)):  # type: ignore[misc]
                    _take_run(conn, found, row["id"])
            for run_id in list(found.runs):
                found.entries.update(dict.fromkeys(stored.of_run(conn, run_id), found.runs[run_id]))
            self._told(conn, expression, found)
            names = [*found.entries, *found.runs]
            found.answers = [row for row in stored.answers(conn) if any(one.encode() in row["body"] for one in names)]
        return found

    def _entry(self, conn: Connection, row: Row) -> dict[str, Any]:
        """Give what an expression sees of an entry."""
        about = {"tool": row["tool"], "caller": row["caller"], "run": row["run_id"]}
        arguments = self._guard.arguments_of(row["arguments"], conn)
        return {**about, "arguments": arguments, "result": self._guard.aside.load(conn, row["result"])}

    def _run(self, conn: Connection, row: Row) -> dict[str, Any]:
        given = self._guard.aside.load(conn, row["input"])
        if isinstance(given, dict) and given.keys() == {"sealed"} and self._guard.vault.sealed(str(given["sealed"])):
            given = self._guard.opened(given["sealed"])  # a call that waits for an approval
        about = {"run": row["id"], "workflow": row["workflow"], "input": given, "arguments": given}
        return {**about, "output": self._guard.aside.load(conn, row["output"])}

    def _told(self, conn: Connection, expression: Expression, found: Matches) -> None:
        after = ""
        while rows := audits.page(conn, before=after, since=None, limit=500, oldest=True):
            after = rows[-1]["id"]
            for row in rows:
                payloads = payloads_of(row)
                for number, entry in enumerate(entries_of(row)):
                    text = payloads[number]
                    is_about = entry["run"] in found.runs or entry["call"] in found.entries
                    if not text.startswith(ERASED) and (is_about or _tells(expression, entry, text)):
                        found.told.setdefault(row["id"], []).append(number)

    def _untell(self, conn: Connection, block: str, numbers: list[int]) -> None:
        stored.thoroughly(conn)
        row = audits.find(conn, block)
        if row is None:
            return
        payloads, entries = payloads_of(row), entries_of(row)
        for number in numbers:
            payloads[number] = self._audit.signer.erased(block, number, entries[number]["payload"])
        audits.erase(conn, block, payloads_text(payloads), len(numbers))

    def _fits(self, expression: Expression, found: Matches, env: Callable[[], dict[str, Any]]) -> bool:
        try:
            return _true(expression, env())
        except ConfigError:
            found.unread += 1
        except DrawbarError:  # what was kept aside is gone
            pass
        return False


def _expression(text: str) -> Expression:
    try:
        found = compiled(text)
    except ConfigError as error:
        raise InputError(f"the expression is wrong: {error.message}", field="expression", next=_EXAMPLE) from error
    strange = sorted({path[0] for path in found.paths} - {*SEEN})
    if strange or not found.paths:
        said = f"{strange[0]!r} is not seen here" if strange else "an expression without a name fits everything"
        raise InputError(f"{said}; seen are: {', '.join(SEEN)}", field="expression", next=_EXAMPLE)
    return found


_EXAMPLE = "drawbar forget \"arguments.customer.name == 'X'\""


def _true(expression: Expression, env: Mapping[str, Any]) -> bool:
    try:
        return expression(env) is True
    except EvaluationError:  # what it names is not there
        return False


def _tells(expression: Expression, entry: Row, text: str) -> bool:
    said = load(text)
    about = said if isinstance(said, dict) else {}
    env = {"tool": entry["what"], "caller": entry["who"], "run": entry["run"], "arguments": about.get("arguments")}
    return _true(expression, env)


def _open(row: Row) -> str | None:
    if row["state"] in {"intent", "unknown"}:
        return "its outcome is unknown: settle it first (drawbar dead)"
    if not row["dropped"] and (
        (row["dead"] and row["state"] != "done") or (row["state"] == "not_done" and not row["run_id"])
    ):
        return "somebody has still to send it or to drop it (drawbar dead)"
    return None


def _take_entry(conn: Connection, found: Matches, row: Row) -> None:
    if (why := _open(row)) is not None:
        found.left.append({"entry": row["id"], "tool": row["tool"], "why": why})
    else:
        found.entries[row["id"]] = row["tool"]
    if row["run_id"]:
        _take_run(conn, found, row["run_id"])


def _take_run(conn: Connection, found: Matches, run_id: str) -> None:
    """Take a run that is over, and those that it started."""
    row = stored.a_run(conn, run_id)
    if row is None or run_id in found.runs or any(one.get("run") == run_id for one in found.left):
        return
    if row["finished_at"] is None:
        found.left.append({"run": run_id, "why": "it has not ended: cancel it, or wait"})
        return
    found.runs[run_id] = row["workflow"]
    for child in stored.children(conn, run_id):
        _take_run(conn, found, child)


def _walk(page: Callable[[str], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    after = ""
    while rows := page(after):
        yield from rows
        after = rows[-1]["id"]


def _unit(erase: Callable[..., bool], one: str, mark: str, now: float) -> Callable[[Connection], bool]:
    def unit(conn: Connection) -> bool:
        stored.thoroughly(conn)
        return erase(conn, one, mark, now)

    return unit
