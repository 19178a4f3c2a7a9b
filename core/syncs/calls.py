"""Calls of tools by a sync: through the guard, each distinct call once, remembered, and within the system's budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..access import Caller
from ..errors import ConfigError, DrawbarError, InputError, Rejected
from ..store.ids import new_id
from ..values import kept_canonical
from .config import SyncTo

if TYPE_CHECKING:
    from ..guard import Guard

Call = Callable[[str, Mapping[str, Any]], Any]
"""Call a tool that reads, by its full name, and give its answer. Raises one of the five."""


def calls_of(
    guard: Guard, sync: str, tools: Sequence[str], *, run_id: str | None, batch: bool, carried: tuple[str, ...] = ()
) -> Call:
    """
    Give the calls that one run of a sync makes, under the name of the sync.

    `carried` are paths of their arguments that were taken from what other tools hide.
    """
    caller = Caller(f"sync:{sync}", "workflow", tuple(tools))

    def call(tool: str, arguments: Mapping[str, Any]) -> Any:
        unseen = guard.landscape.undeclared(tool, carried)
        prepared = guard.prepare(tool, dict(arguments), caller, outside=False, carried=unseen)
        if prepared.tool.effect != "read":
            raise ConfigError(f"sync {sync}: {tool} is a {prepared.tool.effect}; a sync calls tools that only read")
        outcome = guard.perform(prepared, call_id=new_id(), run_id=run_id, batch=batch)
        if outcome.error is not None:
            raise outcome.raised()
        return outcome.result

    return call


class Remembered:
    """Answers by arguments, the last `keep` of them; an error that is the arguments' own is remembered too."""

    def __init__(self, call: Callable[[Any], Any], *, keep: int, concurrency: int) -> None:
        self._call = call
        self._keep = keep
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Any] = OrderedDict()

    def each(self, asked: Sequence[Any]) -> list[Any]:
        """Give the answer to each, or its `Rejected` or `InputError`; any other error is raised."""
        names = [kept_canonical(one) for one in asked]
        answers = {name: self._known[name] for name in names if name in self._known}
        missing = {name: one for name, one in zip(names, asked, strict=True) if name not in answers}
        if missing:
            with ThreadPoolExecutor(min(self._concurrency, len(missing)), "drawbar-sync-call") as threads:
                answers |= zip(missing, threads.map(self._one, missing.values()), strict=True)
        with self._lock:
            for name in names:
                self._known[name] = answers[name]
                self._known.move_to_end(name)
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
        return [answers[name] for name in names]

    def _one(self, asked: Any) -> Any:
        try:
            return self._call(asked)
        except (Rejected, InputError) as error:
            return error


def is_refusal(answer: Any) -> bool:
    return isinstance(answer, DrawbarError)


def one_effect_of(config: SyncTo) -> tuple[bool, str]:
    """Say what a crash can do where each row is a call."""
    by = f"its {', '.join(config.key)}" if config.key else "what identifies its row"
    return True, (
        f"each row is one call, known in the ledger by {by}: what was done is not called again, and a call whose outcome "
        "nobody knows is parked"
    )
