"""Adapter = meaning: a database, its configured statements and allowed tables as tools, sources and sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ...connectors.sql_model import Table
from ...core.adapter import Adapter, Finding, Place
from ...core.batch import Sink, Source
from ...core.drift import Part, Survey
from ...core.errors import ConfigError, DrawbarError
from ...core.tool import Tool
from .config import SqlConfig, StatementConfig, procedure_tools, table_tools
from .procedures import known, looked_up, procedure_tool
from .statements import bound, prepared, statement_tool
from .survey import part_of_procedure, part_of_statement, part_of_table
from .tables import TableTools, as_far_as_there, narrowed

if TYPE_CHECKING:
    from ...connectors.sql import Database

__all__ = ["SqlAdapter", "SqlConfig"]


class SqlAdapter(Adapter[SqlConfig]):
    kind = "sql"
    Config = SqlConfig

    def __init__(self, name: str, config: SqlConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._lock = threading.Lock()
        self._database: Database | None = None

    @classmethod
    def tool_names(cls, config: SqlConfig) -> set[str] | None:
        return {*config.statements, *table_tools(config), *procedure_tools(config)}

    @classmethod
    def endpoints(cls, config: SqlConfig) -> Mapping[str, set[str]]:
        reads = {name for name, statement in config.statements.items() if statement.effect == "read"}
        return {"table": set(config.tables), "statement": reads}

    @property
    def database(self) -> Database:
        from ...connectors.sql import Database

        with self._lock:
            if self._database is None:
                self._database = Database(
                    self.name,
                    self.config.url.get_secret_value(),
                    base=self.place.base,
                    connections=self.config.budget.concurrency,
                    call_timeout_s=self.config.call_timeout_s,
                    code_pages=self.config.has_code_pages,
                )
            return self._database

    def close(self) -> None:
        with self._lock:
            database, self._database = self._database, None
        if database is not None:
            database.close()

    def tools(self) -> Iterable[Tool]:
        for name, statement in self.config.statements.items():
            yield statement_tool(self.database, name, statement, self.config.quirks)
        tables: dict[str, TableTools] = {}
        for tool, (verb, name) in table_tools(self.config).items():
            if name not in tables:
                tables[name] = TableTools(self.database, self.table(name), self.config.tables[name])
            yield getattr(tables[name], verb)(tool)
        for tool, name in procedure_tools(self.config).items():
            yield procedure_tool(self.database, tool, name, self.config.procedures[name], self.config.quirks)

    def table(self, name: str) -> Table:
        """Reflect a configured table, with the configured key and columns."""
        from ...connectors.sql_reflect import reflect

        config = self.config.tables.get(name)
        if config is None:
            raise ConfigError(f"{self.name}: table {name!r} is not under tables", field="table")
        found = reflect(self.database, config.table or name)
        return narrowed(found, config, self.config.quirks, f"{self.name}.tables.{name}")

    def file(self) -> tuple[str, bool] | None:
        """Give the file that the database is, and whether reading and writing exclude each other."""
        return self.database.file()

    def source(self, spec: Mapping[str, Any], *, sync: str) -> Source:
        from ...connectors.sql_ranges import PartedSource
        from ...connectors.sql_source import StatementSource

        if "statement" in spec:
            name = spec["statement"]
            if name not in self.config.statements or self.config.statements[name].effect != "read":
                raise ConfigError(f"{self.name}: {name!r} is no statement with effect read", field="statement")
            config = self.config.statements[name]
            return StatementSource(
                self.database,
                prepared(self.database, config, self.config.quirks),
                bound(config, spec.get("with") or {}),
                name,
            )
        return PartedSource(self.database, self.table(spec["table"]), spec.get("cursor"))

    def finder(
        self, spec: Mapping[str, Any]
    ) -> Callable[[Sequence[tuple[Any, ...]]], Mapping[bytes, Mapping[str, Any]]]:
        from ...connectors.sql_lookup import TableLookup

        return TableLookup(self.database, self.table(spec["table"]), spec["key"], spec["columns"]).find

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> Sink:
        from ...connectors.sql_sink import TableSink

        if spec.get("writes"):
            from ...connectors.sql_writes import TablesSink

            common = {name: spec[name] for name in ("cursor", "cursor_table", "on_drift") if name in spec}
            parts = [
                TableSink(self.database, self.table(one["table"]), {**common, **one}, sync=sync)
                for one in spec["writes"]
            ]
            return TablesSink(self.database, parts)
        return TableSink(self.database, self.table(spec["table"]), spec, sync=sync)

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        yield (connected := self._tried("connect and log in", self._connect))
        if not connected.ok:
            return
        for name in self.config.tables:
            yield self._tried(f"table {name}", partial(self._look, name))
        for name, statement in self.config.statements.items():
            yield self._tried(f"statement {name}", partial(self._plan, statement))
        for name, procedure in self.config.procedures.items():
            yield self._tried(
                f"procedure {name}", partial(looked_up, self.database, name, procedure, self.config.quirks)
            )

    def survey(self) -> Survey:
        """Read the catalogue: what is gone is left out, columns too; statements are planned and described."""
        from ...connectors.sql_reflect import reflect
        from ...connectors.sql_statements import describe

        self._connect()
        parts: dict[str, Part] = {}
        for name, config in self.config.tables.items():
            with suppress(ConfigError):
                there = reflect(self.database, config.table or name)
                left = as_far_as_there(there, config)
                parts[f"table {name}"] = part_of_table(narrowed(there, left, self.config.quirks, name))
        for name, procedure in self.config.procedures.items():
            with suppress(ConfigError):
                found = known(self.database, name, procedure, self.config.quirks, whole=False)
                parts[f"procedure {name}"] = part_of_procedure(found)
        for name, statement in self.config.statements.items():
            planned = self._tried(name, partial(self._plan, statement))
            columns = describe(self.database, prepared(self.database, statement, self.config.quirks))
            parts[f"statement {name}"] = part_of_statement(columns, None if planned.ok else planned.found)
        return Survey(parts)

    def _connect(self) -> str:
        with self.database.unit("read"):
            return self.database.place

    def _look(self, name: str) -> str:
        table, config = self.table(name), self.config.tables[name]
        if config.upsert and frozenset(table.key) not in table.unique:
            return f"{len(table.columns)} columns; {', '.join(table.key)} is not unique there: two at once may insert twice"
        return f"{len(table.columns)} columns, key {', '.join(table.key) or 'none'}"

    def _plan(self, config: StatementConfig) -> str:
        from ...connectors.sql_statements import try_plan

        return try_plan(self.database, prepared(self.database, config, self.config.quirks))

    def _tried(self, what: str, step: Callable[[], str]) -> Finding:
        try:
            return Finding(what, ok=True, found=step())
        except DrawbarError as error:
            return Finding.of(what, error)
