"""
Where a thread is: in which request, in which run, and in which trace.

The core knows no tracing library: `Spans` is what it asks of one. Without one nothing is loaded and a call costs one look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

REQUEST: ContextVar[str | None] = ContextVar("drawbar_request", default=None)
"""The id of the request that is answered."""
RUN: ContextVar[str | None] = ContextVar("drawbar_run", default=None)
"""The run that is worked on."""
PARENT: ContextVar[str | None] = ContextVar("drawbar_parent", default=None)
"""The trace that what happens here belongs to, as W3C's traceparent: of a request, of a message, of a run."""
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
About = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Carried:
    """What a call takes along to its system, and where beside the protocol's own headers."""

    traceparent: str
    soap_header: bool = False
    sql_comment: bool = False


CARRIED: ContextVar[Carried | None] = ContextVar("drawbar_carried", default=None)


class Span(Protocol):
    """One call as tracing sees it."""

    carried: Carried

    def end(self, outcome: str, about: About) -> None:
        """Say what came of it; anything but `done` is an error."""


class Spans(Protocol):
    """A tracing library."""

    def call(self, name: str, parent: str | None, about: About) -> AbstractContextManager[Span]:
        """Begin the span of a tool call; it ends with the `with`."""

    def mark(self, name: str, parent: str | None, about: About) -> str:
        """Record that something began and give its traceparent, which everything that follows belongs to."""

    def close(self) -> None: ...


def traceparent_of(said: object) -> str | None:
    """Give a traceparent that somebody else sent, None for what is none."""
    text = said.decode("latin-1") if isinstance(said, bytes) else said
    return text if isinstance(text, str) and _FORM.match(text) else None


def where(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add to a log event where its thread is: a structlog processor."""
    carried = CARRIED.get()
    trace = carried.traceparent if carried is not None else PARENT.get()
    for name, value in (
        ("request_id", REQUEST.get()),
        ("run_id", RUN.get()),
        ("trace_id", trace[3:35] if trace else None),
    ):
        if value is not None:
            event.setdefault(name, value)
    return event


def in_trace(parent: str | None, act: Callable[[], Any]) -> Any:
    """Do something as a part of a trace."""
    if parent is None:
        return act()
    token = PARENT.set(parent)
    try:
        return act()
    finally:
        PARENT.reset(token)
