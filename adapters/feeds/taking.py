"""Files that are claimed and copied: one, or small ones by the dozen over one connection."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from ...connectors.drop import SMALL_BYTES, Entry, Wanted
from ...core.errors import DrawbarError, InputError, Unavailable
from .claims import Claim
from .copying import Copied, Spool, copied, written
from .found import Found, Taken

if TYPE_CHECKING:
    from .feed import Feed

log = structlog.get_logger("drawbar.feeds")
_TOGETHER = 16


class Taking:
    """Takes the files of one feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._copies = Spool(feed.spool, feed.claims.owner, feed.claims.is_gone)

    def one(self, found: Found) -> Taken | None:
        """
        Claim a file and copy it; None when another worker was faster, or when it is still growing.

        Raises Unavailable when the copy breaks off; the file is put back.
        """
        attempts = found.claim.attempts if found.claim else 0
        if self._feed.remembers:
            _ = self._feed.notes  # before anything is claimed
        with self._feed.drop.session() as files:
            claim = self._feed.claims.take(files, found.path, found.name, attempts, mark=found.mark)
        if claim is None:
            return None
        try:
            done, now = self._copy(claim, found)
        except (DrawbarError, OSError) as error:
            self.back(claim, claim.attempts)
            if isinstance(error, OSError):
                raise Unavailable(f"the spool {self._feed.spool}: {error.strerror}") from error
            if isinstance(error, InputError) and error.reason == "not_found":
                return None  # it has vanished
            raise
        if (
            now is None
            or now.size != done.size
            or (self._feed.config.claim != "rename" and now.modified != found.modified)
        ):
            done.copy.unlink(missing_ok=True)
            self.back(claim, claim.attempts)
            return None
        return self._taken(found, claim, done)

    def every(self, *, wait: bool) -> Generator[Taken, None, None]:
        """Take what may be taken, small files by the dozen; what is not given any more when this is closed is put back."""
        todo = self._feed.in_turn(wait=wait)
        while some := list(islice(todo, 1 if self._feed.config.order else _TOGETHER)):
            small = [one for one in some if one.size <= SMALL_BYTES]
            if len(small) < 2:
                yield from (taken for one in some if (taken := self.one(one)) is not None)
                continue
            waiting = self._take_together(small)
            try:
                while waiting:
                    yield waiting.pop(0)
            finally:
                if waiting:
                    for taken in waiting:
                        taken.copy.unlink(missing_ok=True)
                    self._all_back([taken.claim for taken in waiting])
            others = [one for one in some if one.size > SMALL_BYTES]
            yield from (taken for one in others if (taken := self.one(one)) is not None)

    def _take_together(self, some: Sequence[Found]) -> list[Taken]:
        """Claim and copy small files at once; one that is not as it was listed is put back."""
        if self._feed.remembers:
            _ = self._feed.notes
        wanted = [(one.path, one.name, one.claim.attempts if one.claim else 0, one.mark) for one in some]
        with self._feed.drop.session() as files:
            claims = self._feed.claims.take_many(files, wanted)
        mine = [(one, claim) for one, claim in zip(some, claims, strict=True) if claim is not None]
        copies: dict[int, Copied] = {}
        try:
            with self._feed.drop.session() as files:
                for at, content in files.fetch(
                    [Wanted(self._feed.claims.path(claim), one.size) for one, claim in mine]
                ):
                    if content is not None and len(content) == mine[at][0].size:
                        copies[at] = written(content, self._copies.place(mine[at][1].name))
                for at in list(copies) if self._feed.config.claim != "rename" else ():
                    now = files.stat(mine[at][0].path)  # its owner may still write what stays in place
                    if now is None or (now.size, now.modified) != (mine[at][0].size, mine[at][0].modified):
                        copies.pop(at).copy.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the spool {self._feed.spool}: {error.strerror}") from error
        finally:
            if len(copies) < len(mine):
                self._all_back([claim for at, (_, claim) in enumerate(mine) if at not in copies])
        return [self._taken(one, claim, copies[at]) for at, (one, claim) in enumerate(mine) if at in copies]

    def _taken(self, found: Found, claim: Claim, done: Copied) -> Taken:
        identity = f"{self._feed.full_name}/{found.name}:{done.size}:{done.sha256}"
        if self._feed.config.duplicate is not None and self._feed.config.duplicate.then == "process":
            identity += f":{found.modified:.3f}"  # the same again is another file, and has an effect of its own
        return Taken(found, claim, done.copy, done.sha256, identity)

    def _copy(self, claim: Claim, found: Found) -> tuple[Copied, Entry | None]:
        path = self._feed.claims.path(claim)
        done = copied(self._feed.drop, path, self._copies.place(claim.name), (found.size, found.modified))
        with self._feed.drop.session() as files:
            return done, files.stat(path)

    def _all_back(self, claims: Sequence[Claim]) -> None:
        """Put several files back, none of which failed; where the first cannot be, the others are not tried."""
        try:
            with self._feed.drop.session() as files:
                for claim in claims:
                    self._feed.claims.put_back(files, claim, self._feed.inbox(claim.name), claim.attempts)
        except DrawbarError as error:
            log.warning("feed.not_put_back", feed=self._feed.full_name, files=len(claims), error=error.message)
        finally:
            for claim in claims:
                self._feed.claims.settled(claim)

    def back(self, claim: Claim, attempts: int) -> None:
        """Put a file back; where that fails, whoever looks next finds that nobody works on it."""
        try:
            with self._feed.drop.session() as files:
                self._feed.claims.put_back(files, claim, self._feed.inbox(claim.name), attempts)
        except DrawbarError as error:
            log.warning("feed.not_put_back", feed=self._feed.full_name, file=claim.name, error=error.message)
        finally:
            self._feed.claims.settled(claim)
