"""Triggers: a ready file starts a workflow, which takes it; or says to a sync that there is work."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import closing

from ...core.adapter import Begun, Occurrence
from ...core.errors import InputError
from ..formats import IncompleteFile, WrongFile
from .feed import Feed
from .found import Found, Taken
from .totals import prove

_AGAIN_S = 60.0
Start = Callable[[Occurrence], Begun | None]


class _Polling:
    """Looks at the feed until told to stop; whoever runs it begins again after an error."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def run(self, start: Start, stop: threading.Event) -> None:
        while not stop.is_set():
            self._look(start, stop)
            stop.wait(self._feed.config.poll_s)

    def _look(self, start: Start, stop: threading.Event) -> None:
        raise NotImplementedError


class FileTrigger(_Polling):
    """
    Starts one run a file: claimed, proven, and archived when its run is in the journal.

    Reading it afterwards works by its name, wherever it is.
    """

    def _look(self, start: Start, stop: threading.Event) -> None:
        with closing(self._feed.taking(wait=False)) as every:
            for taken in every:
                if stop.is_set():
                    self._feed.put_back(taken)
                    return
                if (why := self._feed.refused(taken)) is not None:
                    self._feed.quarantine(taken, why)
                elif self._feed.is_passed_over(taken):
                    self._feed.finish(taken)
                else:
                    self._offer(taken, start)

    def _offer(self, taken: Taken, start: Start) -> None:
        feed = self._feed
        try:
            if feed.config.totals or {"header", "trailer"} & feed.format.layouts().keys():
                prove(feed.format, taken.copy, feed.config.totals, taken.found.env())
            start(Occurrence(taken.id, {"file": taken.found.env()}))
        except IncompleteFile as error:
            feed.incomplete(taken, str(error))
        except WrongFile as error:
            feed.quarantine(taken, {"error": str(error), "kind": "rejected"})
        except InputError as error:
            feed.quarantine(taken, {"error": error.message, "kind": error.kind})
        except BaseException:
            feed.put_back(taken)
            raise
        else:
            feed.finish(taken)


class ReadyTrigger(_Polling):
    """
    Says that files are ready, and claims nothing: the sync's own source does.

    Files that are still there after a minute are announced again; at the next look, when the sync failed: one file that is wrong
    ends its run, and those behind it need not wait a minute for it. How long it waits before it tries again is its own matter.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed)
        self._said: dict[str, float] = {}

    def _look(self, start: Start, stop: threading.Event) -> None:
        ready = self._feed.ready(wait=False)
        now = time.monotonic()
        marks = {_mark(found): found for found in ready}
        self._said = {mark: said for mark, said in self._said.items() if mark in marks}
        fresh = [mark for mark in marks if now - self._said.get(mark, float("-inf")) >= _AGAIN_S]
        if not fresh:
            return
        identity = hashlib.sha256("\n".join(sorted([*fresh, str(time.time_ns())])).encode()).hexdigest()
        begun = start(Occurrence(f"{self._feed.full_name}/{identity}", {"file": marks[fresh[0]].env()}))
        if begun is not None and begun.ended():
            self._said.clear()
        else:
            self._said.update(dict.fromkeys(fresh, now))


def _mark(found: Found) -> str:
    return f"{found.name}:{found.size}:{found.modified}"
