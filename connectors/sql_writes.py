"""Write a record into several tables of one database, in one transaction with the cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy.engine import Connection

from ..core.batch import Columns, Cursor, Row, RowRefused, Would, Written
from ..core.errors import ConfigError
from .sql import Database
from .sql_compare import TableCompared
from .sql_marks import Marking, Marks
from .sql_sink import TableSink, TableWriting
from .sql_steps import STEP_S

_SAMPLES = 20


class TablesSink:
    """
    Several tables as the target of one sync, in the order in which they are written.

    A row is `{"0": rows of the first table, "1": rows of the second, ...}`: it is written into all of them or into none.
    """

    def __init__(self, database: Database, parts: Sequence[TableSink]) -> None:
        self._database = database
        self._parts = parts
        self._lead = next((part for part in parts if part.is_inserted), parts[0])
        if (odd := next((part for part in parts if not part.transactional), None)) is not None:
            said = f"{odd.name} is of an engine without transactions, so that it cannot be written together with others"
            raise ConfigError(said, field="to.writes")

    @property
    def keeps_cursor(self) -> bool:
        return self._lead.keeps_cursor

    @property
    def one_effect(self) -> tuple[bool, str]:
        return self._lead.one_effect

    def peek(self) -> None:
        """Make nothing beside the targets."""
        self._lead.peek()

    def cursor(self) -> Cursor:
        return self._lead.cursor()

    def has(self, portion: str) -> bool:
        return self._lead.has(portion)

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None) -> Iterator[TablesWriting]:
        keeps = self.keeps_cursor
        with self._database.unit("write", timeout_s=STEP_S, steps=True) as connection:
            for part in reversed(self._parts):  # what refers to others goes first
                part.clear(connection)
            begun = [(part.name, part.begun(connection, None)) for part in self._parts]
            writing = TablesWriting(connection, begun, self._lead.marks if keeps else None)
            yield writing
            if not writing.committed:
                connection.rollback()

    @contextmanager
    def comparing(self) -> Iterator[TablesCompared]:
        with ExitStack() as stack:
            yield TablesCompared([stack.enter_context(part.comparing()) for part in self._parts])

    def ddl(self) -> str:
        return self._lead.ddl()

    def grants(self) -> str | None:
        return self._lead.grants()

    def rewind(self, cursor: Cursor) -> None:
        self._lead.rewind(cursor)

    def close(self) -> None: ...


class TablesWriting(Marking):
    """One transaction over several tables."""

    def __init__(self, connection: Connection, parts: Sequence[tuple[str, TableWriting]], marks: Marks | None) -> None:
        self._connection = connection
        self._parts = parts
        self._marks = marks
        self.committed = False

    def write(self, rows: Sequence[Row]) -> Written:
        """Write records; `RowRefused` names those of which any table refuses a row, and then none is written."""
        inside = self._connection.begin_nested()
        for at, (name, writing) in enumerate(self._parts):
            own, owners = _of_table(rows, at)
            if not own:
                continue
            try:
                writing.write(own)
            except RowRefused as error:
                inside.rollback()
                reasons: dict[int, str] = {}
                for place, reason in error.reasons.items():
                    reasons.setdefault(owners[place], f"{name}: {reason}")
                first = min(reasons)
                raise RowRefused(first, reasons[first], reasons) from error
        inside.commit()
        return Written(inserted=len(rows))


class TablesCompared:
    """What records would do to several tables."""

    def __init__(self, parts: Sequence[TableCompared]) -> None:
        self._parts = parts

    def write(self, rows: Sequence[Row]) -> Written:
        for at, part in enumerate(self._parts):
            own, owners = _of_table(rows, at)
            try:
                part.write(own)
            except RowRefused as error:
                reasons = {owners[place]: reason for place, reason in error.reasons.items()}
                first = min(reasons)
                raise RowRefused(first, reasons[first], reasons) from error
        return Written(inserted=len(rows))

    def would(self) -> Would:
        found = [part.would() for part in self._parts]
        names = ("inserted", "updated", "deleted", "unchanged")
        counts = Written(*(sum(getattr(one.counts, name) for one in found) for name in names))
        return Would(counts, [sample for one in found for sample in one.samples][:_SAMPLES])


def _of_table(rows: Sequence[Row], at: int) -> tuple[Columns | list[Row], list[int]]:
    """Give the rows of one table, and for each the record that it belongs to."""
    own: list[Row] = []
    owners: list[int] = []
    for number, row in enumerate(rows):
        lines: Sequence[dict[str, Any]] = row[str(at)]
        own += lines
        owners += [number] * len(lines)
    if not own:
        return own, owners
    names = list(own[0])
    return Columns.of(names, [tuple(one.values()) for one in own], [None] * len(names)), owners
