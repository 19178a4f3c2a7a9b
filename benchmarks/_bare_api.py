"""The least that a door can be: no framework, and nothing done. `/slow` answers after a second, without asking anybody."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

_ANSWER = b'{"result":{"id":7,"customer":"ACME"}}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
_SLOW_S = 1.0


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(_SLOW_S)
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})
