"""An adapter under test, called as the guard calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson

from ..core.adapter import Adapter, AdapterConfig, Place
from ..core.errors import KINDS, DrawbarError
from ..core.rules import ToolRules
from ..core.schema import Checker
from ..core.tool import Call, Effect, Tool
from ..core.values import Wide, canonical, to_json

_PLAIN = {str, int, Wide, float, bool, bytes, type(None), Decimal, date, datetime, clock, timedelta, UUID}


class Defect(AssertionError):
    """What the adapter's author has to mend."""


class Subject:
    """One configured adapter, with its tools once they are derived."""

    def __init__(self, kind: type[Adapter[Any]], given: Mapping[str, Any], base: Path) -> None:
        self.config: AdapterConfig = kind.Config.model_validate({"kind": kind.kind, **given})
        self.adapter = kind("tested", self.config, Place(base, base / "state"))
        self._tools: dict[str, Tool] = {}

    @property
    def tools(self) -> dict[str, Tool]:
        if not self._tools:
            listed = list(self.adapter.tools())
            self._tools = {tool.name: tool for tool in listed}
            if len(self._tools) < len(listed):
                raise Defect(f"two tools have one name: {sorted(tool.name for tool in listed)}")
        return self._tools

    def rules(self, tool: Tool) -> ToolRules:
        return self.config.tools.get(tool.name, ToolRules())

    def effect(self, tool: Tool) -> Effect:
        return self.rules(tool).effect or tool.effect

    def examples(self, *, reads: bool = False) -> Iterator[tuple[Tool, Any]]:
        """Give each tool with the arguments of each of its examples, `reads` only those of read tools."""
        for tool in self.tools.values():
            if not reads or self.effect(tool) == "read":
                for example in self.rules(tool).examples:
                    yield tool, example.get("arguments", {})

    def accepted(self, tool: Tool, arguments: Any) -> dict[str, Any]:
        """Check and convert arguments as every face does; InputError says what is wrong with them."""
        converted: dict[str, Any] = Checker.of(tool.input_schema).arguments(arguments)
        canonical(converted)
        return converted

    def call(self, tool: Tool, arguments: Any) -> Any:
        """Make one attempt with arguments from outside; raises what the adapter raises."""
        deadline = time.monotonic() + self.config.call_timeout_s
        return tool.run(self.accepted(tool, arguments), Call(str(uuid4()), "conformance", deadline))


def answered(doing: str, act: Callable[..., Any], *given: Any) -> Any:
    """Give the answer, or that one of the five that came instead; anything else is a defect."""
    try:
        return act(*given)
    except DrawbarError as error:
        if not isinstance(error, tuple(KINDS.values())):
            raise Defect(f"{doing}: {type(error).__name__} is not one of the five errors") from error
        return error
    except Defect:
        raise
    except Exception as error:
        raise Defect(
            f"{doing}: {type(error).__name__} left the adapter ({error}); translate it with raise_as"
        ) from error


def deviations(tool: Tool, answer: Any) -> Iterator[str]:
    """Say in which ways an answer is not what the tool promises."""
    if isinstance(answer, DrawbarError):
        yield f"{tool.name}: {answer.kind}: {answer.message}"
        return
    yield from (f"{tool.name}: {path} is a {kind}, no plain value" for path, kind in _foreign(answer, "answer"))
    if (deviation := Checker.of(tool.output_schema).deviation(answer)) is not None:
        yield f"{tool.name}: the answer is not what the output schema says: {deviation}"


def _foreign(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if type(value) is dict:
        for name, inner in value.items():
            if type(name) is not str:
                yield f"{path}, the key {name!r},", type(name).__name__
            yield from _foreign(inner, f"{path}.{name}")
    elif type(value) in (list, tuple):
        for index, inner in enumerate(value):
            yield from _foreign(inner, f"{path}.{index}")
    elif type(value) not in _PLAIN:
        yield path, type(value).__name__


def unsound(error: DrawbarError) -> Iterator[str]:
    """Say what is wrong with an error as a person and a machine see it."""
    text = error.message
    if not text.strip():
        yield f"{error.kind}: the message is empty"
    if "Traceback (most recent" in text or " object at 0x" in text or "<class '" in text:
        yield f"{error.kind}: the message is for Python, not for a person: {text}"
    try:
        orjson.dumps(to_json(error.as_json()))
    except (TypeError, ValueError) as wrong:
        yield f"{error.kind}: what it says is no JSON: {wrong}"
