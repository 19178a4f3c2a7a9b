"""A tool: one operation of one system, typed, with its effect."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from .errors import InputError

Effect = Literal["read", "idempotent", "write"]
Schema = Mapping[str, Any]


Progress = Callable[[float, float | None, str | None], None]
"""Hears how far a call is: done, of how much (None: nobody knows), and in words. It never fails and takes no time."""


def no_progress(done: float, total: float | None = None, message: str | None = None) -> None:
    """Nobody wants to hear it."""


def _always() -> None:
    pass


# Made for every call, and so not frozen: that makes an object four times as dear.
@dataclass(slots=True)
class Asker:
    """Who waits for a call: `leaving` is asked before the first byte leaves, and may refuse; `progress` hears how far it is."""

    leaving: Callable[[], None] = _always
    progress: Progress = no_progress


PATIENT = Asker()


@dataclass(slots=True)
class Call:
    """
    What a tool's `run` is told beside its arguments.

    `id` is the same for every attempt of one intent: message ids and SQL comments are made of it. `deadline` is on the
    monotonic clock. `notes` takes evidence for the operator (endpoint, what was sent); it must hold no secret.
    `progress` may be told how far a long call is; who asked for it hears so.
    """

    id: str
    caller: str
    deadline: float
    run_id: str | None = None
    task: str | None = None
    leaving: Callable[[], None] = lambda: None
    notes: dict[str, Any] = field(default_factory=dict)
    progress: Progress = no_progress
    claims: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the caller beside its name."""

    def left_s(self) -> float:
        """Give the seconds left, never less than a millisecond: wire libraries read 0 as for ever."""
        return max(self.deadline - time.monotonic(), 0.001)


Run = Callable[[dict[str, Any], Call], Any]


class Reading(Protocol):
    """A read under way on a line of its own. It is ended by `answer` or by `rest`."""

    @property
    def fileno(self) -> int:
        """Give the descriptor that can be read when there is more."""

    @property
    def until(self) -> float | None:
        """Say when it is for `rest` where it said nothing, on the monotonic clock; None: when the call's time is over."""

    def step(self) -> Literal["waits", "ended", "rest"]:
        """Go on without waiting: there will be more to read; all is there; or the rest is long, and for a thread."""

    def answer(self) -> Any:
        """Give what was read, after it ended, as `run` does."""

    def rest(self) -> Any:
        """Wait for what is left, and give what was read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe saw: the effect is there (`done`, with the answer that the call would have given) or not seen."""

    done: bool
    result: Any = None


@dataclass(frozen=True, slots=True)
class Tool:
    """
    One operation. `name` is the adapter's own (`find_order`); the landscape calls it `erp.find_order`.

    `run` gets arguments that were checked and converted by `input_schema` and gives plain values (`core.values`).
    `preview` shows exactly what `run` would send and touches nothing. `probe` looks whether the effect is there.
    `begin`, of a read, does what `run` does without waiting for it; None where that needs a thread now.
    """

    name: str
    description: str
    effect: Effect
    input_schema: Schema
    output_schema: Schema
    run: Run
    preview: Callable[[dict[str, Any]], Any] | None = None
    probe: Callable[[dict[str, Any], Call], Seen] | None = None
    timeout_s: float | None = None
    strict: bool = False
    """Whether a read whose answer breaks the output schema fails. A write never does: it has happened."""
    begin: Callable[[dict[str, Any], Call], Reading | None] | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    effect: Effect
    name: str | None
    timeout_s: float | None
    preview: str | None = None


def tool(
    *, effect: Effect, name: str | None = None, timeout_s: float | None = None, preview: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """
    Mark a method of an adapter as a tool.

    Its schemas come from its annotations, its description from its docstring. A parameter named `call` gets the `Call`.
    `preview` names a method that takes the same parameters without `call`, and gives what would be sent.
    """

    def mark(method: Callable[..., Any]) -> Callable[..., Any]:
        method.__drawbar_tool__ = Declared(effect, name, timeout_s, preview)  # type: ignore[attr-defined]  # the mark
        return method

    return mark


def marked_tools(owner: object) -> list[Tool]:
    """Collect the tools that `owner`'s class marks with `@tool`, in the order of their definition."""
    found = {}
    for kind in reversed(type(owner).__mro__):
        for attribute, member in vars(kind).items():
            if isinstance(getattr(member, "__drawbar_tool__", None), Declared):
                found[attribute] = member.__drawbar_tool__
    return [_from_method(owner, getattr(owner, attribute), declared) for attribute, declared in found.items()]


class _Schemas(GenerateJsonSchema):
    """A decimal as the contract spells it: a text outward, a text or a number inward."""

    def decimal_schema(self, schema: Any) -> JsonSchemaValue:
        kinds = ["string", "number"] if self.mode == "validation" else "string"
        return {"type": kinds, "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"}


def _from_method(owner: object, method: Callable[..., Any], declared: Declared) -> Tool:
    hints = get_type_hints(method, include_extras=True)
    parameters = inspect.signature(method).parameters
    wants_call = "call" in parameters
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in parameters.items()
        if name != "call"
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    output = TypeAdapter(hints.get("return", Any))

    def given_by(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            checked = model.model_validate(arguments)
        except ValidationError as error:  # what its annotations ask beyond what a schema can say
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join(map(str, first["loc"]))
            raise InputError(f"{path}: {first['msg']}", field=path) from error
        return {name: getattr(checked, name) for name in fields}

    def run(arguments: dict[str, Any], call: Call) -> Any:
        given = given_by(arguments)
        answer = method(**given, call=call) if wants_call else method(**given)
        return output.dump_python(answer)

    would: Callable[..., Any] | None = getattr(owner, declared.preview) if declared.preview else None
    return Tool(
        name=declared.name or method.__name__,
        description=inspect.getdoc(method) or "",
        effect=declared.effect,
        input_schema=model.model_json_schema(schema_generator=_Schemas),
        output_schema=output.json_schema(mode="serialization", schema_generator=_Schemas),
        run=run,
        preview=None if would is None else lambda arguments: would(**given_by(arguments)),
        timeout_s=declared.timeout_s,
    )
