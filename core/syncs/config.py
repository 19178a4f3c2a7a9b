"""How the configuration spells a sync."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..expressions import Sees, Template
from ..strict import Strict
from ..workflow import TriggerConfig
from .fits import misfits

RowTemplate = Annotated[
    Template, Sees("row", "record_no", "header", "trailer", "file", "message", "run", "lookup", "called")
]


ItemTemplate = Annotated[
    Template,
    Sees("row", "item", "index", "record_no", "header", "trailer", "file", "message", "run", "lookup", "called"),
]
OperationTemplate = Annotated[Template, Sees("since", "page", "next", "run")]
AnswerTemplate = Annotated[Template, Sees("result", "page")]
ChangedTemplate = Annotated[Template, Sees("row")]


class WatermarkCursor(Strict):
    """Which column says what is new."""

    column: str = Field(description="A column that only grows when a row changes, such as updated_at.")
    tie_breaker: str | None = Field(
        None, description="A unique column that orders rows of equal stamps; the single key column when absent."
    )
    overlap_s: float = Field(
        0, ge=0, description="Read again what is that young: rows that commit later than their own stamp."
    )
    timezone: str = Field("UTC", description="The zone of a column that has none.")
    snapshot: bool = Field(
        False,
        description="Read all of the table by its key first, rows without a stamp too, then what changed since; a snapshot that was cut off goes on.",
    )


_FROM = ("feed", "table", "statement", "consume", "operation")
_TO = ("table", "writes", "feed", "publish", "operation")


class SyncFrom(Strict):
    """Where rows come from: a feed, a table, a statement, a queue or an operation of an adapter."""

    adapter: str
    feed: str | None = None
    table: str | None = None
    statement: str | None = None
    consume: str | None = None
    operation: str | None = Field(
        None, description="A tool of the adapter that reads and answers rows, such as a SOAP operation."
    )
    with_: dict[str, OperationTemplate] = Field(
        default_factory=dict,
        alias="with",
        description="Parameters of the statement; arguments of the operation, which see since, page and next.",
    )
    rows: AnswerTemplate | None = Field(None, description="Where the rows are in an answer: ${{ result.invoices }}.")
    next: AnswerTemplate | None = Field(
        None, description="What the next call is given as `next`; null, an empty text or false ends the paging."
    )
    changed: ChangedTemplate | None = Field(
        None, description="When a row changed; the greatest is given as `since` to the next run."
    )
    max_pages: int = Field(
        10_000, ge=1, description="More pages of one run are an error: an operation that never ends."
    )
    cursor: WatermarkCursor | None = Field(None, description="Read only what changed; the whole table when absent.")

    @property
    def place(self) -> str:
        """Name the key that says where in the adapter."""
        return one_of(self, _FROM)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        one_of(self, _FROM)
        if self.cursor is not None and self.table is None:
            raise PydanticCustomError("cursor", "cursor: only a table has a watermark column")
        if self.with_ and self.statement is None and self.operation is None:
            raise PydanticCustomError("with", "with: only a statement or an operation takes parameters")
        if self.statement is not None and any(part.paths for part in self.with_.values()):
            raise PydanticCustomError("with", "with: parameters of a statement are values, not expressions")
        if self.operation is None and (self.rows or self.next or self.changed):
            raise PydanticCustomError("rows", "rows, next and changed: only for an operation")
        if self.operation is not None and self.rows is None:
            raise PydanticCustomError("rows", "an operation needs rows: where they are in its answer")
        return self


Mode = Literal["insert", "upsert", "replace"]
_EACH = r"^\s*(?:\$\{\{)?\s*(row(?:\.[A-Za-z_]\w*)+)\s*(?:\}\})?\s*$"


class WriteConfig(Strict):
    """One of several tables that a record is written into, in one transaction with the others."""

    table: str
    mode: Mode | None = Field(None, description="insert (the default), upsert by key, or replace everything.")
    key: list[str] = Field(default_factory=list, description="Key of an upsert; the table's own when absent.")
    each: str | None = Field(
        None,
        description="A list in the record, such as row.LINES: each of it is a row, seen as `item`, its place from 1 on as `index`.",
    )
    map: dict[str, ItemTemplate] = Field(min_length=1, description="Target column: value.")

    @field_validator("each")
    @classmethod
    def _each(cls, given: str | None) -> str | None:
        if given is None:
            return None
        found = re.match(_EACH, given)
        if found is None:
            raise PydanticCustomError("each", "each names a list of the record, such as row.LINES")
        return found.group(1)

    @model_validator(mode="after")
    def _items(self) -> Self:
        if self.each is None and any(path[0] in ("item", "index") for one in self.map.values() for path in one.paths):
            raise PydanticCustomError("each", "item and index are only there with each")
        return self


class SyncTo(Strict):
    """Where rows go: a table, several tables, a feed, a publication or a tool of an adapter."""

    adapter: str
    table: str | None = None
    writes: list[WriteConfig] | None = Field(
        None,
        min_length=1,
        description="Several tables, written in this order and committed together, with their cursor.",
    )
    feed: str | None = None
    publish: str | None = None
    operation: str | None = Field(
        None,
        description="A tool of the adapter that writes, such as a SOAP operation: each row is one call, with the mapped row as its arguments.",
    )
    concurrency: int = Field(
        1, ge=1, le=64, description="Calls of the operation at a time; more than one knows no order."
    )
    mode: Mode | None = Field(
        None, description="How a table is written: insert (the default), upsert by key, or replace everything."
    )
    key: list[str] = Field(
        default_factory=list,
        description="Key of an upsert; the table's own when absent. Of an operation: the arguments that say which business case it is; once for each.",
    )
    load: Literal["staged", "whole", "batched"] | None = Field(
        None,
        description="staged or whole: a portion is proven, then seen all at once; nothing is ever half loaded. batched: each batch_rows rows are committed for themselves; a file that is cut off is half loaded, and the next run goes on with it.",
    )
    indexes: Literal["keep", "rebuild"] = Field(
        "keep",
        description="rebuild: drop the keys and indexes of a table of PostgreSQL before an insert into it while it is empty, or a replace, and build them behind the rows, in the same transaction. It is faster for many rows; nobody else reads the table meanwhile. What could not be built exactly as it was is kept.",
    )
    cursor: Literal["target", "state"] | None = Field(
        None,
        description="Who keeps the cursor: the target, in the same transaction as the rows (the default where it can), or our state.",
    )
    cursor_table: str | None = Field(
        None,
        pattern=r"^([A-Za-z_]\w*\.)?[A-Za-z_]\w*$",
        description="TABLE or SCHEMA.TABLE where the target keeps its cursors; drawbar_sync beside the target when absent.",
    )
    name: RowTemplate | None = Field(None, description="Name of the file that is written to a feed.")

    @property
    def place(self) -> str:
        """Name the key that says where in the adapter."""
        return one_of(self, _TO)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        place = self.place
        allowed = {"table": {"mode", "key", "load"}, "operation": {"key"}, "writes": {"load"}}.get(place, set())
        if said := [name for name in ("mode", "key", "load") if getattr(self, name) and name not in allowed]:
            raise PydanticCustomError("table", "{said}: only for a table", {"said": ", ".join(said)})
        if self.concurrency != 1 and self.operation is None:
            raise PydanticCustomError("concurrency", "concurrency: only for an operation")
        if self.cursor is not None and not self.is_database:
            raise PydanticCustomError("cursor", "cursor: only a table has a place for it; elsewhere our state keeps it")
        if self.name is not None and self.feed is None:
            raise PydanticCustomError("name", "name: only files of a feed are named")
        if self.writes is not None:
            _check_writes(self.writes, self.cursor)
        if self.cursor_table is not None and (not self.is_database or self.cursor == "state"):
            raise PydanticCustomError("cursor_table", "cursor_table: only where the target keeps the cursor")
        if self.mode in (None, "insert") and self.table is not None and self.cursor == "state":
            raise PydanticCustomError(
                "cursor", "cursor: state repeats rows after a crash, so it needs mode upsert or replace"
            )
        return self

    @property
    def is_database(self) -> bool:
        return self.table is not None or self.writes is not None

    @property
    def modes(self) -> set[str]:
        """Give how its tables are written; none where rows go elsewhere."""
        if self.writes is not None:
            return {one.mode or "insert" for one in self.writes}
        return {self.mode or "insert"} if self.table is not None else set()


def _check_writes(writes: list[WriteConfig], cursor: str | None) -> None:
    modes = {one.mode or "insert" for one in writes}
    if len({one.table for one in writes}) < len(writes):
        raise PydanticCustomError("writes", "writes: a table stands there twice; its rows would be in no order")
    if modes - {"upsert", "replace"} and cursor == "state":
        raise PydanticCustomError(
            "cursor", "cursor: state repeats rows after a crash, so it needs mode upsert or replace"
        )
    if "replace" in modes and modes != {"replace"}:
        raise PydanticCustomError("writes", "writes: either all tables are replaced or none is")


class RejectRules(Strict):
    """How many records may fail before the whole portion does, and where they go."""

    max_share: float | None = Field(None, ge=0, le=1, description="Of the records of one portion.")
    max_count: int | None = Field(None, ge=0, description="Records of one portion.")
    to: str = Field("./rejects", description="A folder; each portion with rejects writes one JSON Lines file.")

    def allow(self, rejected: int, read: int) -> bool:
        """Say whether so many of so many are within bounds; without any bound none is."""
        if self.max_share is None and self.max_count is None:
            return rejected == 0
        within_share = self.max_share is None or rejected <= self.max_share * read
        return within_share and (self.max_count is None or rejected <= self.max_count)


class LookupConfig(Strict):
    """A row of another table for each row: `lookup.NAME.column` in the mapping."""

    adapter: str = Field(description="A database.")
    table: str = Field(description="One of its tables.")
    key: dict[str, RowTemplate] = Field(min_length=1, description="Column of that table: the value to look for.")
    columns: list[str] = Field(min_length=1, description="What is taken of the row that is found.")
    missing: Literal["reject", "null"] = Field(
        "reject", description="When there is no such row: reject ours, or let the columns be null."
    )
    remember: int = Field(100_000, ge=0, description="Keys that are remembered during a run.")


class CallConfig(Strict):
    """A call of a tool that reads, for each row: `called.NAME` is its answer in the mapping."""

    tool: str = Field(description="ADAPTER.TOOL; its effect must be read.")
    with_: dict[str, RowTemplate] = Field(default_factory=dict, alias="with", description="Its arguments.")
    on_error: Literal["reject", "null", "fail"] = Field(
        "reject",
        description="When it says no: reject the row, go on with null, or fail. A system that is away always fails the run.",
    )
    concurrency: int = Field(4, ge=1, le=64, description="Calls at a time, within the system's budget.")
    remember: int = Field(10_000, ge=0, description="Answers that are remembered during a run, by their arguments.")


class SyncTotal(Strict):
    """A sum that must be the same at both ends."""

    sum: str = Field(description="A column of the target, of whole or decimal numbers.")


class DeleteRules(Strict):
    """Rows of the target whose key the source has no more are deleted after each run; everything else in it is left."""

    max_share: float = Field(
        0.1, gt=0, le=1, description="Of the target's rows; when more are gone, nothing is deleted and the run fails."
    )
    max_count: int | None = Field(None, ge=1, description="Rows at once.")

    def allow(self, gone: int, total: int) -> bool:
        return gone == 0 or (
            gone <= max(1.0, self.max_share * total) and (self.max_count is None or gone <= self.max_count)
        )


class PartitionRules(Strict):
    """A whole table in ranges of its key, several at a time; a load that was cut off goes on with the ranges that are left."""

    by: str | None = Field(None, description="A column that is never null; the first one of the key when absent.")
    ranges: int = Field(16, ge=1, le=4096, description="So many ranges, of about as many rows each.")
    parallel: int = Field(4, ge=1, le=64, description="So many at a time, within the budgets of both systems.")
    workers: bool = Field(
        False,
        description="Spread them over all processes that work on runs, as items of a task; absent, or where nobody works: threads of this process.",
    )


class SyncConfig(Strict):
    """Rows from one system to another, in batches, from a cursor on."""

    description: str | None = None
    from_: SyncFrom = Field(alias="from")
    where: RowTemplate | None = Field(None, description="Only these rows; the others count as filtered.")
    to: SyncTo
    map: dict[str, RowTemplate] | None = Field(
        None, description="Target column: value. Rows pass unchanged when absent."
    )
    rejects: RejectRules = RejectRules()
    triggers: list[TriggerConfig] = Field(default_factory=list)
    batch_rows: int = Field(5000, ge=1, le=1_000_000, description="Rows that are held in memory at once.")
    lookups: dict[str, LookupConfig] = Field(
        default_factory=dict, description="Rows of other tables, by a name of their own."
    )
    calls: dict[str, CallConfig] = Field(default_factory=dict, description="Answers of tools, by a name of their own.")
    schema_: Path | dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of a mapped row, or its file; rows that break it are rejects."
    )
    totals: list[SyncTotal] = Field(
        default_factory=list,
        description="Sums that source and target must agree on, with the number of rows, before anything is committed; for a whole table with mode replace. Files have totals of their own.",
    )
    deletes: DeleteRules | None = Field(
        None, description="Delete what is gone from the source, found by comparing keys; {} for the defaults."
    )
    on_drift: Literal["fail", "ignore", "add_column"] = Field(
        "fail",
        description="When columns of the source came, went or changed so that the target has no place for them: fail, go on without them, or add what is new to the target.",
    )

    partitions: PartitionRules | None = Field(
        None, description="Load a whole table in parallel ranges of its key; {} for the defaults."
    )

    @property
    def is_plain(self) -> bool:
        """Tell whether rows need nothing from elsewhere and no proof of their own."""
        return not self.lookups and not self.calls and self.schema_ is None

    def sink_spec(self) -> dict[str, Any]:
        """Give what a sink is opened with: `to`, what to do about drift, and the columns that will be written, if they are known."""
        said = self.to.model_dump(by_alias=True, exclude_none=True, exclude={"writes"})
        if self.map is not None:
            said["columns"] = list(self.map)
        if self.to.writes is not None:
            said["writes"] = [
                {**one.model_dump(include={"table", "mode", "key"}, exclude_none=True), "columns": list(one.map)}
                for one in self.to.writes
            ]
        return {**said, "on_drift": self.on_drift}

    @field_validator("triggers")
    @classmethod
    def _no_input(cls, given: list[TriggerConfig]) -> list[TriggerConfig]:
        if any(trigger.input is not None for trigger in given):
            raise PydanticCustomError("trigger", "a sync takes no input: leave input out of its triggers")
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for key, said in misfits(self):
            raise PydanticCustomError(key, "{said}", {"said": said})
        return self


def one_of(model: Strict, names: tuple[str, ...]) -> str:
    """Give the name of the one field that is set; anything but one is an error."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        found = f"not {' and '.join(given)}" if given else "none is given"
        raise PydanticCustomError(
            "one_of", "exactly one of {names} is needed, {found}", {"names": ", ".join(names), "found": found}
        )
    return given[0]
