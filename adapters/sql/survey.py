"""What callers depend on in a catalogue: for a pin, and for drift from it."""

from __future__ import annotations

from collections.abc import Sequence

from ...connectors import sql_schema as schema
from ...connectors.sql_model import Column, Procedure, Table
from ...core.drift import Part
from .procedures import input_of, output_of


def part_of_table(table: Table) -> Part:
    """A table: what may be written into it, what is read of it, and what identifies a row."""
    required = [column.name for column in table.columns if not column.nullable and not column.generated]
    unique = sorted(", ".join(sorted(names)) for names in table.unique)
    return Part(
        input=schema.row_input(table.columns, required),
        output=schema.row_output(table.columns, whole=True),
        facts={
            "key": ", ".join(table.key) or "none",
            "unique columns": "; ".join(unique) or "none",
            "transactions": "yes" if table.transactional else "no",
        },
        told={
            "comment": table.comment or "none",
            **{f"comment of {column.name}": column.comment for column in table.columns if column.comment},
        },
    )


def part_of_procedure(procedure: Procedure) -> Part:
    """A procedure; callers name their arguments, so that an optional one more breaks nobody."""
    modes = {argument.column.name: argument.mode for argument in procedure.arguments}
    return Part(
        input=input_of(procedure),
        output=output_of(procedure),
        facts={
            "form": f"{'function' if procedure.is_function else 'procedure'} that gives {procedure.gives}",
            "parameters both ways": ", ".join(name for name, mode in modes.items() if mode == "inout") or "none",
            "commits by itself": "yes" if procedure.commits else "no",
        },
        told={"comment": procedure.comment or "none"},
    )


def part_of_statement(columns: Sequence[Column] | None, problem: str | None) -> Part:
    """A statement of ours: what the database says that it answers."""
    output = None if columns is None else schema.row_output(columns, whole=True)
    return Part(output=output, facts={"planned by the database": problem or "yes"})
