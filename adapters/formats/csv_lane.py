"""Which CSV files mean the same to us, to COPY and to Arrow, so that their bytes can pass as they are."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.batch import Chunk, Dialect, Lane, LaneClosed
from .delimited import Csv, CsvConfig, is_utf8
from .format import Format
from .scalars import ColumnSpec

FORM = "csv"
LINES = "postgresql csv"
_CHUNK = 3 << 17
"""Arrow begins a thread for each chunk, and numpy each step anew: many cost time, large ones memory."""
_MARK = codecs.BOM_UTF8


def csv_lane(config: Any, form: Format, path: Path, wanted: Mapping[str, str] | None) -> Lane | None:
    """
    Offer a file's bytes; None where we read them by rules of our own.

    A column's word is "text", or the type that the configuration gives it.
    """
    if not isinstance(config, CsvConfig) or not isinstance(form, Csv) or config.compression is not None:
        return None
    plain = config.header and config.quote is not None and config.escape in (None, config.quote)
    if not plain or config.skip_footer or config.decimal != "." or not is_utf8(config):
        return None
    with path.open("rb") as stream:
        specs = form.header_of(stream)
    if specs is None or len(specs) < 2 or not all(map(_is_plain, specs)):
        return None
    names = (
        {spec.name: spec.name for spec in specs} if wanted is None else {ours: name for name, ours in wanted.items()}
    )
    if names.keys() != {spec.name for spec in specs} or len(wanted or names) != len(specs):
        return None
    fields = tuple((names[spec.name], spec.name, "text" if spec.type == "string" else spec.type) for spec in specs)
    return Lane(FORM, fields, Dialect(config.delimiter, config.quote or "", config.null, config.max_record_bytes))


def lines_lane(config: Any, form: Format, lane: Lane) -> Lane | None:
    """Agree to lines of a database, where they are what we would print; None otherwise."""
    if lane.form != LINES or not isinstance(config, CsvConfig) or not isinstance(form, Csv):
        return None
    plain = config.quote is not None and config.escape in (None, config.quote) and not config.columns
    if not plain or config.newline != "lf" or codecs.lookup(config.encoding).name != "utf-8" or config.decimal != ".":
        return None
    marks = config.delimiter + (config.quote or "")
    if not marks.isascii() or set(marks + "\r\n") & set(config.null):
        return None
    if config.datetimes != "sql" and any(word == "timestamp" for _, _, word in lane.fields):
        return None
    dialect = Dialect(config.delimiter, config.quote or "", config.null, config.max_record_bytes)
    return Lane(LINES, lane.fields, dialect)


def _is_plain(spec: ColumnSpec) -> bool:
    usual = (spec.true, spec.false) == ("true", "false")
    return usual and not spec.null and spec.date is None and spec.scale is None and spec.type != "boolean"


@dataclass(slots=True)
class CsvFlow:
    """A file's bytes, whole rows at a time; how many they are is for those to say who read them."""

    path: Path
    dialect: Dialect
    rows: int = 0

    def chunks(self) -> Generator[Chunk, None, None]:
        quotes = _Quotes(self.dialect)
        with self.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                chunk = quotes.look(chunk)
                if chunk:
                    yield chunk
        if left := quotes.end():
            yield left


class _Quotes:
    """
    Finds where rows end, and refuses quotes in the middle of a field.

    They are text to us; COPY takes each as the beginning or the end of what is quoted.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._quote = dialect.quote.encode()
        self._begins = (dialect.delimiter + "\r\n").encode()
        self._ends = (dialect.delimiter + "\n").encode()
        self._left = b""
        self._first = True
        self._most = dialect.max_record_bytes

    def look(self, chunk: bytes) -> bytes:
        """Give the rows that end in this chunk."""
        block = self._left + chunk
        if self._first:
            block = block.removeprefix(_MARK)
            self._first = False
        if _MARK[:1] in block and _MARK in block:  # one byte is found far sooner than three
            raise LaneClosed("a byte order mark in the middle")
        parts = block.split(self._quote)
        last = next((at for at in range((len(parts) - 1) // 2 * 2, -1, -2) if b"\n" in parts[at]), None)
        if last is None:
            self._left = block
            if len(block) > self._most:
                raise LaneClosed(f"a record of more than {self._most} bytes")
            return b""
        whole, _, rest = parts[last].rpartition(b"\n")
        self._left = self._quote.join([rest, *parts[last + 1 :]])
        self._check([*parts[:last], whole + b"\n"])
        return block[: len(block) - len(self._left)]

    def end(self) -> bytes:
        """Give the row that no line end follows."""
        parts = self._left.split(self._quote)
        if len(parts) % 2 == 0:
            raise LaneClosed("a quote is open at the end")
        self._check(parts)
        return self._left

    def _check(self, parts: list[bytes]) -> None:
        """Look at what stands outside of quotes: nothing, inside a doubled quote, or from one delimiter to another."""
        begins, ends = self._begins, self._ends
        if len(parts) == 1:
            return
        if (
            (parts[0] and parts[0][-1] not in ends)
            or (parts[-1] and parts[-1][0] not in begins)
            or not all(not part or (part[0] in begins and part[-1] in ends) for part in parts[2:-1:2])
        ):
            raise LaneClosed("a quote in the middle of a field")
