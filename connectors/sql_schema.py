"""Columns and tables as JSON Schema: decimals and wide integers are strings outward, and either inward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .sql_model import ORDERED, Column, Kind, Table

Schema = dict[str, Any]

_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGER = r"^-?[0-9]+$"
_OUT: dict[Kind, Schema] = {
    "integer": {"type": "integer"},
    "bigint": {"type": "string", "format": "int64", "pattern": _INTEGER},
    "decimal": {"type": "string", "format": "decimal", "pattern": _DECIMAL},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timestamp": {"type": "string", "format": "date-time"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "interval": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "uuid": {"type": "string", "format": "uuid"},
    "array": {"type": "array"},
}
_IN: dict[Kind, Schema] = {
    **_OUT,
    "bigint": {"type": ["integer", "string"], "format": "int64", "pattern": _INTEGER},
    "decimal": {"type": ["string", "number"], "format": "decimal", "pattern": _DECIMAL},
}


def output(column: Column) -> Schema:
    """What a value of this column looks like in an answer."""
    return _said(_OUT.get(column.kind, {}), column, facets=False)


def accepted(column: Column) -> Schema:
    """What a caller may send for this column."""
    return _said(_IN.get(column.kind, {}), column, facets=True)


def _said(form: Schema, column: Column, *, facets: bool) -> Schema:
    said = dict(form)
    if column.values:
        said["enum"] = list(column.values)
    if facets and column.length and column.kind == "text":
        said["maxLength"] = column.length
    if column.nullable and "type" in said:
        types = said["type"]
        said["type"] = [*(types if isinstance(types, list) else [types]), "null"]
        if "enum" in said:
            said["enum"].append(None)
    if column.comment:
        said["description"] = column.comment
    return said


def row_output(columns: Iterable[Column], *, whole: bool) -> Schema:
    """What a row looks like in an answer; `whole` when no column is ever left out."""
    fields = {column.name: output(column) for column in columns}
    return {"type": "object", "properties": fields, **({"required": list(fields)} if whole else {})}


def rows_output(row: Schema) -> Schema:
    """The answer of a read."""
    return {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": row},
            "next": {"type": ["string", "null"], "description": "Give it back as `next` for the rows that follow."},
            "truncated": {"type": "boolean", "description": "True when a limit cut rows off."},
        },
        "required": ["rows", "next"],
    }


def count_output(rows: Schema | None = None, key: Schema | None = None) -> Schema:
    """The answer of a write."""
    fields: Schema = {"count": {"type": "integer"}}
    if rows is not None:
        fields["rows"] = {"type": "array", "items": rows}
    if key is not None:
        fields["key"] = key
    return {"type": "object", "properties": fields, "required": ["count"]}


def row_input(columns: Sequence[Column], required: Iterable[str]) -> Schema:
    """One row as arguments: what is absent is left alone, null is NULL."""
    fields = {column.name: accepted(column) for column in columns}
    needed = list(required)
    return {
        "type": "object",
        "properties": fields,
        "required": needed,
        "additionalProperties": False,
        **({"minProperties": 1} if not needed else {}),
    }


def query_input(columns: Sequence[Column], *, max_rows: int, pages: bool) -> Schema:
    """Filters, columns, order and page of a read of a table."""
    kinds = {_filter_name(column): column for column in columns}
    ordered = [column.name for column in columns if column.sortable]
    where = {column.name: {"$ref": f"#/$defs/{_filter_name(column)}"} for column in columns}
    fields: Schema = {
        "where": {
            "type": "object",
            "description": "Column: value, or column: {operator: value}; all of them must hold.",
            "properties": where,
            "additionalProperties": False,
        },
        "columns": {
            "type": "array",
            "items": {"enum": [column.name for column in columns]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "order": {
            "type": "array",
            "items": {"enum": [*ordered, *(f"{name} desc" for name in ordered)]},
            "uniqueItems": True,
        },
        "limit": {"type": "integer", "minimum": 1, "maximum": max_rows},
    }
    if pages:
        fields["next"] = {
            "type": "string",
            "description": "The `next` of the last answer, with the same where and order.",
        }
    return {
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        "$defs": {name: _filter(column.kind, ordered=column.sortable) for name, column in kinds.items()},
    }


def _filter_name(column: Column) -> str:
    """What a column keeps in an order that is not its values' order can be compared for being the same alone."""
    return f"{column.kind}_same" if column.kind in ORDERED and not column.sortable else column.kind


def _filter(kind: Kind, *, ordered: bool) -> Schema:
    nothing = {"is null": {"type": "boolean"}}
    if kind not in ORDERED and kind != "boolean":
        return _operators(nothing)
    value = dict(_IN[kind])
    same = {"=": value, "!=": value, "in": {"type": "array", "items": value, "maxItems": 1000}, **nothing}
    if kind == "boolean":
        return {"anyOf": [value, {"type": "null"}, _operators(same)]}
    more = dict.fromkeys(("<", "<=", ">", ">=") if ordered else (), value)
    if kind == "text":
        more["like"] = {"type": "string", "description": "% is any text, _ any character."}
    return {"anyOf": [value, {"type": "null"}, _operators({**same, **more})]}


def _operators(fields: Mapping[str, Any]) -> Schema:
    return {"type": "object", "properties": dict(fields), "additionalProperties": False, "minProperties": 1}


def key_output(table: Table) -> Schema:
    return row_output([table.column(name) for name in table.key], whole=False)
