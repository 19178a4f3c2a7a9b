"""YAML read to plain values, with the place of every key and value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from .problems import Problem, Spot

Path = tuple[str | int, ...]
MAX_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 100
_SHOWN = 60
_TAG = "tag:yaml.org,2002:"
QUOTE = "put the whole value in quotes"


@dataclass
class Document:
    """
    A file or several, as plain JSON values.

    `spots` maps a path to the places of its key and of its value; `problems` are the mistakes found so far,
    `holes` the values that could not be read.
    """

    data: dict[str, Any] = field(default_factory=dict)
    spots: dict[Path, tuple[Spot, Spot]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    holes: set[Path] = field(default_factory=set)
    start: Spot = field(default=Spot("drawbar.yaml", 1, 1))

    def key(self, path: Path) -> Spot:
        """Give the place of a key (of the nearest one above it that stands in a file)."""
        return self._nearest(path)[0]

    def value(self, path: Path) -> Spot:
        return self._nearest(path)[1]

    def _nearest(self, path: Path) -> tuple[Spot, Spot]:
        while path:
            if path in self.spots:
                return self.spots[path]
            path = path[:-1]
        return self.start, self.start


def parse(file: str, content: bytes) -> Document:
    """Read one file; mistakes of syntax are its `problems`."""
    document = Document(start=Spot(file, 1, 1))
    if len(content) > MAX_BYTES:
        document.problems.append(
            Problem(document.start, f"larger than {MAX_BYTES >> 20} MiB: no configuration", stage="syntax")
        )
        return document
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        spot = _spot_at(file, content[: error.start].decode("utf-8", "replace"))
        document.problems.append(Problem(spot, "not UTF-8", "save the file as UTF-8", "syntax"))
        return document
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError) as error:
        document.problems.append(_syntax_problem(file, text, error))
        return document
    if node is not None:
        _Reader(document).read(node)
    return document


def _spot_at(file: str, before: str) -> Spot:
    return Spot(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _TooMuch(Exception):
    pass


class _Reader:
    """One pass over the nodes of a file."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.file = document.start.file
        self.nodes = 0
        self.open: list[int] = []

    def read(self, root: Node) -> None:
        if not isinstance(root, MappingNode):
            self._wrong(root, "a configuration is a mapping with the keys version, adapters, workflows, ...")
            return
        try:
            if _weight(root, {}) > MAX_NODES:
                raise _TooMuch
            self.document.data = self._mapping(root, ())
        except (_TooMuch, RecursionError):
            self._wrong(
                root, f"larger than {MAX_NODES:,} values or deeper than {MAX_DEPTH}; do aliases repeat aliases?"
            )

    def _value(self, node: Node, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise _TooMuch
        if isinstance(node, ScalarNode):
            problems = len(self.document.problems)
            value = self._scalar(node)
            if len(self.document.problems) > problems:
                self.document.holes.add(path)
            return value
        if id(node) in self.open:
            self._wrong(node, f"the alias *{node.anchor} contains itself")
            self.document.holes.add(path)
            return None
        self.open.append(id(node))
        try:
            if isinstance(node, SequenceNode):
                return self._sequence(node, path)
            return self._mapping(node, path) if isinstance(node, MappingNode) else None
        finally:
            self.open.pop()

    def _sequence(self, node: SequenceNode, path: Path) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            spot = self._spot(item)
            self.document.spots[(*path, index)] = (spot, spot)
            items.append(self._value(item, (*path, index)))
        return items

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, Spot] = {}
        for key_node, value_node in self._pairs(node):
            key, spot = self._key(key_node), self._spot(key_node)
            if key is None:
                continue
            if key in first:
                said = f"{key!r} is defined twice"
                self._wrong(key_node, said, f"the first is at {first[key]}; remove or rename one")
                continue
            first[key] = spot
            self.document.spots[(*path, key)] = (spot, self._spot(value_node))
            found[key] = self._value(value_node, (*path, key))
        for merged in self._merged(node):
            for key_node, value_node in self._pairs(merged):
                key = self._key(key_node)
                if key is not None and key not in found:
                    self.document.spots[(*path, key)] = (self._spot(key_node), self._spot(value_node))
                    found[key] = self._value(value_node, (*path, key))
        return found

    def _pairs(self, node: MappingNode) -> Iterator[tuple[Node, Node]]:
        return ((key, value) for key, value in node.value if key.tag != f"{_TAG}merge")

    def _merged(self, node: MappingNode) -> Iterator[MappingNode]:
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            for one in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(one, MappingNode):
                    yield one
                    yield from self._merged(one)
                else:
                    self._wrong(one, "<<: takes a mapping or a list of mappings")

    def _key(self, node: Node) -> str | None:
        is_nothing = node.tag == f"{_TAG}null" and node.value != "null"  # `null:` is a key of formats
        if not isinstance(node, ScalarNode) or is_nothing:
            self._wrong(node, "a key must be text", "put it in quotes")
            return None
        return str(node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        kind, text = str(node.tag).removeprefix(_TAG), node.value
        if kind in {"str", "timestamp"}:
            if isinstance(text, str) and "${{" in text:
                self._closed(node, text)
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return _float(text)
        except ValueError:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            self._wrong(node, f"{shown} is not a number that JSON knows", "put it in quotes if it is text")
            return None
        self._wrong(node, f"the tag {node.tag} is not taken here", "remove it")
        return None

    def _closed(self, node: ScalarNode, text: str) -> None:
        at = text.replace("$${{", "$$$$").rfind("${{")
        if at < 0 or "}}" in text[at:]:
            return
        if node.style in {"'", '"', "|", ">"}:
            self._wrong(node, "'${{' is not closed by '}}'", "write ${{ ... }}")
        else:
            self._wrong(node, "the expression is cut off: YAML ends a plain value at ' #'", QUOTE)

    def _spot(self, node: Node) -> Spot:
        return Spot(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _wrong(self, node: Node, message: str, suggestion: str = "") -> None:
        self.document.problems.append(Problem(self._spot(node), message, suggestion, "syntax"))


def _weight(node: Node, known: dict[int, int]) -> int:
    """Count the values that a node stands for once its aliases are written out, without writing them out."""
    if id(node) not in known:
        known[id(node)] = 1  # what contains itself is told of by the reader
        inner = [value for _, value in node.value] if isinstance(node, MappingNode) else node.value
        if not isinstance(node, ScalarNode):
            known[id(node)] += sum([_weight(one, known) for one in inner])
    return known[id(node)]


def _integer(text: str) -> int:
    plain = text.replace("_", "")
    if re.fullmatch(r"[-+]?0[0-9]+", plain):
        return int(plain, 10)
    return int(plain, 0)


def _float(text: str) -> float:
    value = float(text.replace("_", ""))
    if value - value != 0:
        raise ValueError(text)
    return value


_SENTENCES: tuple[tuple[str, str, str], ...] = (
    (r"another document", "a second document begins here", "one file holds one document: remove the line '---'"),
    (r"character '\\t'", "a tab", "indent with spaces"),
    (r"character '(.+?)'", "a plain value cannot begin with {0}", QUOTE),
    (r"mapping values are not allowed", "a second ': ' in one plain value", f"{QUOTE}, or correct the indentation"),
    (r"undefined alias '(.+?)'", "there is no anchor &{0}", "a value that begins with * must stand in quotes"),
    (r"expected alphabetic", "a value cannot begin with * or &", QUOTE),
    (r"expected <block end>", "this line does not fit the lines above it", "correct the indentation"),
    (r"could not find expected ':'", "a key without ':'", "write `key: value`, or correct the indentation"),
    (r"unexpected end of stream", "the quote that begins here is not closed", "close it"),
    (
        r"expected ',' or '(.)'",
        "the list or mapping that begins here is not closed with {0}",
        "close it, or put values with { } [ ] , in quotes",
    ),
)
_AT_CONTEXT = ("unexpected end of stream", "expected ',' or")


def _syntax_problem(file: str, text: str, error: Exception) -> Problem:
    if isinstance(error, ReaderError):
        spot = _spot_at(file, text[: error.position])
        return Problem(spot, f"the control character {error.character!r}", "remove it", "syntax")
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return Problem(Spot(file, 1, 1), "nested too deep to be read", stage="syntax")
    said, mark = error.problem or "", error.problem_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    cut = _unquoted_expression(line)
    if cut is not None:
        spot = Spot(file, mark.line + 1, cut + 1)
        return Problem(spot, "YAML cannot read an expression that stands without quotes", QUOTE, "syntax")
    if any(word in said for word in _AT_CONTEXT) and error.context_mark is not None:
        mark = error.context_mark
    spot = Spot(file, mark.line + 1, mark.column + 1)
    for pattern, message, suggestion in _SENTENCES:
        if found := re.search(pattern, said):
            return Problem(spot, message.format(*found.groups()), suggestion, "syntax")
    return Problem(spot, f"{error.context or ''} {said}".strip(), stage="syntax")


def _unquoted_expression(line: str) -> int | None:
    """Find `${{` that begins a plain value: after `: `, `- `, `[`, `{` or `,`."""
    found = re.search(r"(?:[:\-]\s+|[\[{,]\s*)(\$\{\{)", line)
    return found.start(1) if found else None
