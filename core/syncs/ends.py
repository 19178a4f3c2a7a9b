"""The ends of a sync: its source and sink, what its rows are given from elsewhere, and the places that it takes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..adapter import Place
from ..batch import Peeking, Sink, Source
from ..budget import BatchShare
from ..errors import ConfigError, InputError
from ..guard import Guard
from ..landscape import Landscape
from ..values import parse_json
from .calls import Call, Remembered, calls_of
from .config import SyncConfig, SyncFrom, SyncTo
from .done import moment_of
from .enrich import Enriching, Lookup
from .resubmit import CorrectedSource
from .runs import Held
from .tool_sink import ToolSink
from .tool_source import ToolSource
from .unseen import asked_with, carried_by


@runtime_checkable
class InFile(Protocol):
    """An adapter whose system may be a file."""

    def file(self) -> tuple[str, bool] | None: ...


@runtime_checkable
class Spooling(Protocol):
    """A source that can read all of a portion before it gives the first row."""

    def apart(self) -> None: ...


class Ends:
    """Opens what a sync reads, writes and asks."""

    def __init__(self, landscape: Landscape, place: Place) -> None:
        self.landscape = landscape
        self.place = place
        self.guard: Guard | None = None

    @contextmanager
    def opened(self, held: Held) -> Iterator[tuple[Source, Sink]]:
        """Open both ends for as long as the block lasts."""
        with closing(self.source(held)) as source, closing(self.sink(held)) as sink:
            yield source, sink

    def source(self, held: Held) -> Source:
        name, from_ = held.name, held.config.from_
        if held.asked.resubmit:
            dated = held.asked.date is not None
            return CorrectedSource(self.place.base / held.config.rejects.to / name, held.asked.files, dated=dated)
        if from_.operation is not None:
            moment = moment_of(held.run_id or held.id, held.asked.date, held.started_at)
            call = self.calls(held, f"{from_.adapter}.{from_.operation}")
            return ToolSource(from_, call, moment, at_once="replace" in held.config.to.modes)
        source = self.landscape.adapter(from_.adapter).source(spec_of(from_), sync=name)
        if isinstance(source, Spooling) and self._locked(held.config):
            source.apart()
        return source

    def file(self, adapter: str) -> tuple[str, bool] | None:
        """Give the file that a system is, and whether who reads it and who writes it exclude each other."""
        found = self.landscape.adapter(adapter)
        return found.file() if isinstance(found, InFile) else None

    def _locked(self, config: SyncConfig) -> bool:
        """Tell whether both ends are one file in which nobody reads while a portion is written; refuses what would wait for itself."""
        if not config.to.is_database:
            return False
        into = self.file(config.to.adapter)
        if into is None or not into[1]:
            return False
        reading = {f"lookups.{name}": one.adapter for name, one in config.lookups.items()}
        if config.totals:
            reading["totals"] = config.from_.adapter
        if stuck := [key for key, adapter in reading.items() if self.file(adapter) == into]:
            raise ConfigError(
                f"{stuck[0]} reads the file of SQLite that is written at the same time, and its journal lets nobody read then",
                field=stuck[0],
                next=f"let its owner run once: sqlite3 {into[0]} 'pragma journal_mode = wal'",
            )
        return self.file(config.from_.adapter) == into

    def sink(self, held: Held) -> Sink:
        name, to = held.name, held.config.to
        if to.operation is not None:
            unseen = carried_by(held.config, self.landscape.hidden)
            return ToolSink(to, self._guard(name), sync=name, carried=unseen)
        sink = self.landscape.adapter(to.adapter).sink(held.config.sink_spec(), sync=name)
        if held.asked.dry_run and isinstance(sink, Peeking):
            sink.peek()
        return sink

    def enriching(self, held: Held) -> Enriching | None:
        """Prepare what rows are given from elsewhere."""
        config = held.config
        if not config.lookups and not config.calls:
            return None
        lookups = {
            name: Lookup(
                self.landscape.adapter(one.adapter).finder(
                    {"table": one.table, "key": list(one.key), "columns": one.columns}
                ),
                {},
                one.remember,
            )
            for name, one in config.lookups.items()
        }
        calls = {
            name: Remembered(
                partial(self.calls(held, one.tool, asked_with(config, name, self.landscape.hidden)), one.tool),
                keep=one.remember,
                concurrency=one.concurrency,
            )
            for name, one in config.calls.items()
        }
        return Enriching(config, lookups, calls)

    def calls(self, held: Held, tool: str, carried: tuple[str, ...] = ()) -> Call:
        """Give what calls tools for a run; where the sync holds a place of the system already, it asks for no other of batch."""
        batch = tool.partition(".")[0] not in _held_by(held.config)
        return calls_of(self._guard(held.name), held.name, [tool], run_id=held.run_id, batch=batch, carried=carried)

    def schema(self, given: Any) -> Any:
        if not isinstance(given, Path):
            return given
        try:
            return parse_json((self.place.base / given).read_bytes(), what=f"the schema {given}")
        except InputError as error:
            raise ConfigError(error.message, field="schema") from error
        except OSError as error:
            raise ConfigError(f"the schema {given}: {error.strerror}", field="schema") from error

    def share(self, config: SyncConfig) -> BatchShare:
        """Give the places that a portion holds; an operation takes one for each call."""
        return BatchShare.of(
            (name, self.landscape.share(name), self.landscape.config(name).call_timeout_s) for name in _held_by(config)
        )

    def _guard(self, sync: str) -> Guard:
        if self.guard is None:
            raise ConfigError(f"sync {sync} calls a tool, and there is no guard here")
        return self.guard


def spec_of(end: SyncFrom | SyncTo) -> Mapping[str, Any]:
    return end.model_dump(by_alias=True, exclude_none=True)


def _held_by(config: SyncConfig) -> set[str]:
    return {end.adapter for end in (config.from_, config.to) if end.operation is None}
