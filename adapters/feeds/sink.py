"""The batch side of a feed that is written: each portion is one file, there as a whole or not at all."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import structlog

from ...connectors.drop import Entry, Files, Nameless, checked_name, confined
from ...core.batch import Columns, Cursor, Flow, Lane, Row, RowRefused, Writing, Written
from ...core.errors import ConfigError, InputError, Rejected, Unavailable
from ...core.values import moment
from .config import in_place_of
from .feed import Feed

log = structlog.get_logger("drawbar.feeds")
_IN_MEMORY = 1 << 20


class FeedSink:
    """Writes files. The name decides: the same bytes under a name that exists are no second file."""

    keeps_cursor = False
    one_effect = (
        False,
        "a file and our cursor have no transaction in common: after a crash a portion is written again, under its own name",
    )

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def cursor(self) -> Cursor:
        return None

    def has(self, portion: str) -> bool:
        return False

    def takes(self, lane: Lane) -> Lane | None:
        """Agree to lines that a database prints as we would."""
        from ..formats.csv_lane import lines_lane

        return lines_lane(self._feed.config.format, self._feed.format, lane)

    @contextmanager
    def writing(self, *, portion: str, file_name: str | None = None) -> Iterator[Writing]:
        name = file_name or self._feed.pattern.made_of(hashlib.sha256(portion.encode()).hexdigest()[:16])
        if name is None:
            raise ConfigError(
                f"{self._feed.full_name}: {self._feed.config.pattern} makes no name by itself", field="name",
                next="say name: under to:",
            )  # fmt: skip
        name = named(self._feed, name)
        with self._spool(name) as spool:
            yield FileWriting(self._feed, name, spool)

    def _spool(self, name: str) -> BinaryIO:
        """Give a file for what comes, at its place already where that can be."""
        drop = self._feed.drop
        begun = drop.nameless(self._feed.inbox(name)) if isinstance(drop, Nameless) else None
        return begun or tempfile.SpooledTemporaryFile(_IN_MEMORY)  # type: ignore[return-value]  # it is a binary stream

    def kept(self, promise: Mapping[str, Any]) -> bool:
        """Tell whether the promised file is there; one that somebody has taken away since is not seen."""
        path = self._feed.inbox(named(self._feed, promise["file"]))
        with self._feed.drop.session() as files:
            there = files.stat(path)
            return there is not None and _same(files, path, there, promise["sha256"], promise["size"])

    def close(self) -> None:
        pass


class FileWriting:
    """One file until its rename."""

    def __init__(self, feed: Feed, name: str, spool: BinaryIO) -> None:
        self._feed = feed
        self._name = name
        self._spool = spool
        self._buffer = io.BytesIO()
        self._more = feed.format.writing(self._buffer)
        self._is_complete = False
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, rows: Sequence[Row]) -> Written:
        if isinstance(rows, Columns) and self._more.columns is not None and self._more.columns(rows):
            self._keep()
            return Written(inserted=len(rows))
        begun = 0

        def counted() -> Iterable[Row]:
            nonlocal begun
            for row in rows:
                begun += 1
                yield row

        kept = self._buffer.tell()
        try:
            count = self._more(counted())
        except InputError as error:
            self._buffer.seek(kept)
            self._buffer.truncate()
            record, _, said = error.message.partition(": ")
            number = record.removeprefix("record ")
            raise RowRefused(int(number) - 1 if number.isdigit() else begun - 1, said or error.message) from error
        self._keep()
        return Written(inserted=count)

    def _keep(self) -> None:
        with self._buffer.getbuffer() as written:
            self._append(written)
        self._buffer.seek(0)
        self._buffer.truncate()

    def _append(self, part: bytes | bytearray | memoryview) -> None:
        self._spool.write(part)
        self._sha256.update(part)
        self._size += len(part)

    def load(self, lane: Lane, flow: Flow, beat: Callable[[], None]) -> Written:
        """Write lines as they come."""
        header: Any = self._feed.format
        self._buffer.write(header.header_line([name for name, _, _ in lane.fields]))
        self._keep()
        with closing(flow.chunks()) as chunks:
            for chunk in chunks:
                beat()
                self._append(chunk)
        return Written(inserted=flow.rows)

    def promise(self) -> Mapping[str, Any]:
        self._complete()
        return {"file": self._name, "sha256": self._sha256.hexdigest(), "size": self._size}

    def commit(self, *, portion: str, cursor: Cursor) -> None:
        self._complete()
        with self._feed.drop.session() as files:
            known = self._sha256.hexdigest(), self._size
            deliver(self._feed, files, self._name, self._spool, known)

    def _complete(self) -> None:
        if not self._is_complete:
            self._more.finish()
            self._keep()
            self._is_complete = True


def named(feed: Feed, name: str) -> str:
    """Take a file's name from a caller; InputError when it does not belong to the feed."""
    if feed.pattern.depth:
        confined(name)
    else:
        checked_name(name)
    if any(part.startswith(".") for part in name.split("/")) or feed.pattern.match(name) is None:
        raise InputError(f"{name} does not fit {feed.config.pattern}", field="name")
    return name


def deliver(
    feed: Feed, files: Files, name: str, content: BinaryIO, known: tuple[str, int] | None = None
) -> dict[str, Any]:
    """
    Write a file whole, and its marker after it. The same bytes under its name are fine; Rejected where others are.

    OutcomeUnknown when the answer to the rename is lost: doing it again finds out. `known`: the content's hash and size.
    """
    path = feed.inbox(name)
    digest, size = known or _digest(content)
    there = files.stat(path)
    written = there is None and _write(feed, files, path, content, digest)
    if not written:
        there = there or files.stat(path)
        if there is None or not _same(files, path, there, digest, size):
            raise Rejected(f"{name} exists already with other content", field="name")
    if feed.config.write.marker is not None:
        with feed.drop.session() as fresh:  # the first line may be lost by now
            fresh.create(feed.inbox(in_place_of(feed.config.write.marker, name)), b"")
    return {"name": name, "size": size, "written": written}


def _write(feed: Feed, files: Files, path: str, content: BinaryIO, digest: str) -> bool:
    """Write a new file; False when it is there by now. After a lost connection go on, as long as more of it arrives."""
    if folder := path.rpartition("/")[0]:
        files.make_folder(folder)
    feed.parts.sweep(files)
    with feed.parts.noted(path, digest):
        return _write_to_its_end(feed, files, path, content, digest)


def _write_to_its_end(feed: Feed, files: Files, path: str, content: BinaryIO, digest: str) -> bool:
    arrived = 0
    try:
        return _try_to_write(files, path, content, digest)
    except Unavailable as error:
        lost = error
    while True:
        with feed.drop.session() as fresh:
            before, arrived = arrived, fresh.part(path, digest)
            if arrived <= before:
                raise lost
            log.info("feed.goes_on", file=path, at=arrived, error=lost.message)
            try:
                return _try_to_write(fresh, path, content, digest)
            except Unavailable as error:
                lost = error


def _try_to_write(files: Files, path: str, content: BinaryIO, digest: str) -> bool:
    content.seek(0)
    try:
        files.write(path, content, sha256=digest)
    except Rejected:
        if files.stat(path) is None:
            raise
        return False
    return True


def would_deliver(feed: Feed, files: Files, name: str, content: BinaryIO) -> dict[str, Any]:
    """Say what `deliver` would do, and write nothing."""
    path = feed.inbox(name)
    digest, size = _digest(content)
    there = files.stat(path)
    if there is None:
        does = "writes a new file"
    elif _same(files, path, there, digest, size):
        does = "changes nothing: exactly this file is there"
    else:
        does = "is refused: the name exists with other content"
    exists = None if there is None else {"size": there.size, "modified": moment(there.modified)}
    marker = feed.config.write.marker
    after = {} if marker is None else {"marker": feed.inbox(in_place_of(marker, name))}
    return {"file": path, "size": size, "sha256": digest, "exists": exists, "does": does, **after}


def _same(files: Files, path: str, there: Entry, digest: str, size: int) -> bool:
    if there.size != size:
        return False
    if (theirs := files.digest(path)) is not None:
        return theirs == digest
    with files.read(path) as stream:
        return _digest(stream) == (digest, size)


def _digest(content: BinaryIO) -> tuple[str, int]:
    content.seek(0)
    digest, size = hashlib.sha256(), 0
    while part := content.read(1 << 20):
        digest.update(part)
        size += len(part)
    return digest.hexdigest(), size
