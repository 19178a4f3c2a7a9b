"""`drawbar validate`: the five stages, all mistakes at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..core.adapter import AdapterConfig, Finding, Place, find
from ..core.errors import DrawbarError
from .load import check, locate, read
from .models import Config
from .positions import Document
from .problems import STAGES, ConfigErrors, Problem, Stage
from .references import catalogue, check_references
from .secrets import scrub


@dataclass(frozen=True, slots=True)
class Report:
    """What `validate` found: the problems, what should not stay, and the stages that were gone through."""

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    stages: tuple[Stage, ...]


def validate(
    path: str | Path | None = None,
    *,
    offline: bool = False,
    environ: Mapping[str, str] | None = None,
    seen: Callable[[str], None] = lambda name: None,
) -> Report:
    """Check a configuration; with `offline` no wire is touched. `seen` hears of each system that was tried."""
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
    return Report(
        config, tuple(sorted(_connected(config, document, seen), key=lambda p: p.spot)), config.warnings, STAGES
    )


def _connected(config: Config, document: Document, seen: Callable[[str], None]) -> Iterator[Problem]:
    """Try every system at the same time, and look again at names that only a system knows."""
    tools = dict(catalogue(config))
    with tempfile.TemporaryDirectory(prefix="drawbar-validate-") as state, ThreadPoolExecutor(16) as pool:
        place = Place(config.base, Path(state))
        tried = {
            name: pool.submit(_try, name, adapter, place, tools[name] is None)
            for name, adapter in config.adapters.items()
        }
        for name, one in tried.items():
            failure, offered = one.result()
            seen(name)
            if failure is not None:
                said = f"{name}: {failure.what}: {failure.found}" if failure.found else f"{name}: {failure.what} failed"
                yield Problem(document.key(("adapters", name)), scrub(said), scrub(failure.next), "connect")
            if offered is not None:
                tools[name] = offered
    yield from check_references(config, document, tools)


def _try(name: str, config: AdapterConfig, place: Place, derive: bool) -> tuple[Finding | None, set[str] | None]:
    adapter = find(config.kind)(name, config, place)
    try:
        for finding in adapter.check():
            if not finding.ok:
                return finding, None
        if not derive:
            return None, None
        renamed = {tool: rules.as_ for tool, rules in config.tools.items() if rules.as_}
        return None, {renamed.get(tool.name, tool.name) for tool in adapter.tools()}
    except DrawbarError as error:
        return Finding("connect", ok=False, found=error.message, next=error.next or ""), None
    finally:
        adapter.close()
