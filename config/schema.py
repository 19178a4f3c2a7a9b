"""The configuration's JSON Schema (2020-12), for editors and for finding near keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..core.adapter import AdapterConfig, find, kinds
from ..core.errors import ConfigError
from .models import Config

Schema = dict[str, Any]
URI = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{(env|file):[^{}]+\}"}
_SCALARS = {"integer", "number", "boolean"}


def published() -> Schema:
    """Give the schema of a whole file, with every kind of adapter that can be used here."""
    return compose(sorted(kinds()))


def compose(names: Iterable[str]) -> Schema:
    """Give the schema with the adapters of these kinds; one whose package is missing is left out."""
    models: dict[str, type[AdapterConfig]] = {}
    for name in names:
        try:
            models[name] = find(name).Config
        except ConfigError:
            continue
    every: list[type[BaseModel]] = [Config, *models.values()]
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in every]
    references, definitions = models_json_schema(wanted, ref_template="#/$defs/{model}")
    defs: Schema = definitions["$defs"]
    root = defs.pop(references[Config, "validation"]["$ref"].rpartition("/")[2])
    adapters = {name: references[model, "validation"] for name, model in models.items()}
    root["properties"]["adapters"]["additionalProperties"] = {"$ref": "#/$defs/Adapter"}
    root["properties"]["adapters"].pop("patternProperties", None)
    defs["Adapter"] = _adapter(adapters)
    for schema in (root, *defs.values()):
        _open_to_references(schema)
    return {
        "$schema": URI,
        "$id": "urn:drawbar:configuration:1",
        "title": "Drawbar configuration",
        **{key: value for key, value in root.items() if key != "title"},
        "patternProperties": {"^x-": {"description": "Anything: a place for anchors."}},
        "$defs": dict(sorted(defs.items())),
    }


def _adapter(adapters: Mapping[str, Schema]) -> Schema:
    """Choose by `kind`, so that an editor offers the keys of that kind alone."""
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string", "enum": sorted(adapters), "description": "Which adapter."}},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": reference}
            for kind, reference in sorted(adapters.items())
        ],
    }


def _open_to_references(schema: Any) -> None:
    """Let a number be written as `${env:PORT}`: the reference is filled before the type is looked at."""
    if isinstance(schema, list):
        for item in schema:
            _open_to_references(item)
        return
    if not isinstance(schema, dict):
        return
    for key, inner in list(schema.items()):
        if key in {"default", "const", "enum", "examples"}:
            continue
        _open_to_references(inner)
        if key in {"properties", "$defs", "patternProperties"}:
            for name, field in inner.items():
                inner[name] = _or_reference(field)
        elif key in {"additionalProperties", "items"} and isinstance(inner, dict):
            schema[key] = _or_reference(inner)


def _or_reference(field: Any) -> Any:
    if not isinstance(field, dict) or field.get("type") not in _SCALARS or "const" in field:
        return field
    outside = {name: field[name] for name in ("title", "description", "default") if name in field}
    inside = {name: value for name, value in field.items() if name not in outside}
    return {**outside, "anyOf": [inside, _REFERENCE]}


def known_keys(schema: Schema, path: Iterable[Any], data: Any) -> set[str]:
    """Name the keys that a mapping at a path of `data` may have; empty where any may stand."""
    here = [schema]
    for step in path:
        data = _below(data, step)
        here = [found for one in here for found in _step(schema, one, step, data)]
    spread = [found for one in here for found in _spread(schema, one, data)]
    return {name for one in spread for name in one.get("properties", {})}


def _below(data: Any, step: Any) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return None


def _step(root: Schema, schema: Schema, step: Any, data: Any) -> Iterator[Schema]:
    for one in _spread(root, schema, None):
        if isinstance(step, int):
            found = one.get("items")
        else:
            found = one.get("properties", {}).get(step, one.get("additionalProperties"))
            if found is None or isinstance(found, bool):
                found = next(iter(one.get("patternProperties", {}).values()), None)
        if isinstance(found, dict):
            yield from _spread(root, found, data)


def _spread(root: Schema, schema: Schema, data: Any, depth: int = 0) -> Iterator[Schema]:
    """Follow references and alternatives; an `if` on a kind is decided by the data."""
    if depth > 20:
        return
    yield schema
    if "$ref" in schema:
        target = root["$defs"].get(schema["$ref"].rpartition("/")[2], {})
        yield from _spread(root, target, data, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, ()):
            yield from _spread(root, one, data, depth + 1)
    if "if" in schema and isinstance(data, dict):
        wanted = schema["if"]["properties"]["kind"]["const"]
        if data.get("kind") == wanted:
            yield from _spread(root, schema["then"], data, depth + 1)
