"""`drawbar validate`: the five stages, all mistakes at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..core.adapter import Adapter, Finding, Place, find
from ..core.errors import ConfigError, DrawbarError
from ..core.queues import DEFAULT, Queues, queue_of
from ..core.syncs.calls import one_effect_of
from ..core.syncs.fits import effect_of
from ..core.syncs.tool_source import ToolSource
from ..core.tenants import OF, systems_of
from .load import check, locate, read
from .models import Config
from .positions import Document
from .problems import STAGES, ConfigErrors, Problem, Stage
from .references import catalogue, check_references
from .secrets import scrub
from .sync_beside import look_beside

_NAMED = frozenset({"statement", "table", "procedure", "feed"})


@dataclass(frozen=True, slots=True)
class Report:
    """
    What `validate` found: the problems, what should not stay, and the stages that were gone through.

    `notes` say of each sync what a crash can do to it, once both its ends were asked.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()


def validate(
    path: str | Path | None = None,
    *,
    offline: bool = False,
    environ: Mapping[str, str] | None = None,
    seen: Callable[[str], None] = lambda name: None,
    queues: Collection[str] = (DEFAULT,),
) -> Report:
    """
    Check a configuration; with `offline` no wire is touched. `seen` hears of each system that was tried.

    Systems that are pinned to other queues than these are not tried: this machine need not reach them.
    """
    found = locate(path, environ)
    if found is None:
        return Report(Config(), (), (), STAGES[:4])
    try:
        document, base, files = read(found)
        config = check(document, base, files, environ=environ)
    except ConfigErrors as error:
        return Report(None, tuple(error.problems), (), STAGES[:4])
    if offline:
        return Report(config, (), config.warnings, STAGES[:4])
    with _opened(config, Queues(queues)) as adapters:
        problems = sorted(_connected(config, document, adapters, seen), key=lambda problem: problem.spot)
        notes: tuple[str, ...] = ()
        if not problems:
            notes = tuple(_notes(config, document, adapters, problems))
    return Report(config, tuple(problems), config.warnings, STAGES, notes)


@contextmanager
def _opened(config: Config, queues: Queues) -> Iterator[dict[str, Adapter[Any]]]:
    """Create every adapter that this machine reaches beside the product's own state, and close what they opened."""
    with tempfile.TemporaryDirectory(prefix="drawbar-validate-") as state, ExitStack() as stack:
        place = Place(config.base, Path(state))
        adapters = {}
        systems = {
            system: own for name, one in config.adapters.items() for system, own in systems_of(name, one).items()
        }
        for name, one in systems.items():
            if queues.is_elsewhere(queue_of(one.queue)):
                continue
            adapters[name] = find(one.kind)(name, one, place)
            stack.callback(adapters[name].close)
        yield adapters


def _connected(
    config: Config, document: Document, adapters: Mapping[str, Adapter[Any]], seen: Callable[[str], None]
) -> Iterator[Problem]:
    """Try every system at the same time, and look again at names that only a system knows."""
    tools = dict(catalogue(config))
    yield from _state_reached(config, document)
    with ThreadPoolExecutor(16) as pool:
        tried = {
            name: pool.submit(_try, adapter, tools[name.partition(OF)[0]] is None) for name, adapter in adapters.items()
        }
        for name, one in tried.items():
            failures, offered = one.result()
            seen(name)
            for failure in failures:
                said = f"{name}: {failure.what}: {failure.found}" if failure.found else f"{name}: {failure.what} failed"
                yield Problem(
                    document.key(_place_of(name.partition(OF)[0], failure)), scrub(said), scrub(failure.next), "connect"
                )
            if offered is not None:
                tools[name.partition(OF)[0]] = offered
    yield from check_references(config, document, tools)


def _state_reached(config: Config, document: Document) -> Iterator[Problem]:
    if config.state_url.startswith("sqlite:"):
        return
    from ..core.store.journal import reach  # loads the database library

    try:
        reach(config.state_url)
    except DrawbarError as error:
        said = f"state: {error.message}"
        yield Problem(
            document.value(("state",)), scrub(said), error.next or "see that the database is there", "connect"
        )


def _place_of(adapter: str, failure: Finding) -> tuple[str, ...]:
    """Find the key of the configuration that is to blame: a statement, table, procedure or feed, else the adapter."""
    kind, _, name = failure.what.partition(" ")
    return ("adapters", adapter, f"{kind}s", name) if kind in _NAMED and name else ("adapters", adapter)


def _try(adapter: Adapter[Any], derive: bool) -> tuple[list[Finding], set[str] | None]:
    """Give everything that fails at a system, and its tools where nothing does."""
    try:
        if failures := [finding for finding in adapter.check() if not finding.ok]:
            return failures, None
        if not derive:
            return [], None
        renamed = {tool: rules.as_ for tool, rules in adapter.config.tools.items() if rules.as_}
        return [], {renamed.get(tool.name, tool.name) for tool in adapter.tools()}
    except DrawbarError as error:
        return [Finding("connect", ok=False, found=error.message, next=error.next or "")], None


def _notes(
    config: Config, document: Document, adapters: Mapping[str, Adapter[Any]], problems: list[Problem]
) -> Iterator[str]:
    """Say of each sync whether a crash can repeat rows, and what its watermark can miss; add what it cannot be opened with."""
    for name, sync in config.syncs.items():
        if not {sync.from_.adapter, sync.to.adapter} <= adapters.keys():
            continue
        try:
            with ExitStack() as stack:
                if sync.from_.operation is None:
                    source = adapters[sync.from_.adapter].source(_spec(sync.from_), sync=name)
                    stack.callback(source.close)
                else:
                    source = ToolSource(sync.from_, _not_called, {})
                if sync.to.operation is None:
                    sink = adapters[sync.to.adapter].sink(sync.sink_spec(), sync=name)
                    stack.callback(sink.close)
                    ends = (source.one_effect, sink.one_effect)
                else:
                    ends = (source.one_effect, one_effect_of(sync.to))
                look_beside(sync, source, adapters)
        except ConfigError as error:
            place = ("syncs", name, error.field) if error.field else ("syncs", name)
            said = Problem(document.value(place), scrub(error.message), scrub(error.next or ""), "references")
            problems.append(said)
            continue
        except DrawbarError as error:
            yield scrub(f"{name}: nobody can say yet what a crash does: {error.message}")
            continue
        once, why = effect_of(sync, *ends)
        yield f"{name}: {'one effect' if once else 'at least once'}: {why}"
        if sync.to.load == "batched":
            yield f"{name}: load: batched: a run that is cut off leaves its first part in the target, and the next goes on"
        if sync.from_.cursor is not None:
            overlap = f"{sync.from_.cursor.overlap_s:g} s"
            yield f"{name}: misses rows that commit later than {overlap} (overlap_s) after their own stamp"


def _not_called(tool: str, arguments: Mapping[str, Any]) -> Any:
    raise ConfigError(f"{tool} is not called here")


def _spec(end: BaseModel) -> dict[str, Any]:
    return end.model_dump(by_alias=True, exclude_none=True)
