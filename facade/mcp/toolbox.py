"""What is done for a caller of MCP: tools found and called, and answers that a model can act on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ...config.secrets import scrub_values
from ...core.access import Caller
from ...core.errors import DrawbarError, InputError, from_json
from ...core.shown import CODE, Json, name_of
from ...core.store.ids import new_id
from ...core.values import ClaimCheck, moment, to_json
from .own import FINDERS, OWN

if TYPE_CHECKING:
    from ...app import App

MAX_LISTED = 100
"""More tools than these are found by search: every tool of a list costs a model's attention at every step."""
MAX_RESULT_BYTES = 24_576
_MAX_FOUND = 30


class Toolbox:
    """What MCP offers of one landscape. With `only_preview` a tool that changes something shows what it would do, and no more."""

    def __init__(self, app: App, *, only_preview: bool = False) -> None:
        self._app = app
        self._only_preview = only_preview
        self._names: dict[str, str] = {}
        self._own: dict[str, Callable[[Mapping[str, Any], Caller], Json]] = {
            "drawbar_status": self._status,
            "drawbar_more": self._more,
            "drawbar_preview": self._preview,
            "drawbar_search": self._search,
            "drawbar_describe": self._describe,
            "drawbar_call": self._call,
        }

    def tools(self, caller: Caller) -> list[dict[str, Any]]:
        """List what this caller may call; where that is too much, the tools that find the others."""
        found = self._app.catalogue.offered(caller)
        if len(found) > MAX_LISTED:
            return [*FINDERS, *OWN]
        return [*(self._app.catalogue.as_tool(bound, caller) for bound in found), *OWN]

    def system_of(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """Name the system that a call is for, so that it waits on threads of that system's own."""
        wanted = str(arguments.get("name", "")) if name in {"drawbar_call", "drawbar_preview"} else name
        fits = [one for one in self._app.landscape.names() if wanted.startswith(f"{name_of(one)}_")]
        return max(fits, key=len, default=None)

    def call(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Call a tool and give the result as `tools/call` does. KeyError for a name that nothing has."""
        own = self._own.get(name)
        try:
            answer = own(arguments, caller) if own else self._of_tool(self._tool(name), arguments, caller)
        except DrawbarError as error:
            return _failed(error)
        return _done(answer)

    def _tool(self, name: str) -> str:
        """Give a tool's own name by the one that models use. KeyError when there is none."""
        if (known := self._names.get(name)) is not None:
            return known
        for adapter in self._app.landscape.names():
            if name.startswith(f"{name_of(adapter)}_"):
                self._names.update({name_of(tool): tool for tool in self._app.landscape.bound(adapter)})
        return self._names[name]

    def _of_tool(self, tool: str, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        given = {field: value for field, value in arguments.items() if field != CODE}
        if self._only_preview and self._app.landscape.tool(tool).effect != "read":
            return self._previewed(tool, given, caller)
        answer = self._app.direct.call(tool, given, caller=caller, code=arguments.get(CODE))
        if answer.state == "waiting":
            return {"status": "waiting", "id": answer.id}
        return self._bounded(to_json(answer.result), caller)

    def _previewed(self, tool: str, arguments: Any, caller: Caller) -> dict[str, Any]:
        shown = self._app.guard.preview(tool, arguments, caller)
        return {"status": "preview", "would": to_json(shown["would"]), "code": shown["code"]}

    def _bounded(self, result: Any, caller: Caller) -> dict[str, Any]:
        """Cut a long result after a whole row, or, where it has no rows, give it in pieces of text; the rest is a claim."""
        answer = {"status": "done", "as_of": moment(time.time())}
        if len(orjson.dumps(result)) <= MAX_RESULT_BYTES:
            return {**answer, "result": result}
        field, rows = _longest_list(result)
        if rows is None:
            rows = _pieces(orjson.dumps(result).decode())
        shown = _fitting(rows)
        kept = self._app.guard.aside.keep(rows, f"{_owner(caller)}{new_id()}", of_run=False)
        self._app.journal.write(kept.store)
        if not isinstance(kept.value, ClaimCheck):  # it is short where nothing is kept aside
            return {**answer, "result": result}
        cut = {**result, field: rows[:shown]} if field else rows[:shown]
        return {**answer, "result": cut, "truncated": True, "next": f"{kept.value.id}/{shown}"}

    def _more(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        claim, _, start = _text(arguments, "next").rpartition("/")
        if not claim.startswith(_owner(caller)) or not start.isdigit():
            raise InputError("there is nothing of yours by this `next`", reason="not_found", field="next")
        rows = self._app.claims.value(claim)[int(start) :]
        shown = _fitting(rows)
        answer = {"status": "done", "as_of": moment(time.time()), "result": rows[:shown]}
        return answer if shown == len(rows) else {**answer, "truncated": True, "next": f"{claim}/{int(start) + shown}"}

    def _search(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        words = str(arguments.get("q", ""))
        found = self._app.catalogue.offered(
            caller, q=words, adapter=arguments.get("adapter"), effect=arguments.get("effect")
        )
        shown = [
            {"name": name_of(one.name), "effect": one.effect, "description": one.description[:200]}
            for one in found[:_MAX_FOUND]
        ]
        return {"status": "done", "result": {"tools": shown, "found": len(found)}}

    def _describe(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        bound = self._app.landscape.tool(self._named(arguments))
        if not caller.may_call(bound.name, bound.effect):
            raise _no_tool(_text(arguments, "name"))
        return {"status": "done", "result": self._app.catalogue.as_tool(bound, caller)}

    def _call(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        given = arguments.get("arguments", {})
        code = {CODE: arguments[CODE]} if CODE in arguments else {}
        if not isinstance(given, dict):
            raise InputError("arguments must be an object", field="arguments")
        return self._of_tool(self._named(arguments), {**given, **code}, caller)

    def _preview(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return self._previewed(self._named(arguments), arguments.get("arguments", {}), caller)

    def _status(self, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Tell what became of a call that waits for an approval; only its own caller hears it."""
        asked = self._app.desk.approval(_text(arguments, "id"))
        if asked["asked_by"] != caller.name and "operate" not in caller.scopes:
            raise InputError(f"there is no call {asked['id']!r} of yours", reason="not_found", field="id")
        said = {"approval": asked["state"], "answered_by": asked["answered_by"], "reason": asked["reason"]}
        if asked["run_id"] is None or asked["state"] == "waiting":
            return {"status": "waiting", "id": asked["id"], "result": said}
        run = self._app.engine.run(asked["run_id"])
        if not run.is_final:
            return {"status": "waiting", "id": asked["id"], "result": {**said, "run": run.state}}
        if run.error is not None:
            raise from_json(run.error)
        outputs = {task.task: to_json(task.output) for task in self._app.engine.tasks(run.id)}
        return {"status": "done", "result": outputs.get("call", outputs)}

    def _named(self, arguments: Mapping[str, Any]) -> str:
        name = _text(arguments, "name")
        try:
            return self._tool(name)
        except KeyError:
            raise _no_tool(name) from None


def _done(answer: Json) -> Json:
    shown = scrub_values(answer)
    return {"content": [{"type": "text", "text": orjson.dumps(shown).decode()}], "structuredContent": shown}


def _failed(error: DrawbarError) -> Json:
    """Write an error that a model can act on."""
    said = scrub_values(to_json(error.as_json()))
    return {"content": [{"type": "text", "text": orjson.dumps(said).decode()}], "isError": True}


def _no_tool(name: str) -> InputError:
    return InputError(f"there is no tool {name[:100]!r} for you", reason="not_found", next="look with drawbar_search")


def _text(arguments: Mapping[str, Any], field: str) -> str:
    given = arguments.get(field)
    if not isinstance(given, str) or not given:
        raise InputError(f"{field} is missing, or no text", field=field)
    return given


def _owner(caller: Caller) -> str:
    """Name whose claims these are, so that one agent does not read another's."""
    return f"mcp-{hashlib.sha256(caller.name.encode()).hexdigest()[:16]}-"


def _longest_list(result: Any) -> tuple[str | None, list[Any] | None]:
    """Find the rows of a result: the result itself, or its longest field that is a list."""
    if isinstance(result, list):
        return None, result
    lists = (
        {name: value for name, value in result.items() if isinstance(value, list)} if isinstance(result, dict) else {}
    )
    field = max(lists, key=lambda name: len(lists[name]), default=None)
    return (None, None) if field is None else (field, lists[field])


def _fitting(rows: Sequence[Any]) -> int:
    """Count how many of these fit; one at least, since half a row is none."""
    size = 0
    for at, row in enumerate(rows):
        size += len(orjson.dumps(row)) + 1
        if size > MAX_RESULT_BYTES and at > 0:
            return at
    return len(rows)


def _pieces(text: str) -> list[str]:
    return [text[at : at + MAX_RESULT_BYTES // 4] for at in range(0, len(text), MAX_RESULT_BYTES // 4)]
