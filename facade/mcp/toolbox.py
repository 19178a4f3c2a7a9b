"""What is done for a caller of MCP: tools found and called, and answers that a model can act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ...core.access import Caller
from ...core.agents_tools import WRITES, documents_for
from ...core.errors import DrawbarError, InputError, from_json
from ...core.intents import call_of
from ...core.schema import Checker
from ...core.shown import CODE, Json
from .content import Results, failed, told
from .own import FINDERS, OWN, shared
from .resources import Kept, Shelf
from .waiting import Waiting

if TYPE_CHECKING:
    from ...app import App
    from ...core.guard import Answer

_MAX_FOUND = 30
_CHECKS = {one["name"]: Checker.of(one["inputSchema"], one["name"]) for one in (*OWN, *FINDERS)}


class Toolbox:
    """What MCP offers of one landscape. With `only_preview` a tool that changes something shows what it would do, and no more."""

    def __init__(self, app: App, *, only_preview: bool = False) -> None:
        self._app = app
        self._only_preview = only_preview
        self._results = Results(app)
        self._names: dict[str, str] = {}
        self._known_for: list[str] = []
        self.shelves: list[Shelf] = [Kept(app.claims)]
        self._own: dict[str, Callable[[Mapping[str, Any], Caller, Waiting], Json]] = {
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
        own = [*OWN, *map(shared, documents_for(caller))]
        if len(found) > self._app.config.mcp.max_tools:
            return [*FINDERS, *own]
        return [*(self._app.catalogue.as_tool(bound, caller) for bound in found), *own]

    def system_of(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Name the system that a call is for, so that it waits on threads of that system's own; `""` for none."""
        wanted = str(arguments.get("name", "")) if name in {"drawbar_call", "drawbar_preview"} else name
        if (known := self._names.get(wanted)) is not None:
            return known.partition(".")[0]
        return next(self._systems(wanted), "")

    def plain(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> str | None:
        """Name the tool that a call is for, where it has been called before, and the call is nothing else."""
        if self._only_preview or CODE in arguments or self._app.landscape.names() != self._known_for:
            return None
        known = self._names.get(name)
        if known is None or name in self._own or _is_document(name, caller):
            return None
        return known

    def short(self, answer: Answer) -> Json | None:
        """Write what a tool gave, where that takes no more than writing it; None: it is for `long`."""
        return self._results.short(answer.result, answer.text)

    def long(self, answer: Answer, caller: Caller, tool: str) -> Json:
        """Write what became of a call of a tool, whatever that takes."""
        if answer.state == "waiting":
            return told({"status": "waiting", "id": answer.id})
        return self._results.of_call(answer.result, caller, tool)

    def call(self, name: str, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        """Call a tool and give the result as `tools/call` does. KeyError for a name that nothing has."""
        own = self._own.get(name)
        try:
            if (minute := self._app.limits.minute(caller)) is not None:
                waiting.counts(partial(self._app.limits.counted, minute), minute.total)
            if _is_document(name, caller):
                return self._document(name, arguments, caller)
            if own is not None:
                return own(_CHECKS[name].arguments(arguments), caller, waiting)
            return self._of_tool(self._tool(name), arguments, caller, waiting)
        except DrawbarError as error:
            return self.failed(error)

    def failed(self, error: DrawbarError) -> Json:
        """Write an error of a call."""
        return failed(error, self._app.catalogue.named)

    def _systems(self, name: str) -> Iterator[str]:
        """Give the systems that a tool of this name may be of, the likeliest first."""
        fits = (one for one in self._app.landscape.names() if name.startswith(f"{one}_"))
        return iter(sorted(fits, key=len, reverse=True))

    def _tool(self, name: str) -> str:
        """Give a tool's own name by the one that models use. KeyError when there is none."""
        if (names := self._app.landscape.names()) != self._known_for:
            self._known_for, self._names = names, {}  # what a name means depends on which adapters there are
        if (known := self._names.get(name)) is not None:
            return known
        for adapter in self._systems(name):
            found = {self._app.catalogue.named(tool): tool for tool in self._app.landscape.bound(adapter)}
            if name in found:
                self._names.update(found)
                return found[name]
        raise KeyError(name)

    def _of_tool(self, tool: str, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        given, code = arguments, None
        if CODE in arguments:
            given = {field: value for field, value in arguments.items() if field != CODE}
            code = arguments[CODE]
        if self._only_preview and self._app.catalogue.bound(tool, caller).effect != "read":
            return self._previewed(tool, given, caller)
        answer = self._app.direct.call(tool, given, caller=caller, code=code, asker=waiting.asker())
        return self.long(answer, caller, tool)

    def _previewed(self, tool: str, arguments: Any, caller: Caller) -> Json:
        shown = self._app.guard.preview(tool, arguments, caller)
        return told({"status": "preview", "would": shown["would"], "code": shown["code"]})

    def _more(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        return self._results.more(arguments["next"], caller)

    def _search(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        by = {what: arguments.get(what) for what in ("q", "adapter", "effect")}
        found = self._app.catalogue.offered(caller, **by)
        shown = [
            {"name": self._app.catalogue.named(one.name), "effect": one.effect, "description": one.description[:200]}
            for one in found[:_MAX_FOUND]
        ]
        return told({"status": "done", "result": {"tools": shown, "found": len(found)}})

    def _describe(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        bound = self._app.catalogue.bound(self._named(arguments, caller), caller)
        if not caller.may_call(bound.name, bound.effect):
            raise self._no_tool(arguments["name"], caller)
        return told({"status": "done", "result": self._app.catalogue.as_tool(bound, caller)})

    def _call(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        code = {CODE: arguments[CODE]} if CODE in arguments else {}
        return self._of_tool(
            self._named(arguments, caller), {**arguments.get("arguments", {}), **code}, caller, waiting
        )

    def _preview(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        return self._previewed(self._named(arguments, caller), arguments.get("arguments", {}), caller)

    def _status(self, arguments: Mapping[str, Any], caller: Caller, waiting: Waiting) -> Json:
        """Tell what became of a call that waits for an approval; only its own caller hears it."""
        asked = self._asked(arguments["id"], caller)
        said = {"approval": asked["state"], "answered_by": asked["answered_by"], "reason": asked["reason"]}
        if asked["run_id"] is None or asked["state"] == "waiting":
            return told({"status": "waiting", "id": asked["id"], "result": said})
        run = self._app.engine.run(asked["run_id"])
        if not run.is_final:
            return told({"status": "waiting", "id": asked["id"], "result": {**said, "run": run.state}})
        if run.error is not None:
            raise from_json(run.error)
        outputs = {task.task: task.output for task in self._app.engine.tasks(run.id)}
        result = self._app.guard.whole(outputs.get("call", outputs))
        tool = run.workflow.removeprefix(call_of(""))
        return self._results.of_call(self._app.guard.shown(tool, result, caller), caller, tool)

    def _asked(self, approval: str, caller: Caller) -> dict[str, Any]:
        """Give what was asked for a call of this caller; nobody hears whether others have one of that id."""
        with suppress(InputError):
            asked = self._app.desk.approval(approval)
            if asked["asked_by"] == caller.name or "operate" in caller.scopes:
                return asked
        said = f"there is no call {approval[:100]!r} of yours"
        raise InputError(said, reason="not_found", field="id", next="send the id of an answer that said waiting")

    def _document(self, name: str, arguments: Mapping[str, Any], caller: Caller) -> Json:
        """Read or write a shared document, as the agent may."""
        if self._only_preview and name == WRITES:
            raise InputError("here every write only previews, and a document has no preview", reason="forbidden")
        meant = self._app.agent_tools.document(name, arguments, caller)
        return told({"status": "done", **self._app.journal.write(meant.do)})

    def _named(self, arguments: Mapping[str, Any], caller: Caller) -> str:
        try:
            return self._tool(arguments["name"])
        except KeyError:
            raise self._no_tool(arguments["name"], caller) from None

    def near(self, name: str, caller: Caller) -> str:
        """Say which tool was meant, of those that this caller may call; nothing where none is near."""
        plain = name[:100].replace(".", "_")
        offered = chain.from_iterable(self._app.catalogue.offered(caller, adapter=one) for one in self._systems(plain))
        names = [self._app.catalogue.named(one.name) for one in offered]
        found = get_close_matches(plain, [*self._own, *names], 1, 0.8)
        return f"did you mean {found[0]!r}? " if found else ""

    def _no_tool(self, name: str, caller: Caller) -> InputError:
        said = f"there is no tool {name[:100]!r} for you"
        next_ = f"{self.near(name, caller)}tools/list and drawbar_search name those that there are"
        return InputError(said, reason="not_found", field="name", next=next_)


def _is_document(name: str, caller: Caller) -> bool:
    return caller.context is not None and any(name == one.name for one in documents_for(caller))
