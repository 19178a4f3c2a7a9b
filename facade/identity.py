"""Who sends a request, and how often it may: what it shows, brought to the door."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ..core.access import Caller
from ..core.door import Credentials
from ..core.errors import InputError
from ..core.limits import MINUTE_S, Standing
from .outgoing import Header, note

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from ..core.door import Door
    from ..core.limits import Limits

NOBODY = Caller("nobody", scopes=frozenset())
SESSION = "drawbar-session"
_SESSION = re.compile(r"[!-~]{1,100}")
_CALLER = "drawbar.caller"


async def caller_of(asked: HTTPConnection) -> Caller:
    """Give the caller of a request to the application, and count the request, once. InputError: unauthenticated, or rate."""
    known: Caller | None = asked.scope.get(_CALLER)
    if known is not None:
        return known
    state = asked.app.state
    caller = await let_in(state.drawbar.door, state.threads.work, asked)
    if caller.per_minute is not None:
        await counted(state.drawbar.limits, state.threads.work, caller, asked)
    asked.scope[_CALLER] = caller
    return caller


async def counted(limits: Limits, threads: anyio.CapacityLimiter, caller: Caller, asked: HTTPConnection) -> None:
    """Count a request of a caller that may make so many a minute, and let the answer say how it stands."""
    minute = limits.minute(caller)
    if minute is None:
        return
    try:
        standing = minute.spend()
        if standing is None:
            standing = await anyio.to_thread.run_sync(limits.counted, minute, limiter=threads)
    except InputError as error:
        note(asked.scope, rate_limit(Standing(minute.total, 0, error.retry_after_s or 0)))
        raise
    note(asked.scope, rate_limit(standing))


_LIMIT = (
    b'ratelimit-policy: "minute";q=%d;w=%d\r\nratelimit: "minute";r=%d;t=%d\r\n'
    b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n"
)


def rate_limit_spelled(standing: Standing) -> bytes:
    """Say it as draft-ietf-httpapi-ratelimit-headers does, and by the three fields of its earlier versions."""
    limit, left, reset_s = standing.limit, standing.left, math.ceil(standing.reset_s)
    return _LIMIT % (limit, MINUTE_S, left, reset_s, limit, left, reset_s)


def rate_limit(standing: Standing) -> list[Header]:
    """Say the same as headers that are yet to be sent."""
    lines = [line.partition(b": ") for line in rate_limit_spelled(standing).splitlines()]
    return [(name, value) for name, _, value in lines]


async def let_in(door: Door, threads: anyio.CapacityLimiter, asked: HTTPConnection) -> Caller:
    """Give the caller of a request or of a WebSocket. InputError: unauthenticated, or rate."""
    shown = _credentials(door, asked)
    caller = door.remembered(shown)
    if caller is None:
        caller = await anyio.to_thread.run_sync(door.admit, shown, limiter=threads)
    caller = caller if caller.max_steps is None else _in_session(caller, asked.headers.get(SESSION))
    said = asked.headers.getlist(door.tenant_header)
    if len(said) > 1:
        raise InputError(f"{door.tenant_header} is sent twice", field=door.tenant_header)
    return caller.of_tenant(said[0] if said else None, door.tenant_header)


def _in_session(caller: Caller, session: str | None) -> Caller:
    if session is None:
        return caller
    if _SESSION.fullmatch(session) is None:
        raise InputError("Drawbar-Session is 1 to 100 printable letters without spaces", field="Drawbar-Session")
    return replace(caller, session=session)


def _credentials(door: Door, asked: HTTPConnection) -> Credentials:
    subjects = asked.headers.getlist(door.header) if door.header else []
    peer = asked.client.host if asked.client else None
    return credentials_of(asked.headers.getlist("authorization"), subjects, peer)


def credentials_of(said: Sequence[str], subjects: Sequence[str], peer: str | None) -> Credentials:
    """Read what a request shows: the values of Authorization, those of the proxy's header, and where it comes from."""
    if len(said) > 1:
        raise InputError("Authorization is sent twice", reason="unauthenticated", field="Authorization")
    if len(subjects) > 1:  # as nobody's it would be somebody without credentials, who may be let in
        raise InputError(
            "the header of the certificate is sent twice",
            reason="unauthenticated",
            next="let the proxy remove it from what clients send",
        )
    scheme, _, bearer = (said[0] if said else "").partition(" ")
    if said and (scheme.lower() != "bearer" or not bearer.strip()):
        raise InputError(
            "Authorization is not Bearer",
            reason="unauthenticated",
            field="Authorization",
            next="send Authorization: Bearer KEY",
        )
    return Credentials(bearer=bearer.strip() or None, peer=peer, subject=_as_written(subjects[0]) if subjects else None)


def _as_written(subject: str) -> str:
    """Give a header's letters beyond ASCII as UTF-8 has them, where they are that."""
    try:
        return subject.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return subject
