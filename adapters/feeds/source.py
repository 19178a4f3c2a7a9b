"""The batch side of a feed that is read: each ready file is a portion."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from ...core.batch import Batch, Cursor, Dialect, Flow, Lane, Portion, Reject, Row
from ...core.errors import DrawbarError, InputError, Rejected, Unavailable
from ..formats import ByColumns, IncompleteFile, WrongFile, bulks
from .again import look, read_again
from .feed import Feed
from .found import Taken
from .totals import Proof, missing, prove

_PUT_AWAY = frozenset({"done", "archived", "quarantined"})


class FeedSource:
    """Gives every ready file once, each claimed, copied and proven before its first row."""

    one_effect = (
        True,
        "a file is known by its name and content: what the target has committed is not loaded again",
    )

    def __init__(self, feed: Feed, *, wait: bool = True) -> None:
        self._feed = feed
        self._wait = wait
        self._open: list[FilePortion] = []
        self._every: Generator[Taken, None, None] | None = None
        self._names: Sequence[str] = ()
        self._only_looks = False

    def again(self, names: Sequence[str]) -> None:
        """Give these files, wherever they are now, and no others."""
        self._names = names

    def peek(self) -> None:
        """Take nothing: files are copied and stay where they are."""
        self._only_looks = True

    def portions(self, cursor: Cursor, *, batch_rows: int) -> Iterator[Portion]:
        """
        Give the files that are ready, the oldest first.

        Raises Rejected after the last one when files were wrong as a whole and are in quarantine now.
        """
        if self._names or self._only_looks:
            yield from self._borrowed()
            return
        wrong: list[str] = []
        self._every = self._feed.taking(wait=self._wait)
        for taken in self._every:
            found = taken.found
            if (why := self._feed.refused(taken)) is not None:
                self._feed.quarantine(taken, why)
                wrong.append(f"{found.name}: {why['error']}")
                continue
            if self._feed.is_passed_over(taken):
                self._feed.finish(taken)
                continue
            try:
                portion = FilePortion(self._feed, taken, self._proof(taken))
            except IncompleteFile as error:
                self._feed.incomplete(taken, str(error))
            except WrongFile as error:
                self._feed.quarantine(taken, {"error": str(error), "kind": "rejected"})
                wrong.append(f"{found.name}: {error}")
            except BaseException:
                self._feed.put_back(taken)
                raise
            else:
                self._open.append(portion)
                yield portion
        if wrong:
            raise Rejected(f"{self._feed.full_name}: {len(wrong)} in quarantine: {'; '.join(wrong)[:1000]}")

    def _borrowed(self) -> Iterator[Portion]:
        def make(taken: Taken) -> Portion:
            return BorrowedPortion(self._feed, taken, self._proof(taken))

        if not self._names:
            yield from look(self._feed, make)
            return
        with self._feed.drop.session() as files:
            wanted = [self._feed.find(files, name) for name in self._names]
        for found in wanted:
            if found.state == "claimed":
                raise Unavailable(f"{found.name} is being loaded now", retry_after_s=5)
            yield read_again(self._feed, found, make)

    def total(self, cursor: Cursor) -> int | None:
        return None

    def standing(self) -> Mapping[str, Any]:
        """Count the files that no run has carried or put aside; nothing is claimed."""
        with self._feed.drop.session() as files:
            found = [one for one in self._feed.look(files) if one.state not in _PUT_AWAY]
        age = max(0.0, round(time.time() - min(one.modified for one in found), 3)) if found else None
        return {"files": len(found), "seconds": age}

    def close(self) -> None:
        """Put back what was neither finished nor failed, and what was taken ahead, though an error still holds its iterator."""
        for portion in self._open:
            portion.abandon()
        self._open.clear()
        if self._every is not None:
            self._every.close()

    def _proof(self, taken: Taken) -> Proof:
        return proof_of(self._feed, taken)


def proof_of(feed: Feed, taken: Taken) -> Proof:
    """Read a file once for its totals, header and trailer. Raises IncompleteFile and WrongFile."""
    form, totals = feed.format, feed.config.totals
    if not totals and not {"header", "trailer"} & form.layouts().keys():
        return Proof()
    return prove(form, taken.copy, totals, taken.found.env())


class FilePortion:
    """One claimed file. Its batches can be read again until it is finished or failed."""

    repeats: ClassVar[bool] = True

    def __init__(self, feed: Feed, taken: Taken, proof: Proof) -> None:
        self.id = taken.id
        self.name = taken.found.name
        self._feed = feed
        self._taken = taken
        self._proof = proof
        self._incomplete: str | None = None
        self._wrong: str | None = None
        self._settled = False
        self._dialect: Dialect | None = None

    @property
    def cursor(self) -> Cursor:
        found = self._taken.found
        return {"file": found.name, "size": found.size, "sha256": self._taken.sha256}

    @property
    def proven(self) -> Sequence[Mapping[str, Any]]:
        """Give the control totals of the file that were found right."""
        return self._proof.totals

    @property
    def waits(self) -> bool:
        """Tell whether the file turned out not to be whole yet: it was put back, and others may be read."""
        return self._incomplete is not None

    def lane(self, wanted: Mapping[str, str] | None) -> Lane | None:
        """Offer the file's bytes, where every reader of them understands the same."""
        from ..formats.csv_lane import csv_lane

        found = csv_lane(self._feed.config.format, self._feed.format, self._taken.copy, wanted)
        self._dialect = None if found is None else found.facts
        return found

    def flow(self) -> Flow:
        from ..formats.csv_lane import CsvFlow

        assert self._dialect is not None
        return CsvFlow(self._taken.copy, self._dialect)

    @property
    def by_row(self) -> bool:
        """Tell whether the format reads row by row."""
        return not isinstance(self._feed.format, ByColumns)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        facts = self.facts
        try:
            with self._taken.copy.open("rb") as stream:
                for bulk in bulks(self._feed.format, stream, batch_rows):
                    yield Batch(bulk.rows, bulk.record_nos, bulk.rejects, facts, bulk.raw)
        except IncompleteFile as error:
            self._incomplete = str(error)
            raise Unavailable(f"{self._taken.found.name} is not complete: {error}") from error
        except WrongFile as error:
            self._wrong = str(error)
            raise Rejected(f"{self._taken.found.name}: {error}") from error
        except OSError as error:
            raise Unavailable(f"the working copy of {self._taken.found.name}: {error.strerror}") from error

    @property
    def facts(self) -> dict[str, Any]:
        """Give what expressions see beside `row`."""
        return {
            "file": self._taken.found.env(),
            "header": self._proof.header or {},
            "trailer": self._proof.trailer or {},
        }

    def missing(self, path: Sequence[str], row: Row) -> str | None:
        """Say why no row of this file has a field; None when rows may have it."""
        form = self._feed.format
        columns = form.columns() if form.is_closed else None
        if columns is not None:
            return next(missing(path, columns, "row"), None)
        if self._feed.config.format.kind in {"csv", "parquet"} and path and path[0] not in row:
            return f"the row has no field {path[0]}; it has {', '.join(row)}"
        return None

    def finished(self) -> None:
        if not self._settled:
            self._feed.finish(self._taken)
            self._settled = True

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None:
        """Put the file back, or aside when it is wrong or failed too often; a system that is away costs no attempt."""
        if self._settled:
            return
        self._settled = True
        reason = _reason(error, rejects)
        if self._incomplete is not None:
            self._feed.incomplete(self._taken, self._incomplete)
        elif self._wrong is not None:
            self._feed.quarantine(self._taken, reason)
        elif isinstance(error, (Rejected, InputError)) or not isinstance(error, DrawbarError):
            self._feed.failed(self._taken, reason)
        else:
            self._feed.put_back(self._taken)

    def abandon(self) -> None:
        if not self._settled:
            self._settled = True
            self._feed.put_back(self._taken)


class BorrowedPortion(FilePortion):
    """A file of which only the copy is ours: whatever comes of it, it stays where it is."""

    waits = False

    def finished(self) -> None:
        self._give_back()

    def failed(self, error: Exception, rejects: Sequence[Reject]) -> None:
        self._give_back()

    def abandon(self) -> None:
        self._give_back()

    def _give_back(self) -> None:
        with suppress(OSError):
            self._taken.copy.unlink(missing_ok=True)


def _reason(error: Exception, rejects: Sequence[Reject]) -> dict[str, Any]:
    said: dict[str, Any] = {"error": str(error), "kind": getattr(error, "kind", "defect")}
    if rejects:
        said["record"] = rejects[0].record_no
        said["rejects"] = len(rejects)
        said["first"] = [{"record": one.record_no, "reason": one.reason} for one in rejects[:10]]
    return said
