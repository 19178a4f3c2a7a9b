"""Allowed procedures and functions as tools: call_<name>."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...connectors import sql_schema as schema
from ...connectors.sql_model import Called, Column, Procedure, Quirk
from ...connectors.sql_quirks import quirky
from ...core.errors import ConfigError
from ...core.tool import Call, Tool
from .config import ProcedureConfig
from .quirks import Quirks, quirks_of

if TYPE_CHECKING:
    from ...connectors.sql import Database
    from ...connectors.sql_session import Access


def procedure_tool(database: Database, tool: str, name: str, config: ProcedureConfig, every: Quirks) -> Tool:
    """Make the tool of a procedure; reads the catalogue."""
    from ...connectors import sql_calls as calls
    from ...connectors.sql_statements import Limits

    procedure = known(database, name, config, every)
    limits = Limits(config.max_rows, config.max_bytes)
    access = _access(config, procedure)

    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        done = calls.call(
            database, procedure, arguments, limits, access=access, timeout_s=call.left_s(), leaving=call.leaving
        )
        return answer(procedure, done)

    def preview(arguments: dict[str, Any]) -> dict[str, Any]:
        values = calls.bound(database, procedure, arguments)
        return {"sql": calls.sql_of(database, procedure, values), "parameters": arguments}

    about = config.description or procedure.comment or f"Call {procedure.full_name}."
    form, output = input_of(procedure), output_of(procedure)
    return Tool(tool, about, config.effect, form, output, run, preview, timeout_s=config.timeout_s)


def known(database: Database, name: str, config: ProcedureConfig, every: Quirks, *, whole: bool = True) -> Procedure:
    """
    Read what the catalogue knows of a procedure, with what is declared of it.

    ConfigError names what is declared and not there, if the `whole` declaration has to hold.
    """
    from ...connectors.sql_procedures import reflect_procedure
    from ...connectors.sql_statements import EVERY

    found = reflect_procedure(database, config.procedure or name)
    common, named = quirks_of(every, config.quirks)
    result = (found.result,) if found.result is not None else ()
    there = {column.name for column in (*found.rows, *result, *(argument.column for argument in found.arguments))}
    if whole and found.gives != "sets" and (strange := sorted(named.keys() - there)):
        said = f"procedures.{name}: {found.full_name} has no parameter or column {strange[0]!r}"
        raise ConfigError(said, field="quirks")

    def meant(column: Column) -> Column:
        return quirky(column, named.get(column.name, common))

    kinds = {each: Column(each, "text", quirk=quirk) for each, quirk in named.items()}
    return replace(
        found,
        arguments=tuple(replace(argument, column=meant(argument.column)) for argument in found.arguments),
        rows=tuple(map(meant, found.rows)),
        result=None if found.result is None else meant(found.result),
        kinds=kinds if common == Quirk() else {**kinds, EVERY: Column(EVERY, "text", quirk=common)},
    )


def looked_up(database: Database, name: str, config: ProcedureConfig, every: Quirks) -> str:
    """Say for `check` what the catalogue knows of a procedure."""
    procedure = known(database, name, config, every)
    said = ", ".join(f"{argument.mode} {argument.column.name}" for argument in procedure.arguments)
    commits = config.transactional and config.effect != "read" and procedure.commits
    return f"{procedure.full_name}({said}){'; it may commit by itself: nothing undoes it' if commits else ''}"


def _access(config: ProcedureConfig, procedure: Procedure) -> Access:
    if config.effect == "read":
        return "read"
    return "write" if config.transactional and not procedure.commits else "autocommit"


def input_of(procedure: Procedure) -> dict[str, Any]:
    inward = procedure.inward
    return {
        "type": "object",
        "properties": {argument.column.name: schema.accepted(argument.column) for argument in inward},
        "required": [argument.column.name for argument in inward if not argument.optional],
        "additionalProperties": False,
    }


def output_of(procedure: Procedure) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if outward := procedure.outward:
        fields["out"] = schema.row_output(outward, whole=True)
    if procedure.result is not None:
        fields["result"] = schema.output(procedure.result)
    if procedure.gives in {"rows", "sets"}:
        row = schema.row_output(procedure.rows, whole=False) if procedure.rows else {"type": "object"}
        fields["rows"] = {"type": "array", "items": row}
        fields["truncated"] = {"type": "boolean", "description": "True when a limit cut rows off."}
    if procedure.gives == "sets":
        following = {"type": "array", "items": {"type": "array", "items": {"type": "object"}}}
        fields["more"] = {**following, "description": "The result sets after the first."}
    needed = [name for name in ("out", "result", "rows") if name in fields]
    return {"type": "object", "properties": fields, "required": needed}


def answer(procedure: Procedure, done: Called) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if procedure.outward:
        said["out"] = dict(done.out or {})
    if procedure.result is not None:
        said["result"] = done.value
    if procedure.gives in {"rows", "sets"}:
        said["rows"] = done.sets[0].rows if done.sets else []
        if any(each.truncated for each in done.sets):
            said["truncated"] = True
    if len(done.sets) > 1:
        said["more"] = [each.rows for each in done.sets[1:]]
    return said
