"""XML records: the elements of one path, read in a stream, without document types, entities or network."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from email.charset import Charset
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, field_validator, model_validator

from ...core.batch import Reject, Row
from ...core.errors import ConfigError, InputError
from .compression import FormatConfig
from .format import Begun, Column, Format, IncompleteFile, Record, Whole, WrongFile
from .framing import MAX_RECORD_BYTES, known_encoding
from .xml_values import Column as XmlColumns
from .xml_values import Names, Readers, Writers

_CHUNK = 1 << 16
_DOCTYPE = re.compile(rb"<!DOCTYPE|<[A-Za-z_:]")
_NO_DTD = "it has a document type declaration (DTD), which is refused"


class XmlConfig(FormatConfig):
    """XML records."""

    kind: Literal["xml"] = Field(description="Elements of an XML document.")
    record: str = Field(
        min_length=1,
        description="Path of a record's element from the root (orders/order, o:orders/o:order), "
        "or one name for elements wherever they stand.",
    )
    namespaces: dict[str, str] = Field(
        default_factory=dict,
        description="Prefixes of names in `record` and `columns`. A name without one is of any namespace when read; "
        "the prefix '' is the namespace of what is written.",
    )
    columns: XmlColumns = Field(
        default_factory=list,
        description="Names, types and paths (`@id`, `customer/name`, `.`). Without them a record has all that its element has.",
    )
    lists: list[str] = Field(
        default_factory=list, description="Names of elements that are lists even where one stands alone."
    )
    encoding: str | None = Field(
        None, description="Overrules what the document declares; what is written is utf-8 when absent."
    )
    max_record_bytes: int = Field(MAX_RECORD_BYTES, ge=64, description="A larger record makes the file wrong.")

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, given: str | None) -> str | None:
        return known_encoding(given) if given else given

    @model_validator(mode="after")
    def _fits(self) -> XmlConfig:
        names = Names(self.namespaces)
        for name in self.record.strip("/").split("/"):
            names.check(name)
        for column in self.columns:
            for part in column.parts:
                names.check(part.removeprefix("@"))
        return self

    def plain(self, base: Path) -> Format:
        if importlib.util.find_spec("lxml") is None:
            raise ConfigError("the format xml needs lxml", field="kind", next="pip install 'drawbar[xml]'")
        return Xml(self)


class Xml(Whole):
    """Reads and writes XML records; `raw` of a record is its element, written anew."""

    def __init__(self, config: XmlConfig) -> None:
        self._config = config
        self.is_closed = bool(config.columns)
        self._declared = Charset(config.encoding).input_charset if config.encoding else None
        self._names = Names(config.namespaces)
        self._path = config.record.strip("/").split("/")
        self._readers = Readers(config.columns, self._names, config.lists)
        self._writers = Writers(config.columns, self._names)

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        from lxml import etree

        for number, element in enumerate(self._elements(stream), 1):
            if number > start:
                raw = etree.tostring(element, encoding="utf-8", with_tail=False)
                try:
                    yield Record(number, "row", self._readers.values(element), raw)
                except ValueError as wrong:
                    yield Reject(number, f"line {element.sourceline}: {wrong}", raw)

    def writing(self, stream: BinaryIO) -> Begun:
        *around, name = self._path
        if not around:
            raise ConfigError(
                f"record: {self._config.record} has no root element to write it into; say root/{self._config.record}",
                field="record",
            )
        encoding = self._config.encoding or "utf-8"
        declared = Charset(encoding).input_charset.upper()
        said = "".join(self._names.declarations())
        opening = f"<{around[0]}{said}>" + "".join(f"<{outer}>" for outer in around[1:])
        stream.write(f'<?xml version="1.0" encoding="{declared}"?>\n{opening}\n'.encode(encoding))

        def more(rows: Iterable[Row | Record]) -> int:
            count = 0
            for count, row in enumerate(rows, 1):
                try:
                    text = self._writers.element(name, row.values if isinstance(row, Record) else row)
                except ValueError as wrong:
                    raise InputError(f"record {count}: {wrong}") from wrong
                stream.write(f"{text}\n".encode(encoding, "xmlcharrefreplace"))
            return count

        def finish() -> None:
            stream.write("".join(f"</{outer}>" for outer in reversed(around)).encode(encoding) + b"\n")

        return Begun(more, finish)

    def columns(self) -> list[Column] | None:
        return [column.column() for column in self._config.columns] or None

    def layouts(self) -> Mapping[str, list[Column]]:
        return {}

    def _elements(self, stream: BinaryIO) -> Iterator[Any]:
        """Give each record's element; what is behind the parser is thrown away as it goes."""
        from lxml import etree

        parser = etree.XMLPullParser(
            events=("start", "end"), encoding=self._declared, resolve_entities=False, load_dtd=False,
            no_network=True, huge_tree=False, remove_comments=True, remove_pis=True,
        )  # fmt: skip
        walk = _Walk(self._path, self._names)
        fed = 0
        try:
            while chunk := stream.read(_CHUNK):
                if not fed and (found := _DOCTYPE.search(chunk)) and found.group() == b"<!DOCTYPE":
                    raise WrongFile(_NO_DTD)
                fed += len(chunk)
                parser.feed(chunk)
                yield from walk.on(parser.read_events())
                if walk.depth and fed - walk.quiet_at(fed) > self._config.max_record_bytes:
                    raise WrongFile(f"a record is larger than {self._config.max_record_bytes} bytes: is record: right?")
        except etree.XMLSyntaxError as wrong:
            raise WrongFile(f"it is no well-formed XML: {_said(wrong)}") from wrong
        try:
            parser.close()
        except etree.XMLSyntaxError as wrong:
            raise IncompleteFile(f"the document ends in the middle: {_said(wrong)}") from wrong
        yield from walk.on(parser.read_events())


class _Walk:
    """Finds the records among a parser's events and frees what is done with."""

    def __init__(self, path: list[str], names: Names) -> None:
        self._path = path
        self._matches = [names.matcher(name) for name in path]
        self._open: list[Any] = []
        self._inside = 0
        self._began_at: int | None = None

    @property
    def depth(self) -> int:
        return self._inside

    def quiet_at(self, fed: int) -> int:
        """Give how much had been read when the record at hand was first seen open."""
        if self._began_at is None:
            self._began_at = fed
        return self._began_at

    def on(self, events: Iterable[tuple[str, Any]]) -> Iterator[Any]:
        for event, element in events:
            if event == "start":
                if not self._open and element.getroottree().docinfo.internalDTD is not None:
                    raise WrongFile(_NO_DTD)
                self._open.append(element.tag)
                if len(self._open) == 1 and len(self._matches) > 1 and not self._matches[0](element.tag):
                    raise WrongFile(f"its root element is {element.tag}, and record: begins with {self._path[0]}")
                if not self._inside and self._is_record():
                    self._inside = len(self._open)
                continue
            if self._inside == len(self._open):
                yield element
                self._inside, self._began_at = 0, None
            self._open.pop()
            if not self._inside:
                _free(element)

    def _is_record(self) -> bool:
        if len(self._matches) == 1:
            return self._matches[0](self._open[-1])
        return len(self._open) == len(self._matches) and all(
            matches(tag) for matches, tag in zip(self._matches, self._open, strict=True)
        )


def _free(element: Any) -> None:
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def _said(wrong: Exception) -> str:
    return str(wrong).split(" (<string>")[0].split(" (, line")[0]


__all__ = ["Xml", "XmlConfig"]
