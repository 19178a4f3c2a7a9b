"""XML elements to values and back: by columns with paths, or all that an element has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any
from xml.sax.saxutils import escape, quoteattr

from pydantic import BeforeValidator, Field

from ...core.batch import Row
from .scalars import ColumnSpec, named_columns, parser, printer

_NAME = re.compile(r"(?:[^\W\d][\w.\-]*:)?[^\W\d][\w.\-]*")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NIL = f"{{{_XSI}}}nil"
_TEXT = "#text"


class XmlColumn(ColumnSpec):
    """One column of an XML record."""

    path: str | None = Field(
        None, description="Where it stands: @id, customer/name, customer/@no, or . for the element's own text."
    )
    many: bool = Field(False, description="The path may be there several times: the column is a list.")

    @property
    def parts(self) -> list[str]:
        """Give the names of its path; none for the element itself."""
        path = self.path or self.name
        return [] if path == "." else path.split("/")

    def column(self) -> Any:
        from .format import Column as Described

        one = super().column()
        return Described(self.name, "array", of=(one,)) if self.many else one


Column = Annotated[list[XmlColumn], BeforeValidator(named_columns)]


class Names:
    """Prefixed names and the namespaces behind their prefixes."""

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        self._namespaces = namespaces

    def check(self, name: str) -> None:
        """Raise ValueError for what is no XML name, or has a prefix that nobody declared."""
        if name == ".":
            return
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an element or attribute")
        prefix, colon, _ = name.rpartition(":")
        if colon and prefix not in self._namespaces:
            raise ValueError(f"the prefix of {name} is not among namespaces")

    def matcher(self, name: str) -> Callable[[Any], bool]:
        """Compile a name to a test of lxml's tags; without a prefix any namespace is right."""
        prefix, colon, local = name.rpartition(":")
        if colon:
            return f"{{{self._namespaces[prefix]}}}{local}".__eq__
        return lambda tag: isinstance(tag, str) and tag.rpartition("}")[2] == name

    def declarations(self) -> Iterator[str]:
        yield f' xmlns:xsi="{_XSI}"'
        for prefix, uri in self._namespaces.items():
            if prefix != "xsi":
                yield f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}"


class Readers:
    """Elements to values."""

    def __init__(self, columns: Sequence[XmlColumn], names: Names, lists: Sequence[str]) -> None:
        self._lists = frozenset(lists)
        self._columns = [
            (
                column,
                [(part.startswith("@"), names.matcher(part.removeprefix("@"))) for part in column.parts],
                parser(column, "."),
            )
            for column in columns
        ]

    def values(self, element: Any) -> dict[str, Any]:
        if not self._columns:
            found = self._whole(element)
            return found if isinstance(found, dict) else {_TEXT: found}
        values: dict[str, Any] = {}
        for column, parts, parse in self._columns:
            try:
                texts = [_typed(column, text, parse) for text in _texts(element, parts)]
            except ValueError as wrong:
                raise ValueError(f"{column.name}: {wrong}") from wrong
            if column.many:
                values[column.name] = texts
            elif len(texts) > 1:
                raise ValueError(f"{column.name}: it is there {len(texts)} times; say many: true for a list")
            else:
                values[column.name] = texts[0] if texts else None
        return values

    def _whole(self, element: Any) -> Any:
        """Give all of an element: text, or an object of its attributes (@name), its elements and its own #text."""
        if element.get(_NIL) in {"true", "1"}:
            return None
        values: dict[str, Any] = {
            f"@{_local(name)}": value for name, value in element.attrib.items() if not name.startswith(f"{{{_XSI}}}")
        }
        text = _own_text(element)
        for inner in element:
            name = _local(inner.tag)
            value = self._whole(inner)
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name not in values:
                values[name] = value
            else:
                before = values[name]
                values[name] = [*before, value] if isinstance(before, _Several) else _Several([before, value])
        if not values:
            return text
        if text.strip():
            values[_TEXT] = text
        return values


class _Several(list[Any]):
    """A list that came of an element's standing there more than once."""


class Writers:
    """Values to the text of elements."""

    def __init__(self, columns: Sequence[XmlColumn], names: Names) -> None:
        self._names = names
        self._columns = {column.name: (column, printer(column, ".")) for column in columns}

    def element(self, name: str, values: Row) -> str:
        """Give a record's element; ValueError names what does not fit."""
        return self._text(name, self._placed(values) if self._columns else values)

    def _placed(self, values: Row) -> dict[str, Any]:
        """Put columns at their paths."""
        if unknown := [name for name in values if name not in self._columns]:
            raise ValueError(f"there is no column {unknown[0]}")
        placed: dict[str, Any] = {}
        shown: Any
        for name, (column, show) in self._columns.items():
            if name not in values:
                continue
            value = values[name]
            try:
                shown = [show(one) for one in value or ()] if column.many else None if value is None else show(value)
            except ValueError as wrong:
                raise ValueError(f"{name}: {wrong}") from wrong
            inside = placed
            *around, last = column.parts or [_TEXT]
            if column.many and last.startswith("@") and around:
                *around, owner = around
                shown, last = [{last: one} for one in shown or ()], owner
            for part in around:
                inside = inside.setdefault(part, {})
            if shown is not None or not (last.startswith("@") or last == _TEXT):
                inside[last] = shown
        return placed

    def _text(self, name: str, value: Any) -> str:
        self._names.check(name)
        if value is None:
            return f'<{name} xsi:nil="true"/>'
        if not isinstance(value, Mapping):
            return f"<{name}>{escape(_plain(name, value))}</{name}>"
        attributes, inner = [], []
        for key, part in value.items():
            if key == _TEXT:
                inner.append(escape(_plain(key, part)))
            elif key.startswith("@"):
                self._names.check(key[1:])
                if part is not None:
                    attributes.append(f" {key[1:]}={quoteattr(_plain(key, part))}")
            elif isinstance(part, (list, tuple)):
                inner += [self._text(key, one) for one in part]
            else:
                inner.append(self._text(key, part))
        return f"<{name}{''.join(attributes)}>{''.join(inner)}</{name}>"


_show = printer(ColumnSpec(name="text"), ".")


def _plain(name: str, value: Any) -> str:
    try:
        text = _show(value)
    except ValueError as wrong:
        raise ValueError(f"{name}: {wrong}") from wrong
    if found := _NOT_XML.search(text):
        raise ValueError(f"{name}: the character {found.group()!r} cannot stand in XML")
    return text


def _texts(element: Any, parts: Sequence[tuple[bool, Callable[[Any], bool]]]) -> list[str | None]:
    found = [element]
    for is_attribute, matches in parts:
        if is_attribute:
            return [value for one in found for name, value in one.attrib.items() if matches(name)]
        found = [inner for one in found for inner in one if matches(inner.tag)]
    return [None if one.get(_NIL) in {"true", "1"} else _own_text(one) for one in found]


def _typed(column: XmlColumn, text: str | None, parse: Callable[[str], Any]) -> Any:
    if text is None or text in column.null:
        return None
    if column.type == "string":
        return text
    bare = text.strip()
    return parse(bare) if bare else None


def _own_text(element: Any) -> str:
    return (element.text or "") + "".join(inner.tail or "" for inner in element)


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


__all__ = ["Column", "Names", "Readers", "Writers", "XmlColumn"]
