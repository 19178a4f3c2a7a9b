"""What a route says whose end is decided: Deprecation (RFC 9745), Sunset (RFC 8594), and where to go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import Request

from .outgoing import Header, note


@dataclass(frozen=True)
class Deprecated:
    """
    A dependency of a route that goes away: `says(..., deprecated=Deprecated(since, sunset, successor, why))`.

    `since` is when it is, or will be, deprecated, `sunset` when it stops to answer; both know their zone. `successor` is what
    takes its place, `why` a page about it.
    """

    since: datetime
    sunset: datetime | None = None
    successor: str | None = None
    why: str | None = None

    def __post_init__(self) -> None:
        if any(one is not None and one.tzinfo is None for one in (self.since, self.sunset)):
            raise ValueError("a moment without a zone")
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("it cannot end before it is deprecated (RFC 9745, 4)")
        object.__setattr__(self, "_headers", tuple(self._written()))

    def _written(self) -> list[Header]:
        links = {"successor-version": self.successor, "deprecation": self.why}
        said = [("deprecation", f"@{int(self.since.timestamp())}")]
        if self.sunset is not None:
            said.append(("sunset", format_datetime(self.sunset.astimezone(UTC), usegmt=True)))
        said += [("link", f'<{to}>; rel="{rel}"') for rel, to in links.items() if to is not None]
        return [(name.encode(), value.encode("ascii")) for name, value in said]

    async def __call__(self, request: Request) -> None:
        note(request.scope, self._headers)  # type: ignore[attr-defined]  # written when it was made: it is the same for every answer
