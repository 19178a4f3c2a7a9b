"""COBOL copybook: records of a mainframe, read and written by the program's own data description."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import Field, field_validator, model_validator

from ...core.batch import Reject, Row
from ...core.errors import ConfigError, InputError
from ...core.expressions import Sees, Template
from .compression import FormatConfig
from .copybook_codec import Decode, Rules, WrongValue, columns, decoder
from .copybook_encoder import encode
from .copybook_fields import Alphabet
from .copybook_layout import Node, identifier, place
from .copybook_parser import CopybookParser, Item, Source
from .copybook_rules import FieldRule, FieldRules, NullIf
from .copybook_search import every_description, find_node, leaves
from .copybook_text import read_text
from .format import ArrowBatch, Begun, Column, Format, IncompleteFile, Record, Whole
from .framing import (
    Blocks,
    Newline,
    Out,
    Placed,
    blocks,
    described,
    descriptor,
    known_encoding,
    lines,
    newline_bytes,
    unblocked,
)
from .layouts import LayoutRules, Names, compile_choices, compile_layouts
from .scalars import Trim

ROW = "row"


class CopybookConfig(FormatConfig):
    """Records described by a COBOL copybook."""

    kind: Literal["copybook"] = Field(description="Records described by a COBOL copybook.")
    copybook: Path = Field(description="The copybook's file.")
    encoding: str = Field("cp037", description="Code page of the data: cp037, cp500, cp1140, cp273, ascii ...")
    record: Literal["fixed", "rdw", "bdw", "line"] = Field(
        "fixed", description="How records are told apart: equal length, descriptor words, those in blocks, or lines."
    )
    block_bytes: int = Field(
        27998,
        ge=64,
        le=32760,
        description="record: bdw, when writing: the most that a block has with its descriptor word.",
    )
    length: int | None = Field(
        None, ge=1, le=32760, description="Length of a fixed record, where it is more than the copybook's."
    )
    rdw_includes_itself: bool = Field(True, description="The descriptor word counts its own four bytes, as on IBM.")
    rdw_bytes: Literal["big", "little"] = Field(
        "big",
        description="Byte order of descriptor words when writing: big as on IBM, or little in the last two bytes as some "
        "gateways have it. Reading knows both.",
    )
    newline: Newline = Field("nl", description="End of a line: nl (X'15' in EBCDIC), lf or crlf.")
    layouts: dict[str, LayoutRules] = Field(
        default_factory=dict, description="Which record is what (row, header, trailer): a condition over `record`."
    )
    redefines: dict[str, Annotated[Template, Sees("record")]] = Field(
        default_factory=dict,
        description="Which description of a REDEFINES is meant: a field or group, and a condition over `record`. "
        "Where it is true that description must be right and the others are null.",
    )
    enums: Literal["describe", "check"] = Field(
        "describe",
        description="What level 88 does: it is told in the schema, or a record with another value is a reject.",
    )
    trim: Trim = Field("right", description="Blanks to cut from text.")
    types: dict[str, FieldRule] = Field(default_factory=dict, description="Fields that are dates, or have NULLs.")
    null_if: NullIf | None = Field(
        None,
        description="What means NULL in every field: spaces, low_values, high_values, zeros, or characters. "
        "By default numbers of nothing but blanks or low values are.",
    )
    native: Literal["big", "little"] = Field(
        "big",
        description="Byte order of COMP-5, of numbers without a PICTURE, of NATIONAL, and of COMP-1 and COMP-2 in IEEE.",
    )
    depending: Literal["slides", "stays"] = Field(
        "slides",
        description="What stands behind a table of OCCURS DEPENDING ON: it slides to the table's end, as IBM's compiler "
        "has it, or it stays behind the room for all entries (ODOSLIDE off).",
    )
    floats: Literal["ibm", "ieee"] | None = Field(
        None,
        description="COMP-1 and COMP-2: hexadecimal as on IBM, or IEEE 754. By default ibm where the text is EBCDIC.",
    )
    pointer_bytes: Literal[4, 8] | None = Field(
        None, description="Length of a POINTER. By default 4 where the text is EBCDIC, 8 elsewhere."
    )
    source: Source = Field("auto", description="Form of the copybook: columns 7 to 72 (fixed), or free.")

    _encoding = field_validator("encoding")(known_encoding)

    @model_validator(mode="after")
    def _fits(self) -> CopybookConfig:
        if len(" ".encode(self.encoding)) != 1 or len("0".encode(self.encoding)) != 1:
            raise ValueError(f"{self.encoding} has more than one byte a character; a copybook counts bytes")
        if self.record == "line":
            newline_bytes(self.newline, self.encoding)
        if self.rdw_bytes == "little" and self.record != "rdw":
            raise ValueError("rdw_bytes: little belongs to record: rdw")
        if self.length is not None and self.record != "fixed":
            raise ValueError("length belongs to record: fixed")
        return self

    def plain(self, base: Path) -> Format:
        """Read and compile the copybook; ConfigError names its file, line and column."""
        form = ColumnarCopybook(self, base)
        return form if form.has_fixed_places else Copybook(self, base)


@dataclass(frozen=True, slots=True)
class _Layout:
    """One kind of record, compiled: full records the fast way, short ones with care."""

    root: Node
    decode: Decode
    decode_short: Decode
    size: int
    least: int

    @property
    def varies(self) -> bool:
        """Tell whether a record may be shorter because its tables are."""
        counters = self.root.counters.values()
        return bool(counters) and not any(counter.overlaps for counter in counters)


class Copybook(Whole):
    """Reads and writes records by a copybook."""

    is_closed = True

    def __init__(self, config: CopybookConfig, base: Path) -> None:
        self._config = config
        self._alphabet = Alphabet(
            config.encoding,
            config.trim,
            config.native == "little",
            {"ibm": False, "ieee": True, None: None}[config.floats],
            config.pointer_bytes,
        )
        rules = FieldRules(config.types, config.null_if, self._alphabet)
        items = CopybookParser(config.copybook.name, config.source).parse(read_text(base / config.copybook))
        self._roots = [
            place(
                item,
                config.copybook.name,
                self._alphabet,
                rules,
                enums=config.enums == "check",
                stays=config.depending == "stays",
            )
            for item in items
        ]
        rules.finish()
        self._layouts = {name: self._layout(name, root) for name, root in self._assigned(items).items()}
        self._ruled = self._ruled_nodes()
        self._only = next(iter(self._layouts))
        self._places: dict[Names, list[tuple[Node, int, int]]] = {}
        self._which = compile_layouts(config.layouts, lambda path: bool(self._found(path)))
        self._choose = compile_choices(config.redefines, lambda path: bool(self._found(path)))
        self._variants: dict[tuple[str, frozenset[str]], _Layout] = {}
        self._length = max(layout.size for layout in self._layouts.values())
        self._refuse()
        self._end = newline_bytes(config.newline, config.encoding) if config.record == "line" else b""

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        skip, records = self._records(stream, start)
        for number, (at, raw) in enumerate(records, skip + 1):
            if number > start:
                yield self._one(number, raw, at)

    def _one(self, number: int, raw: bytes, at: int) -> Record | Reject:
        try:
            name = self._kind(raw)
            return Record(number, name, self._decode(self._layout_of(name, raw), raw), raw)
        except WrongValue as wrong:
            return Reject(number, f"{wrong} (byte {at + wrong.at} of the file, {wrong.at} of the record)", raw)
        except ValueError as wrong:
            return Reject(number, f"{wrong} (byte {at} of the file)", raw)

    def _layout_of(self, name: str, raw: bytes) -> _Layout:
        """Give the layout of a record, with those descriptions in it that the rules for REDEFINES say."""
        if self._choose is None:
            return self._layouts[name]
        chosen = self._choose(lambda path: self._peek(raw, path))
        if (found := self._variants.get((name, chosen))) is None:
            meant = {number: key in chosen for number, key in self._ruled.items()}
            found = self._variants[name, chosen] = self._layout(name, self._layouts[name].root, meant)
        return found

    def _ruled_nodes(self) -> dict[int, str]:
        """Find the descriptions that rules for REDEFINES name."""
        found: dict[int, str] = {}
        for key in self._config.redefines:
            plain = key.replace("-", "_")
            fitting = [
                node
                for root in self._roots
                for path, node, several in every_description(root)
                if several and plain in {path, path.rpartition(".")[2]}
            ]
            if not fitting:
                raise ConfigError(f"redefines: the copybook has no {key} that shares its place by REDEFINES")
            found |= {id(node): key for node in fitting}
        return found

    def _kind(self, raw: bytes) -> str:
        """Name the layout of a record; ValueError when none fits."""
        return self._which(lambda path: self._peek(raw, path)) if self._which is not None else self._only

    def writing(self, stream: BinaryIO) -> Begun:
        if self._config.record != "bdw":
            return Begun(lambda rows: self._put(rows, stream))
        blocks = Blocks(stream, self._config.block_bytes)
        return Begun(lambda rows: blocks.undone(lambda: self._put(rows, blocks)), blocks.finish)

    def _put(self, rows: Iterable[Row | Record], stream: Out) -> int:
        count = 0
        for count, row in enumerate(rows, 1):
            try:
                stream.write(self._framed(self._encode(row)))
            except ValueError as wrong:
                raise InputError(f"record {count}: {wrong}") from wrong
        return count

    def columns(self) -> list[Column] | None:
        return columns((self._layouts.get(ROW) or next(iter(self._layouts.values()))).root)

    def layouts(self) -> Mapping[str, list[Column]]:
        return {name: columns(layout.root) for name, layout in self._layouts.items()}

    def _layout(self, name: str, root: Node, meant: Mapping[int, bool] | None = None) -> _Layout:
        first, exact = name == ROW, self._config.record in {"rdw", "bdw"}
        return _Layout(
            root,
            decoder(root, Rules(first, exact=exact, meant=meant or {})),
            decoder(root, Rules(first, exact=exact, short=True, meant=meant or {})),
            root.size if not root.counters else sum(slot.size for slot in root.slots),
            root.min_size(),
        )

    def _assigned(self, items: list[Item]) -> dict[str, Node]:
        """Give each layout its 01 level: the one that it names, the one called like it, or the one at its place."""
        layouts, roots = self._config.layouts, self._roots
        if not layouts:
            if len(roots) > 1:
                every = ", ".join(item.name for item in items)
                raise ConfigError(
                    f"the copybook describes several records ({every}); say under layouts: which is which"
                )
            return {"row": roots[0]}
        found: dict[str, Node] = {}
        names = [identifier(item.name).upper() for item in items]
        for place_no, (layout, spec) in enumerate(layouts.items()):
            if spec.record is not None:
                wanted = identifier(spec.record).upper()
                if wanted not in names:
                    raise ConfigError(f"layouts.{layout}.record: the copybook has no 01 level {spec.record}")
                found[layout] = roots[names.index(wanted)]
                continue
            alike = [at for at, record in enumerate(names) if layout.upper() in record.split("_")]
            if len(roots) > 1 and len(alike) != 1 and len(roots) != len(layouts):
                raise ConfigError(f"layouts.{layout}: say with record: which 01 level it has ({', '.join(names)})")
            found[layout] = roots[0 if len(roots) == 1 else alike[0] if len(alike) == 1 else place_no]
        return found

    def _refuse(self) -> None:
        config = self._config
        if config.length is not None and config.length < self._length:
            raise ConfigError(f"length is {config.length}, and the copybook's record has {self._length} bytes")
        if config.record != "line":
            return
        for layout in self._layouts.values():
            for path, node in leaves(layout.root):
                if node.item.usage not in {None, "display", "dbcs"}:
                    raise ConfigError(
                        f"record: line cannot have binary fields, whose bytes can look like a newline: {path} "
                        f"({config.copybook.name}:{node.item.at.line}); use record: fixed or rdw"
                    )

    def _records(self, stream: BinaryIO, start: int) -> tuple[int, Iterator[Placed]]:
        match self._config.record:
            case "fixed":
                return start, blocks(stream, self._config.length or self._length, start)
            case "rdw":
                return 0, described(stream, includes_itself=self._config.rdw_includes_itself)
            case "bdw":
                return 0, unblocked(stream, includes_itself=self._config.rdw_includes_itself)
            case _:
                return 0, self._lines(stream)

    def _lines(self, stream: BinaryIO) -> Iterator[Placed]:
        """Give lines, filled up with the blanks that writing them has cut."""
        least = min(layout.least for layout in self._layouts.values())
        at = 0
        for number, (raw, ended) in enumerate(lines(stream, self._end), 1):
            if not ended and len(raw) < least:
                raise IncompleteFile(f"record {number} ends after {len(raw)} bytes, without a newline")
            yield at, raw
            at += len(raw) + len(self._end)

    def _decode(self, layout: _Layout, raw: bytes) -> dict[str, Any]:
        size = len(raw)
        if size < layout.size and self._config.record == "line":
            raw = raw.ljust(layout.size, self._alphabet.space)
        elif size < layout.least:
            raise ValueError(f"the record has {size} bytes, and its layout at least {layout.least}")
        elif size > layout.size and self._config.record != "fixed":
            raise ValueError(f"the record has {size} bytes, and its layout {layout.size}")
        whole = len(raw) >= layout.size or layout.varies
        decode = layout.decode if whole else layout.decode_short
        return decode(raw)  # type: ignore[no-any-return]  # a record is a dict

    def _peek(self, raw: bytes, path: Names) -> Any:
        for node, start, end in self._found(path):
            try:
                assert node.codec is not None
                return node.codec.decode(raw[start:end])
            except ValueError:
                continue
        return None

    def _found(self, path: Names) -> list[tuple[Node, int, int]]:
        """Find a field in every description of a record."""
        if path not in self._places:
            self._places[path] = [
                place for root in self._roots if (place := find_node(root, path)) is not None and place[0].codec
            ]
        return self._places[path]

    def _encode(self, row: Row | Record) -> bytes:
        name, values, raw = (row.layout, row.values, row.raw) if isinstance(row, Record) else ("row", row, b"")
        layout = self._layouts.get(name)
        if layout is None and name == "row" and len(self._layouts) == 1:
            layout = next(iter(self._layouts.values()))
        if layout is None:
            raise ValueError(f"there is no layout {name!r}; known: {', '.join(self._layouts)}")
        encoded = encode(layout.root, values, raw or None)
        if raw and len(raw) < len(encoded):
            encoded = (
                encoded[: len(raw)] if encoded.startswith(raw) or self._short_is_same(layout, raw, encoded) else encoded
            )
        return encoded + self._rest(raw, len(encoded))

    def _short_is_same(self, layout: _Layout, raw: bytes, encoded: bytes) -> bool:
        """Tell whether nothing was put behind the end of a record that came short."""
        blank = encode(layout.root, {}, None)
        return self._config.record != "fixed" and encoded[len(raw) :] == blank[len(raw) :]

    def _rest(self, raw: bytes, at: int) -> bytes:
        if self._config.record != "fixed":
            return b""
        missing = (self._config.length or self._length) - at
        return raw[at:] if len(raw) == at + missing else self._alphabet.space * missing

    def _framed(self, encoded: bytes) -> bytes:
        if self._config.record in {"rdw", "bdw"}:
            little = self._config.rdw_bytes == "little"
            word = descriptor(len(encoded), includes_itself=self._config.rdw_includes_itself, little=little)
            return word + encoded
        if self._end and self._end in encoded:
            raise ValueError("a text holds a newline, which would break the record")
        return encoded + self._end


class ColumnarCopybook(Copybook):
    """The same, read by whole columns where every row has its fields at the same places."""

    @property
    def has_fixed_places(self) -> bool:
        row = self._layouts.get(ROW)
        zones = any("%z" in (rule.datetime or "") for rule in self._config.types.values())
        return row is not None and not row.root.counters and not self._config.redefines and not zones

    def arrow_schema(self) -> Any:
        from .copybook_columns import arrow_type, schema_of

        return schema_of([(column.name, arrow_type(column)) for column in self.columns() or ()])

    def arrow_batches(self, stream: BinaryIO, batch_rows: int = 32768, *, start: int = 0) -> Iterator[ArrowBatch]:
        from .copybook_arrow import Columnar, Sorting, blocks_of, gathered
        from .copybook_columns import fields

        row, equal = self._layouts[ROW], self._config.record == "fixed"
        keys = [(begins, ends) for found in self._places.values() for _, begins, ends in found]
        columnar = Columnar(
            fields(row.root, self._alphabet), row.size, equal, self.arrow_schema(), self._one, Sorting(keys, self._kind)
        )
        if equal:
            blocks = blocks_of(stream, self._config.length or self._length, batch_rows, start)
        else:
            blocks = gathered(self._records(stream, 0)[1], batch_rows, start)
        for block in blocks:
            yield columnar.batch(block)


__all__ = ["ColumnarCopybook", "Copybook", "CopybookConfig"]
