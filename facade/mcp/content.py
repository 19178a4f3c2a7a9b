"""Answers as clients read them: bounded, in JSON twice as the protocol asks, but written once; errors that a model can act on."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from ...config.secrets import scrub, scrub_values
from ...core.aside import Aside
from ...core.cutting import first_of, fitting, units_of
from ...core.errors import DrawbarError, InputError, OutcomeUnknown, Recovery
from ...core.shown import CODE, Json, files_of
from ...core.store.ids import new_id
from ...core.tenants import OF
from ...core.values import ClaimCheck, moment, to_json, write_json
from .resources import link_to, owner_of

if TYPE_CHECKING:
    from ...app import App
    from ...core.access import Caller

_AROUND_BYTES = 256
_INLINE_BYTES = 1_048_576
_PREVIEW = f"call drawbar_preview with the same arguments, look at what it shows, and send its code as {CODE}"
_NEXT: Mapping[Recovery, str] = {
    "stop": "the same call again would end the same way: change what it says, or tell who asked you",
    "retry": "nothing was done: call it again later",
    "reconcile": "do not call it again",
}
"""What to do next, where who found the error knew nothing better."""


class Results:
    """Writes results; one that is too long is cut after a row, and the whole of it kept for its caller."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._aside = Aside(app.guard.vault, over_bytes=0)
        self._most = app.config.mcp.max_result_bytes
        self._room = self._most - _AROUND_BYTES

    def short(self, result: Any, text: bytes | None) -> Json | None:
        """Write what a tool gave, where nothing of it has to be kept; None where something might. See `Answer.text`."""
        if _has_files(result):
            return None
        text = text or write_json(result)
        return done(b'"result":' + text) if len(text) <= self._most else None

    def of_call(self, result: Any, caller: Caller, tool: str) -> Json:
        """Write what a tool gave."""
        blocks: list[Json] = []
        if _has_files(result):
            result, blocks = self._without_files(result, caller, tool)
        text = write_json(result)
        if len(text) <= self._most:
            return done(b'"result":' + text, blocks)
        return self._cut(text, caller, tool, blocks)

    def more(self, following: str, caller: Caller) -> Json:
        """Go on in a result that was cut."""
        claim, _, place = following.partition("/")
        field, _, start = place.rpartition(":")
        if not claim.startswith(owner_of(caller)) or not (start.isascii() and start.isdecimal()) or len(start) > 12:
            raise _nothing()
        known, units = units_of(self._app.claims.value(claim), self._room)
        if field != (known or "") or int(start) >= len(units):
            raise _nothing()
        end = int(start) + fitting(units[int(start) :], self._room)
        said = b'"result":' + orjson.dumps(units[int(start) : end])
        return done(said if end >= len(units) else said + _going_on(f"{claim}/{field}:{end}"))

    def _cut(self, text: bytes, caller: Caller, tool: str, blocks: list[Json]) -> Json:
        result = orjson.loads(text)
        kept = self._kept(result, caller, self._app.landscape.hidden(tool))
        cut, field, shown = first_of(result, self._room)
        said = b'"result":' + orjson.dumps(cut) + _going_on(f"{kept.id}/{field or ''}:{shown}")
        return done(said, [*blocks, link_to(kept.id, kept.bytes)])

    def _kept(self, value: Any, caller: Caller, hidden: Sequence[str] = ()) -> ClaimCheck:
        kept = self._aside.keep(value, f"{owner_of(caller)}{new_id()}", of_run=False, hidden=hidden)
        self._app.journal.write(kept.store)
        assert isinstance(kept.value, ClaimCheck)
        return kept.value

    def _without_files(self, result: Any, caller: Caller, tool: str) -> tuple[Any, list[Json]]:
        """Take the files out of a result, where its schema says what they are: a text of base64 tells a model nothing."""
        blocks: list[Json] = []
        known = self._app.landscape.known(tool)
        for field, content_type in files_of(known.tool.output_schema).items() if known else ():
            body = result if field is None else result.get(field) if isinstance(result, dict) else None
            if not isinstance(body, bytes):
                continue
            if len(body) <= _INLINE_BYTES:
                blocks.append(_block(content_type, body))
            else:
                blocks.append(link_to(self._kept(body, caller).id, len(body), content_type))
            said = {"content_type": content_type, "bytes": len(body)}
            result = said if field is None else {**result, field: said}
        return result, blocks


def _nothing() -> InputError:
    said = "there is nothing of yours by this `next`"
    return InputError(
        said, reason="not_found", field="next", next="send it as the answer said it, or call the tool again"
    )


def _has_files(result: Any) -> bool:
    return type(result) is bytes or (type(result) is dict and bytes in map(type, result.values()))


def done(said: bytes, blocks: Sequence[Json] = ()) -> Json:
    """Write the answer of a call that was made; `said` is the inside of a JSON object."""
    return answered(b'{"status":"done","as_of":"' + _as_of(int(time.time() * 1000)) + b'",' + said + b"}", blocks)


@lru_cache(maxsize=4)
def _as_of(ms: int) -> bytes:
    return (moment(ms / 1000) or "").encode()


def told(answer: Mapping[str, Any]) -> Json:
    """Write any other answer."""
    return answered(write_json(answer))


def answered(text: bytes, blocks: Sequence[Json] = ()) -> Json:
    text, plain = _scrubbed(text)
    return {"content": [{"type": "text", "text": plain}, *blocks], "structuredContent": orjson.Fragment(text)}


def failed(error: DrawbarError, named: Callable[[str], str]) -> Json:
    """Write an error that a model can act on; `named` gives the name by which it calls a tool."""
    said = to_json(error.as_json())
    if (tool := said.get("tool")) is not None:
        adapter, _, own = tool.partition(".")
        said["tool"] = named(f"{adapter.partition(OF)[0]}.{own}")
        said["message"] = said["message"].replace(tool, said["tool"])
    if isinstance(error, OutcomeUnknown) and "do not call it again" not in said.get("next", ""):
        said["next"] = "; ".join(filter(None, ("do not call it again", said.get("next"))))
    if said.get("field") == "code" and said.get("next", "").startswith("preview "):
        said |= {"field": CODE, "next": _PREVIEW}  # as it is called here, and where it comes from
    said.setdefault("next", _NEXT[error.recovery])
    text = orjson.dumps(scrub_values(said)).decode()
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _going_on(following: str) -> bytes:
    return b',"truncated":true,"next":' + orjson.dumps(following)


def _block(content_type: str, body: bytes) -> Json:
    """Write a file as the protocol has it: a picture, a sound, or anything else."""
    data = base64.b64encode(body).decode()
    kind = content_type.partition("/")[0]
    if kind in {"image", "audio"}:
        return {"type": kind, "data": data, "mimeType": content_type}
    return {
        "type": "resource",
        "resource": {"uri": f"drawbar://results/{new_id()}", "mimeType": content_type, "blob": data},
    }


def _scrubbed(text: bytes) -> tuple[bytes, str]:
    plain = text.decode()
    if scrub(plain) != plain:
        text = orjson.dumps(scrub_values(orjson.loads(text)))  # a secret may be a number, or lie across two texts
        plain = text.decode()
    return text, plain
