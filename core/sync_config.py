"""How the configuration spells a sync."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .expressions import Sees, Template
from .strict import Strict
from .workflow import TriggerConfig

RowTemplate = Annotated[
    Template, Sees("row", "record_no", "header", "trailer", "file", "message", "run", "lookup", "called")
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
_TO = ("table", "feed", "publish")


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


class SyncTo(Strict):
    """Where rows go: a table, a feed or a publication of an adapter."""

    adapter: str
    table: str | None = None
    feed: str | None = None
    publish: str | None = None
    mode: Literal["insert", "upsert", "replace"] | None = Field(
        None, description="How a table is written: insert (the default), upsert by key, or replace everything."
    )
    key: list[str] = Field(default_factory=list, description="Key of an upsert; the table's own when absent.")
    load: Literal["staged", "whole"] | None = Field(
        None,
        description="staged or whole: a portion is proven, then seen all at once; nothing is ever half loaded.",
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

    later: ClassVar[dict[str, str]] = {
        "writes": "several tables in one transaction are not built yet; use one sync a table until then",
        "each": "lines of a record as rows of their own are not built yet; remove it until then",
    }

    @field_validator("load", mode="before")
    @classmethod
    def _load(cls, given: Any) -> Any:
        return _not_yet(given, "load", "batched", "use staged or whole until then")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        one_of(self, _TO)
        if self.table is None and (said := [name for name in ("mode", "key", "load") if getattr(self, name)]):
            raise PydanticCustomError("table", "{said}: only for a table", {"said": ", ".join(said)})
        if self.cursor_table is not None and (self.table is None or self.cursor == "state"):
            raise PydanticCustomError("cursor_table", "cursor_table: only where the target keeps the cursor")
        if self.mode in (None, "insert") and self.table is not None and self.cursor == "state":
            raise PydanticCustomError(
                "cursor", "cursor: state repeats rows after a crash, so it needs mode upsert or replace"
            )
        return self


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

    later: ClassVar[dict[str, str]] = {
        "partitions": "parallel partitions are not built yet; remove it until then",
    }

    @property
    def is_plain(self) -> bool:
        """Tell whether rows need nothing from elsewhere and no proof of their own."""
        return not self.lookups and not self.calls and self.schema_ is None

    def sink_spec(self) -> dict[str, Any]:
        """Give what a sink is opened with: `to`, what to do about drift, and the columns that will be written, if they are known."""
        columns = {} if self.map is None else {"columns": list(self.map)}
        return {**self.to.model_dump(by_alias=True, exclude_none=True), "on_drift": self.on_drift, **columns}

    @field_validator("triggers")
    @classmethod
    def _no_input(cls, given: list[TriggerConfig]) -> list[TriggerConfig]:
        if any(trigger.input is not None for trigger in given):
            raise PydanticCustomError("trigger", "a sync takes no input: leave input out of its triggers")
        return given

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        cursor, mode = self.from_.cursor, self.to.mode or "insert"
        if cursor is not None and cursor.overlap_s and self.to.table is not None and mode != "upsert":
            raise PydanticCustomError("mode", "overlap_s reads rows again, so a table needs mode upsert")
        if cursor is not None and cursor.snapshot and (self.to.table is None or mode != "upsert"):
            raise PydanticCustomError(
                "mode", "snapshot reads rows again that change meanwhile, so it needs a table and mode upsert"
            )
        if cursor is not None and cursor.overlap_s and self.to.feed is not None:
            raise PydanticCustomError("mode", "overlap_s reads rows again, and a file would hold them a second time")
        ends = [(end.adapter, end.table, end.feed) for end in (self.from_, self.to)]
        if ends[0] == ends[1] and (self.to.table or self.to.feed):
            raise PydanticCustomError("to", "from and to are the same place: the sync would read what it writes")
        if self.deletes is not None and (self.from_.table is None or self.to.table is None or mode == "replace"):
            raise PydanticCustomError(
                "deletes", "deletes: compares a table with a table, and mode replace needs no such thing"
            )
        if self.totals and (
            self.from_.table is None or cursor is not None or mode != "replace" or self.where is not None
        ):
            raise PydanticCustomError("totals", "totals: only of a whole table that replaces a table, without where")
        if self.on_drift == "add_column" and (
            self.from_.table is None or self.to.table is None or self.map is not None
        ):
            raise PydanticCustomError("on_drift", "add_column: from a table into a table, and without a map")
        if mode == "replace" and (cursor is not None or self.from_.consume is not None):
            raise PydanticCustomError("mode", "mode replace needs everything at once: not a cursor, not a queue")
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


def _not_yet(given: Any, name: str, value: str, instead: str) -> Any:
    if given == value:
        raise PydanticCustomError(
            "not_yet",
            "{sentence}",
            {"key": name, "sentence": f"{name}: {value} is not built yet; {instead}"},
        )
    return given
