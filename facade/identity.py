"""Who sends a request: what it shows, brought to the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..core.access import Caller
from ..core.door import Credentials
from ..core.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from ..core.door import Door

NOBODY = Caller("nobody", scopes=frozenset())


async def let_in(door: Door, threads: anyio.CapacityLimiter, asked: HTTPConnection) -> Caller:
    """Give the caller of a request or of a WebSocket. InputError: unauthenticated, or rate."""
    shown = _credentials(door, asked)
    caller = door.remembered(shown)
    if caller is not None:
        return caller
    return await anyio.to_thread.run_sync(door.admit, shown, limiter=threads)


def _credentials(door: Door, asked: HTTPConnection) -> Credentials:
    said = asked.headers.getlist("authorization")
    if len(said) > 1:
        raise InputError("Authorization is sent twice", reason="unauthenticated", field="Authorization")
    scheme, _, bearer = (said[0] if said else "").partition(" ")
    if said and (scheme.lower() != "bearer" or not bearer.strip()):
        raise InputError(
            "Authorization is not Bearer",
            reason="unauthenticated",
            field="Authorization",
            next="send Authorization: Bearer KEY",
        )
    subjects = asked.headers.getlist(door.header) if door.header else []
    return Credentials(
        bearer=bearer.strip() or None,
        peer=asked.client.host if asked.client else None,
        subject=subjects[0] if len(subjects) == 1 else None,
    )
