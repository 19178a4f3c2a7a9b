"""gzip and zip around any format: streamed both ways, with limits against what unpacks without end."""

from __future__ import annotations

import fnmatch
import io
import tempfile
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeVar, cast

from pydantic import BeforeValidator, Field

from ...core.batch import Reject, Row
from ...core.errors import InputError
from ...core.strict import Strict
from .format import (
    Acknowledging,
    ArrowBatch,
    Begun,
    ByColumns,
    Column,
    Format,
    IncompleteFile,
    Record,
    Whole,
    WrongFile,
)

T = TypeVar("T")
_CHUNK = 1 << 18
_MB = 1024 * 1024
_FREE_BYTES = 16 * _MB
_GZIP = 31
_ZIP_BEGINS = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_EPOCH = (1980, 1, 1, 0, 0, 0)


class CompressionConfig(Strict):
    """How the file is packed, and how far it may unpack."""

    kind: Literal["gzip", "zip"] = Field(description="gzip, or a zip with one member that counts.")
    member: str | None = Field(
        None, min_length=1, description="Of a zip: the member's name, or a glob that only one fits."
    )
    max_unpacked_mb: int = Field(16384, ge=1, description="What unpacks to more is wrong, not read on.")
    max_ratio: int = Field(
        300, ge=2, le=1032, description="What unpacks to more than so many times its size, past 16 MB, is wrong."
    )


Compression = Annotated[
    CompressionConfig, BeforeValidator(lambda given: {"kind": given} if isinstance(given, str) else given)
]


class FormatConfig(Strict):
    """What every format can say: `open` gives it packed, `plain` without."""

    compression: Compression | None = Field(None, description="gzip or zip, or {kind, member, limits}.")

    def open(self, base: Path) -> Format:
        """Compile the format; ConfigError says what is wrong with files that it names."""
        plain = self.plain(base)
        if self.compression is None:
            return plain
        if isinstance(plain, Acknowledging):
            return PackedAnswers(plain, self.compression)
        return (PackedColumns if isinstance(plain, ByColumns) else Packed)(plain, self.compression)

    @abstractmethod
    def plain(self, base: Path) -> Format: ...


class Packed(Whole):
    """A format inside of gzip or zip."""

    def __init__(self, inner: Format, config: CompressionConfig) -> None:
        self._inner = inner
        self._config = config

    @property
    def is_closed(self) -> bool:
        return self._inner.is_closed

    def read(self, stream: BinaryIO, *, start: int = 0) -> Iterator[Record | Reject]:
        yield from self._through(stream, lambda plain: self._inner.read(plain, start=start))

    def _through(self, stream: BinaryIO, read: Callable[[BinaryIO], Iterator[T]]) -> Iterator[T]:
        with self.unpacked(stream) as plain:
            try:
                yield from read(cast("BinaryIO", plain))
            except IncompleteFile as cause:
                if plain.ended:  # a packed file that is whole does not grow: waiting would not help
                    raise WrongFile(f"the packed file is whole, and what is in it is not: {cause}") from cause
                raise
            plain.finish()

    def writing(self, stream: BinaryIO) -> Begun:
        held = io.BytesIO()
        more = self._inner.writing(held)
        pack = _gzip(stream) if self._config.kind == "gzip" else _zip(stream, self._config.member)

        def packed(rows: Iterable[Row | Record]) -> int:
            kept = held.tell()
            try:
                count = more(rows)
            except InputError:
                held.seek(kept)
                held.truncate()
                raise
            flush()
            return count

        def flush() -> None:
            pack(held.getvalue())
            held.seek(0)
            held.truncate()

        def finish() -> None:
            more.finish()
            flush()
            pack.finish()

        return Begun(packed, finish)

    def columns(self) -> list[Column] | None:
        return self._inner.columns()

    def layouts(self) -> Mapping[str, list[Column]]:
        return self._inner.layouts()

    @property
    def beside(self) -> tuple[str, ...]:
        return getattr(self._inner, "beside", ())

    def unpacked(self, stream: BinaryIO) -> Unpacked:
        """Give the plain bytes of a packed stream."""
        counted = _Counted(stream)
        parts = _gzip_parts(counted) if self._config.kind == "gzip" else _zip_parts(counted, self._config.member)
        return Unpacked(parts, counted, self._config)


class PackedColumns(Packed):
    """The same for a format that reads by columns."""

    _inner: Any

    def arrow_schema(self) -> Any:
        return self._inner.arrow_schema()

    def arrow_batches(self, stream: BinaryIO, batch_rows: int = 32768, *, start: int = 0) -> Iterator[ArrowBatch]:
        yield from self._through(stream, lambda plain: self._inner.arrow_batches(plain, batch_rows, start=start))


class PackedAnswers(Packed):
    """The same for a format whose interchanges are answered."""

    _inner: Any

    def acknowledge(self, stream: BinaryIO, **said: Any) -> list[dict[str, Any]]:
        return list(self._through(stream, lambda plain: iter(self._inner.acknowledge(plain, **said))))


class Unpacked(io.RawIOBase):
    """Plain bytes as they are unpacked. Raises WrongFile at the limits, IncompleteFile where the packed bytes end early."""

    def __init__(self, parts: Iterator[bytes], packed: _Counted, config: CompressionConfig) -> None:
        self._parts = parts
        self._packed = packed
        self._config = config
        self._held = memoryview(b"")
        self._given = 0
        self.ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK), b""))
        found: list[memoryview] = []
        while size and (self._held or self._more()):
            found.append(self._held[:size])
            self._held = self._held[size:]
            size -= len(found[-1])
        return b"".join(found)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def finish(self) -> None:
        """Read on to the end: what stands behind the last record must unpack too, and its checksum be right."""
        while self.read(_CHUNK):
            pass

    def _more(self) -> bool:
        part = next(self._parts, None)
        if part is None:
            self.ended = True
            return False
        self._given += len(part)
        if self._given > self._config.max_unpacked_mb * _MB:
            raise WrongFile(f"it unpacks to more than {self._config.max_unpacked_mb} MB (max_unpacked_mb)")
        if self._given > _FREE_BYTES and self._given > self._config.max_ratio * self._packed.count:
            raise WrongFile(
                f"{self._packed.count} packed bytes unpack to more than {self._config.max_ratio} times as many "
                "(max_ratio): is it a bomb?"
            )
        self._held = memoryview(part)
        return True


class _Counted:
    """A stream that knows how much of it was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.count += len(data)
        return data

    def seekable(self) -> bool:
        return self.stream.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()


def _gzip_parts(packed: _Counted) -> Iterator[bytes]:
    """Give the members of a gzip file one after the other (RFC 1952); zeros behind the last are padding of tapes."""
    data, at = packed.read(_CHUNK), 0
    if not data:
        raise IncompleteFile("there is not yet a byte of it")
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not data:
                raise IncompleteFile(f"the gzip file ends in the middle, after {packed.count} bytes")
            try:
                part = member.decompress(data, _CHUNK)
            except zlib.error as cause:
                raise WrongFile(f"no valid gzip after {at} unpacked bytes: {cause}") from cause
            at += len(part)
            data = member.unconsumed_tail or (b"" if member.eof else packed.read(_CHUNK))
            if part:
                yield part
        data = (member.unused_data or packed.read(_CHUNK)).lstrip(b"\0")
        while not data and (more := packed.read(_CHUNK)):
            data = more.lstrip(b"\0")


def _zip_parts(packed: _Counted, member: str | None) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as spool:
        if not packed.seekable():
            while chunk := packed.read(_CHUNK):
                spool.write(chunk)
            spool.seek(0)
            packed.stream, packed.count = cast("BinaryIO", spool), 0
        begins = packed.read(4)
        try:
            with zipfile.ZipFile(cast("BinaryIO", packed)) as archive:
                found = _the_member(archive, member)
                packed.count = 0
                with archive.open(found) as stream:
                    while chunk := stream.read(_CHUNK):
                        yield chunk
        except (zipfile.BadZipFile, EOFError, zlib.error, ValueError) as cause:
            if begins[:4] in _ZIP_BEGINS and isinstance(cause, zipfile.BadZipFile) and "not a zip" in str(cause):
                raise IncompleteFile("the zip has no directory at its end yet") from cause
            if len(begins) < 4 and _ZIP_BEGINS[0].startswith(begins):
                raise IncompleteFile(f"there are only {len(begins)} bytes of the zip yet") from cause
            raise WrongFile(f"no valid zip: {cause}") from cause
        except NotImplementedError as cause:
            raise WrongFile(f"the zip is packed in a way that is not read here: {cause}") from cause


def _the_member(archive: zipfile.ZipFile, wanted: str | None) -> zipfile.ZipInfo:
    files = [info for info in archive.infolist() if not info.is_dir()]
    fitting = [info for info in files if wanted is None or fnmatch.fnmatchcase(info.filename, wanted)]
    if len(fitting) != 1:
        held = ", ".join(repr(info.filename) for info in files[:10]) or "nothing"
        said = f"{len(fitting)} members fit {wanted!r}" if wanted else f"{len(fitting)} members"
        raise WrongFile(f"the zip has {said}, and one is needed; it holds {held}; say which with member:")
    if fitting[0].flag_bits & _ENCRYPTED:
        raise WrongFile(f"{fitting[0].filename!r} in the zip is encrypted")
    return fitting[0]


class _Pack:
    """Packs bytes into a stream; `finish` writes what stands at the end."""

    def __init__(self, write: Any, finish: Any) -> None:
        self._write = write
        self.finish = finish

    def __call__(self, data: bytes) -> None:
        if data:
            self._write(data)


def _gzip(stream: BinaryIO) -> _Pack:
    """Pack without name and time, so that the same rows give the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return _Pack(
        lambda data: stream.write(packer.compress(data)),
        lambda: stream.write(packer.flush()),
    )


def _zip(stream: BinaryIO, member: str | None) -> _Pack:
    archive = zipfile.ZipFile(cast("BinaryIO", _OnlyWrites(stream)), "w", zipfile.ZIP_DEFLATED)
    info = zipfile.ZipInfo(member or "data", _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    inside = archive.open(info, "w")

    def write(data: bytes) -> None:
        try:
            inside.write(data)
        except RuntimeError as cause:
            raise InputError("a zip member of more than 2 GB is not written; use gzip", field="compression") from cause

    def finish() -> None:
        inside.close()
        archive.close()

    return _Pack(write, finish)


class _OnlyWrites:
    """A stream without places, whose caller empties it as it is filled."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        pass


__all__ = ["Compression", "CompressionConfig", "FormatConfig", "Packed", "Unpacked"]
