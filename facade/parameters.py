"""Parameters that many routes share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query

from ..core.errors import InputError

_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

Id = Annotated[str, Path(max_length=200, pattern=_PRINTABLE)]
RunId = Annotated[str, Path(max_length=200, pattern=_PRINTABLE)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows of a page.")]
After = Annotated[
    str | None,
    Query(
        max_length=500,
        pattern=_PRINTABLE,
        description="`next` of the page before: a name, whether or not it is still there.",
    ),
]


def _after(form: str, said: str) -> Any:
    return Query(max_length=500, pattern=form, description=f"`next` of the page before: {said}, and no other text.")


AfterId = Annotated[str | None, _after("^[0-9a-z]{26}$", "an id")]
AfterName = Annotated[str | None, _after("^[A-Za-z][A-Za-z0-9_@-]*$", "a name")]
AfterTool = Annotated[str | None, _after(r"^[A-Za-z][A-Za-z0-9_@-]*\.[^\x00-\x1f\x7f]+$", "a tool's name")]
AfterEntry = Annotated[str | None, _after("^(yaml|rest):[A-Za-z0-9][A-Za-z0-9_-]*$", "where it comes from, and its id")]
AfterAudited = Annotated[str | None, _after(r"^[0-9a-z]{26}\.[0-9]{1,9}$", "an entry's id")]
Word = Annotated[str | None, Query(max_length=200, pattern=_PRINTABLE)]
WaitS = Annotated[float, Query(ge=0, le=60, description="Wait so many seconds for the end.")]


def seconds(name: str, at: datetime | None) -> float | None:
    """Give a moment of a request in epoch seconds; InputError for one without its zone."""
    if at is not None and at.tzinfo is None:
        raise InputError(f"{name} needs a time zone", field=name, next="write 2026-11-22T02:00:00Z")
    return None if at is None else at.timestamp()
