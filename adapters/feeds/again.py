"""Files that are read without being taken: looked at for a dry run, or read again from where they were put aside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from uuid import uuid4

from ...core.batch import Portion
from ...core.errors import Rejected, Unavailable
from ..formats import IncompleteFile, WrongFile
from .claims import Claim
from .feed import Feed
from .found import Found, Taken

_NOBODY = "-"


Make = Callable[[Taken], Portion]
"""Make the portion of a borrowed copy, once its totals are proven."""


def look(feed: Feed, make: Make) -> Iterator[Portion]:
    """Give what is ready, and take none of it. Raises Rejected after the last one when a run would quarantine some."""
    wrong = []
    for found in feed.ready(wait=True):
        taken = borrow(feed, found)
        try:
            portion = make(taken)
        except IncompleteFile:
            taken.copy.unlink(missing_ok=True)
        except WrongFile as error:
            taken.copy.unlink(missing_ok=True)
            wrong.append(f"{found.name}: {error}")
        else:
            yield portion
    if wrong:
        raise Rejected(f"{feed.full_name}: {len(wrong)} would go to quarantine: {'; '.join(wrong)[:1000]}")


def read_again(feed: Feed, found: Found, make: Make) -> Portion:
    """Read a file where it lies: in the archive, or in quarantine."""
    taken = borrow(feed, found)
    try:
        return make(taken)
    except (IncompleteFile, WrongFile) as error:
        taken.copy.unlink(missing_ok=True)
        raise Rejected(f"{found.name}: {error}") from error


def borrow(feed: Feed, found: Found) -> Taken:
    """Copy a file and let it lie."""
    feed.spool.mkdir(parents=True, exist_ok=True)
    copy = feed.spool / f"{feed.claims.owner}~{uuid4().hex[:16]}"
    digest, size = hashlib.sha256(), 0
    try:
        with feed.drop.session() as files, files.read(found.path) as source, copy.open("wb") as target:
            while part := source.read(1 << 20):
                digest.update(part)
                target.write(part)
                size += len(part)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise Unavailable(f"the spool {feed.spool}: {error.strerror}") from error
    sha256 = digest.hexdigest()
    identity = f"{feed.full_name}/{found.name}:{size}:{sha256}"
    return Taken(found, Claim(_NOBODY, 0, found.name), copy, sha256, identity)
