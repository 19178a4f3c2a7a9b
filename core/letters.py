"""Dead letters, many at once: first what a verb would do to each of them, then one after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .access import Caller
from .desk import Desk, Verb
from .errors import DrawbarError, InputError
from .store import ledger, letters
from .store.journal import Journal
from .store.letters import Wanted

_MOST_S = 20.0
_CAME = {"input": "refused", "config": "refused", "rejected": "failed", "unavailable": "later", "unknown": "unknown"}


class Letters:
    """
    One verb for many letters, the oldest first.

    What was done is not wanted any more, or is refused: a page that is asked for again does nothing twice.
    """

    def __init__(self, desk: Desk, journal: Journal) -> None:
        self._desk = desk
        self._journal = journal

    def many(
        self,
        verb: Verb,
        wanted: Wanted,
        *,
        caller: Caller,
        dry_run: bool,
        every: bool = False,
        after: str | None = None,
        limit: int = 100,
        **said: Any,
    ) -> dict[str, Any]:
        """
        Do it to a page of them, or say what it would do. A refusal stops nothing: each says what came of it.

        `said` goes with the verb (`reason`; for settle `done` and `result`). Where not all fit into the page, or into its
        time, `next` is the `after` of the rest. Without a filter it must be said that all are meant (`every`).
        """
        caller.require("operate")
        if wanted.is_all and not every:
            raise InputError(
                "name which letters are meant, or say that all are", field="filter", next="all: true, or --all"
            )
        with self._journal.read() as conn:
            where = letters.conditions(conn, wanted)
            rows = ledger.dead(conn, where=where, oldest=True, after=after, limit=limit + 1)
        until = time.monotonic() + _MOST_S
        done: list[dict[str, Any]] = []
        for row in rows[:limit]:
            done.append(self._one(verb, row, caller, dry_run, said))
            if time.monotonic() > until:
                break
        following = done[-1]["id"] if done and len(done) < len(rows) else None
        return {"dry_run": dry_run, "items": done, "next": following}

    def _one(
        self, verb: Verb, row: Mapping[str, Any], caller: Caller, dry_run: bool, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        about = {name: row[name] for name in ("id", "tool", "state", "run_id", "key")}
        try:
            does = self._desk.would(verb, row, caller=caller, said=said)
            if not dry_run:
                getattr(self._desk, verb)(row["id"], caller=caller, **said)
        except DrawbarError as error:
            return {**about, "outcome": _CAME[error.kind], "said": error.message, "error": error.as_json()}
        return {**about, "outcome": "would" if dry_run else "done", "said": does, "error": None}
