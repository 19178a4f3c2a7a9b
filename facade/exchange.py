"""One request and its answer: who calls, what was sent, and the work on threads of our own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request, Response
from pydantic import BaseModel, ValidationError

from ..core.access import Caller
from ..core.errors import InputError
from ..core.register import refused
from ..core.store.expected import Expected
from ..core.values import parse_json, write_json
from .identity import NOBODY, caller_of
from .outgoing import JSON
from .threads import Threads

if TYPE_CHECKING:
    from ..app import App

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_ETAG = re.compile(r'(?:W/)?"([^"]*)"')
_ETAGS = re.compile(rf"{_ETAG.pattern}(?:[ \t]*,[ \t]*{_ETAG.pattern})*")
_VERSION = re.compile(r"([0-9]{1,9})(?:-[0-9a-f]+)?\Z")
_NEVER = 2**31 - 1
"""A version that nobody can have: what is there has changed since."""
Agree = Callable[[Any], None]


class UnsupportedMediaType(InputError):
    """The body is not said to be JSON."""

    def __init__(self, given: str) -> None:
        super().__init__(f"the body is {given or 'of no type'}", next="send it as Content-Type: application/json")
        self.status = 415  # type: ignore[misc]  # the core has no word for it: only HTTP has media types


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a route works with."""

    app: App
    request: Request
    threads: Threads
    caller: Caller

    async def do(self, work: Callable[..., T], *args: Any, **named: Any) -> T:
        """Do blocking work on a thread."""
        return await self.on(self.threads.work, work, *args, **named)

    async def on(self, limiter: anyio.CapacityLimiter, work: Callable[..., T], *args: Any, **named: Any) -> T:
        return await anyio.to_thread.run_sync(lambda: work(*args, **named), limiter=limiter)

    async def wait(self, work: Callable[..., T], *args: Any) -> T | None:
        """Wait on a thread for those who wait; None when too many do, and then nobody waits."""
        if self.threads.waiting.available_tokens < 1:
            return None
        return await self.on(self.threads.waiting, work, *args)

    async def json(self) -> Any:
        """Give the body; None when there is none."""
        text = await self.request.body()
        if not text:
            return None
        media_type = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not JSON.match(media_type):
            raise UnsupportedMediaType(media_type)
        return parse_json(text) if len(text) < 65536 else await self.do(parse_json, text)

    async def body(self, model: type[M]) -> M:
        """Give the body as a checked model; no body is an empty object."""
        return checked(model, await self.mapping())

    async def mapping(self) -> dict[str, Any]:
        given = await self.json()
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise InputError("the body must be a JSON object", next="send {...}")
        return given

    def expected(self) -> Expected:
        """Give the version that If-Match names, or each of several; None when any will do or nothing is said."""
        seen = self._seen()
        if seen is None:
            return None
        found = frozenset(int(is_one[1]) if (is_one := _VERSION.match(tag)) else _NEVER for tag in seen)
        return next(iter(found)) if len(found) == 1 else found

    def _seen(self) -> frozenset[str] | None:
        """Give what stands in the ETags of If-Match; one of a compressed answer, which is weak, is as good."""
        said = ", ".join(self.request.headers.getlist("if-match")).strip()
        if not said or said == "*":
            return None
        if _ETAGS.fullmatch(said) is None:
            raise InputError(
                "If-Match is no ETag, nor several",
                field="If-Match",
                next='send the ETag that you have seen, as it was given: "3"',
            )
        return frozenset(_ETAG.findall(said))

    def agreed(self) -> Agree | None:
        """Give what refuses to change a thing without a version when it is not what If-Match names; None: nothing is named."""
        seen = self._seen()
        if seen is None:
            return None

        def agree(thing: Any) -> None:
            if seen.isdisjoint(_tag(write_json(_scrubbed(thing), exact=exact)) for exact in (False, True)):
                raise InputError(
                    "it was changed by somebody else",
                    reason="stale",
                    field="If-Match",
                    next="read it again and repeat the change",
                )

        return agree

    def required(self) -> Expected:
        """Give If-Match's version where the route must know what the caller has seen; 0 says that nothing may be there."""
        if self.request.headers.get("if-none-match", "").strip() == "*":
            return 0
        if not self.request.headers.get("if-match"):
            raise InputError(
                "this change needs If-Match",
                reason="condition_required",
                field="If-Match",
                next="read it first and send its ETag, or send If-None-Match: * to create it",
            )
        return self.expected()

    def answer(
        self,
        value: Any,
        status: int = 200,
        *,
        etag: int | None = None,
        tagged: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """
        Answer in the outward form; `Prefer: numbers=exact` writes numbers as they are.

        `etag` is the version of what is shown; `tagged` takes what is said of it into the ETag, where more changes than versions.
        """
        exact = "numbers=exact" in self.request.headers.get("prefer", "").replace(" ", "")
        said = {**(headers or {}), **({"Preference-Applied": "numbers=exact"} if exact else {})}
        if etag is None and not tagged:
            return Response(write_json(_scrubbed(value), exact=exact), status, said, "application/json")
        body = write_json(_scrubbed(value), exact=exact)
        parts = [*([str(etag)] if etag is not None else ()), *([_tag(body)] if tagged else ())]
        said["ETag"] = f'"{"-".join(parts)}"'
        seen = self.request.headers.get("if-none-match", "") if self.request.method == "GET" else ""
        if said["ETag"] in seen or seen.strip() == "*":
            return Response(None, 304, said)
        return Response(body, status, said, "application/json")

    def page(self, items: Sequence[Any], limit: int, cursor: Callable[[Any], Any]) -> Response:
        """Answer a page of a list that was asked for one row more than fits."""
        shown = items[:limit]
        following = str(cursor(shown[-1])) if len(items) > limit else None
        return self.answer({"items": [as_json(item) for item in shown], "next": following})

    def location(self, path: str) -> dict[str, str]:
        return {"Location": f"{self.request.scope.get('root_path', '')}{path}"}


async def exchange(request: Request) -> Exchange:
    """Make the exchange of a request; what is no parameter of the route is refused, since a typo changes a question."""
    state = request.app.state
    caller = await caller_of(request)
    _no_strange_parameters(request)
    return Exchange(state.drawbar, request, state.threads, caller)


async def exchange_with_anybody(request: Request) -> Exchange:
    """Make the exchange of a request that needs no credentials: whoever sends it may do nothing that asks for a scope."""
    state = request.app.state
    _no_strange_parameters(request)
    return Exchange(state.drawbar, request, state.threads, NOBODY)


Asked = Annotated[Exchange, Depends(exchange)]
AskedByAnybody = Annotated[Exchange, Depends(exchange_with_anybody)]


def checked(model: type[M], given: Any) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise refused(error) from error


def _tag(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def as_json(item: Any) -> Any:
    return item.as_json() if hasattr(item, "as_json") else item


def _no_strange_parameters(request: Request) -> None:
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            raise InputError(
                f"there is no parameter {name!r} here",
                field=name,
                next=f"known: {', '.join(sorted(known))}" if known else "leave it out",
            )


def _scrubbed(value: Any) -> Any:
    from ..config.secrets import scrub_values

    return scrub_values(value)
