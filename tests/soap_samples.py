"""
Values for the input schemas of SOAP operations, drawn by Hypothesis.

hypothesis-jsonschema ends at draft 7 and draws objects by trial, which seldom hits our `oneOf` over fields; the schemas
that we make use few words, so the strategies are made from these.
"""

import base64
import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from lxml import etree

from drawbar.connectors.soap_scalars import reader
from drawbar.connectors.soap_types import Simple

Schema = dict[str, Any]
_DEEPEST = 4
_CHARS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
_TYPED = st.characters(min_codepoint=32, max_codepoint=0xFF, exclude_categories=["Cc"])
_XML = st.sampled_from(['<x:a xmlns:x="urn:other">1 &amp; 2</x:a>', '<b xmlns="urn:other"><c/></b>'])
_URI = st.sampled_from(["urn:a:b", "http://a.example/b?c=1&d=2", "b/../c", "mailto:a@example.com"])
_NUMERALS = {"decimal", "integer"}


def samples(schema: Schema) -> st.SearchStrategy[Any]:
    """Give values that fit the schema of a message."""
    valid = jsonschema_rs.Draft202012Validator(schema).is_valid
    return _Strategies(schema).of(schema, 0).filter(valid)


def drawn(schema: Schema, examples: int, check: Callable[[Any], None]) -> None:
    """Hold a check against values that are drawn for a schema; the same ones in every run."""
    quiet = settings(max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    seed(1)(quiet(given(samples(schema))(check)))()


def settled(value: Any, empty: Any = None) -> Any:
    """Spell alike what means the same: numbers, moments, blanks, XML, and what is not there; zeep reads `empty` texts as nothing."""
    if isinstance(value, dict):
        each = {name: settled(item, empty) for name, item in value.items()}
        return {name: item for name, item in each.items() if item not in ([], None, {}, empty)}
    if isinstance(value, list):
        return [settled(item, empty) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if value == empty:
        return None
    if isinstance(value, str) and value.startswith(("<x:a ", "<b ")):
        return _tree(etree.fromstring(value))
    text = " ".join(part for part in str(value).replace("\t", " ").replace("\n", " ").split(" ") if part)
    try:
        return f"{Decimal(text).normalize():f}"
    except InvalidOperation:
        moments = (reader(Simple(base))(text) for base in ("dateTime", "time", "duration"))
        return next((repr(each) for each in moments if not isinstance(each, str)), text)


def _tree(node: Any) -> Any:
    return node.tag, node.text, dict(node.attrib), [_tree(child) for child in node]


class _Strategies:
    """Makes a strategy for each schema and depth once: making them costs more than drawing from them."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._made: dict[tuple[int, int], st.SearchStrategy[Any]] = {}

    def of(self, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        depth = min(depth, _DEEPEST)
        key = id(schema), depth
        if key not in self._made:
            self._made[key] = st.deferred(lambda: self._made[key])
            self._made[key] = self._make(schema, depth)
        return self._made[key]

    def _make(self, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            named = self._root["$defs"][schema["$ref"].rpartition("/")[2]]
            return st.deferred(lambda: self.of(named, depth + 1))
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            branches = sorted(schema["anyOf"], key=lambda one: len(json.dumps(one)))
            return st.one_of([self.of(one, depth + 1) for one in branches[: 1 if depth == _DEEPEST else None]])
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return st.one_of([self._make({**schema, "type": kind}, depth) for kind in kinds])
        if kinds == "object":
            return self._objects(schema, depth)
        if kinds == "array":
            low = schema.get("minItems", 0)
            high = min(schema.get("maxItems", low + 2), low + (2 if depth < _DEEPEST else 0))
            return st.lists(self.of(schema["items"], depth + 1), min_size=low, max_size=high)
        return _scalars(schema, str(kinds))

    def _objects(self, schema: Schema, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        properties: Schema = schema.get("properties", {})
        if isinstance(schema.get("additionalProperties"), dict):  # attributes that nobody declared
            return st.just({"{urn:other}a": "1 & 2"})
        if properties.keys() == {"xml"}:
            return _XML.map(lambda text: {"xml": text})
        fits = jsonschema_rs.Draft202012Validator(_shape(schema)).is_valid
        names = _names(schema, depth).filter(lambda names: fits(dict.fromkeys(names, 1)))
        each = {name: self.of(one, depth + 1) for name, one in properties.items()}
        return names.flatmap(lambda names: st.fixed_dictionaries({name: each[name] for name in each if name in names}))


def _scalars(schema: Schema, kind: str) -> st.SearchStrategy[Any]:
    if kind == "null":
        return st.none()
    if kind == "boolean":
        return st.booleans()
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "integer":
        most = 10**14
        return st.integers(-most if low is None else max(low, -most), most if high is None else min(high, most))
    if kind == "number":
        if schema.get("format") == "decimal":
            return st.integers(-(10**6) if low is None else int(low), 10**6 if high is None else int(high))
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if "contentEncoding" in schema:
        return st.binary(max_size=40).map(lambda body: base64.b64encode(body).decode())
    if schema.get("format") == "decimal":
        low, high = (schema.get(name, one) for name, one in (("exclusiveMinimum", low), ("exclusiveMaximum", high)))
        low, high = -999 if low is None else low, 999 if high is None else min(high, 999)
        within = st.decimals(low, high, allow_nan=False, allow_infinity=False, places=2)
        return within.filter(lambda one: one not in (low, high) or "minimum" in schema).map(lambda one: f"{one:f}")
    if schema.get("format") == "integer":
        return st.integers(low, high).map(str)
    return _texts(schema)


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if schema.get("description") == "One element, as XML.":
        return _XML
    if schema.get("description") == "URI.":
        return _URI
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("\\d", "[0-9]"), fullmatch=True, alphabet=_TYPED)
    return st.text(_CHARS, min_size=low, max_size=low + 12 if high is None else min(high, low + 12))


def _shape(schema: Schema) -> Schema:
    """Keep of an object's schema what speaks of the presence of fields alone."""
    kept = ("required", "oneOf", "allOf", "dependentRequired")
    return {key: schema[key] for key in kept if key in schema}


@st.composite
def _names(draw: st.DrawFn, schema: Schema, depth: int) -> set[str]:
    """Choose which fields are there: what is needed, one alternative of each choice, some of the others."""
    names, away = set(schema.get("required", ())), set[str]()
    rules = [schema, *schema.get("allOf", ())]
    for alternatives in [rule["oneOf"] for rule in rules if "oneOf" in rule]:
        wanted = draw(st.sampled_from(alternatives))
        mine = set(wanted.get("required", ()))
        if "anyOf" in wanted:
            mine |= set(draw(st.sampled_from(wanted["anyOf"]))["required"])
        for other in alternatives:
            away |= {name for one in [other, *other.get("anyOf", ())] for name in one.get("required", ())} - mine
        names |= mine
        away -= mine
    if depth < _DEEPEST:
        names |= (
            draw(st.sets(st.sampled_from(free)))
            if (free := sorted(schema["properties"].keys() - names - away))
            else set()
        )
    for rule in rules:
        for name in sorted(names):
            names |= set(rule.get("dependentRequired", {}).get(name, ()))
    return names
