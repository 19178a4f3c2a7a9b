"""Which dead letters are meant: conditions on the ledger, for lists and for what is done to many."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from .effects import ledger
from .ledger import for_a_person
from .tables import runs


@dataclass(frozen=True, slots=True)
class Wanted:
    """Letters by what they have in common; nothing means all. `tool` is a glob, `since` and `until` epoch seconds."""

    tool: str | None = None
    state: str | None = None
    workflow: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None
    q: str | None = None
    ids: tuple[str, ...] | None = None

    @property
    def is_all(self) -> bool:
        return all(one is None for one in astuple(self))


EVERY = Wanted()


def conditions(conn: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    """Say it in SQL."""
    said: list[ColumnElement[bool]] = []
    if wanted.tool is not None:
        known = conn.execute(select(ledger.c.tool).where(for_a_person()).distinct()).scalars()
        said.append(ledger.c.tool.in_([tool for tool in known if fnmatchcase(tool, wanted.tool)]))
    if wanted.state is not None:
        said.append(ledger.c.state == wanted.state)
    if wanted.run is not None:
        said.append(ledger.c.run_id == wanted.run)
    if wanted.workflow is not None:
        said.append(ledger.c.run_id.in_(select(runs.c.id).where(runs.c.workflow == wanted.workflow)))
    if wanted.since is not None:
        said.append(ledger.c.intent_at >= wanted.since)
    if wanted.until is not None:
        said.append(ledger.c.intent_at < wanted.until)
    if wanted.ids is not None:
        said.append(ledger.c.id.in_(wanted.ids))
    return [*said, *(_holds(word) for word in (wanted.q or "").split())]


def _holds(word: str) -> ColumnElement[bool]:
    """Look where a person would: what is sealed cannot be searched."""
    texts: list[Any] = [ledger.c.id, ledger.c.tool, ledger.c.key, ledger.c.arguments, ledger.c.error]
    return or_(*(text.contains(word, autoescape=True) for text in texts))
