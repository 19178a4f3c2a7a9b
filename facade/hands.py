"""Threads without an event loop: who reads works too, so that a single call changes no thread; many calls have many."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from .crew import FEW, PATIENCE_S
from .sleepers import Sleepers

log = structlog.get_logger("drawbar.facade")
Work = tuple[str, Callable[[], None]]
"""What is to be done, and the name of the system that it is done for."""
_LONG_S = 0.02
_FULL_LOAD = 0.7
"""With so much of a core used, the interpreter has no time for more threads."""


@dataclass(slots=True, eq=False)
class _Row:
    """The work for one system, and how many threads do it."""

    name: str
    todo: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    busy: int = 0
    most: int = FEW
    taken: int = 0
    """Pieces of it that were begun since somebody looked."""


class Hands:
    """
    Does what `read` gives, until it gives None and all is done.

    One thread reads, and does one piece of what it has read; while that takes long, another one reads. A system has few
    threads at first, and twice as many again and again while its work waits, up to what `most` says: a slow one fills its own.
    What reading raises is raised by `run`.
    """

    def __init__(self, name: str, read: Callable[[], Sequence[Work] | None], most: Callable[[str], int]) -> None:
        self._name = name
        self._read = read
        self._most = most
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._sleepers: Sleepers[_Row | None] = Sleepers(name, self._lock, self._work)
        self._left = 0
        self._reader: object = None
        self._away_since = 0.0
        self._ended = False
        self._failure: Exception | None = None
        self._done = threading.Event()
        self._stirred = threading.Event()

    def run(self) -> None:
        """Work; interrupted, it reads no more, and ends what it has read."""
        threading.Thread(target=self._watch, name=f"drawbar-{self._name}-watch", daemon=True).start()
        try:
            with self._lock:
                self._give(None)
            self._done.wait()
        finally:
            self._end()
            self._done.wait()
            self._stirred.set()
        if self._failure is not None:
            raise self._failure

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            if not self._left:
                self._done.set()

    def _give(self, row: _Row | None) -> None:
        """Have a thread work for a system, or read; the lock is held."""
        if row is not None:
            row.busy += 1
        self._sleepers.wake(row)

    def _work(self, row: _Row | None) -> None:
        while True:
            if row is None:
                row = self._read_on()
            while row is not None and self._one(row):
                pass
            with self._lock:
                self._sleepers.lie_down()
            if (word := self._sleepers.woken()) is None:
                return
            (row,) = word

    def _read_on(self) -> _Row | None:
        """Read, until there is nothing more, or somebody else does: then give the system that we work for."""
        me = self._reader = object()
        while not self._ended:
            try:
                works = self._read()
            except Exception as error:  # whoever waits in `run` hears of it
                self._failure, works = error, None
            if works is None:
                self._end()
            elif (row := self._handed_out(works)) is not None:
                self._do(row)
                with self._lock:
                    if self._reader is not me:
                        return row
                    self._away_since = 0.0
                    row.busy -= 1
        return None

    def _handed_out(self, works: Sequence[Work]) -> _Row | None:
        """Give work to those who do it, but for one piece, which is ours; None when there is none for us."""
        now = time.monotonic()
        row = None
        with self._lock:
            self._left += len(works)
            for name, work in works:
                row = self._rows.get(name)
                if row is None:
                    row = self._rows[name] = _Row(name)
                row.todo.append((now, work))
            if row is not None and row.busy < self._most(row.name):
                row.busy += 1
                self._away_since = now
            else:
                row = None
            for name in {name for name, _ in works}:
                one = self._rows[name]
                for _ in range(min(len(one.todo) - (one is row), min(FEW, one.most) - one.busy)):
                    self._give(one)
        if works and not self._stirred.is_set():
            self._stirred.set()
        return row

    def _one(self, row: _Row) -> bool:
        """Do one piece of the work for a system; False when we are not needed there."""
        with self._lock:
            if not row.todo or row.busy > row.most:
                row.busy -= 1
                return False
        self._do(row)
        return True

    def _do(self, row: _Row) -> None:
        try:
            _, work = row.todo.popleft()
        except IndexError:  # somebody was faster
            return
        row.taken += 1
        try:
            work()
        except Exception:  # the outermost loop of a thread: the others go on
            log.exception("work.fails")
        with self._lock:
            self._left -= 1
            if self._ended and not self._left:
                self._done.set()

    def _watch(self) -> None:
        """Look, while there is work, whether other threads are needed, and whether somebody reads."""
        while not self._done.is_set():
            self._stirred.wait()
            began, used = time.monotonic(), time.process_time()
            time.sleep(PATIENCE_S)
            now = time.monotonic()
            load = (time.process_time() - used) / (now - began)
            with self._lock:
                for row in self._rows.values():
                    self._fit(row, now, load)
                if self._away_since and now - self._away_since >= PATIENCE_S and not self._ended:
                    self._away_since = 0.0
                    self._reader = None
                    self._give(None)
                if not self._left and not self._away_since and not self._done.is_set():
                    self._stirred.clear()

    def _fit(self, row: _Row, now: float, load: float) -> None:
        """
        Have as many threads in a row as it needs, the lock is held: more while its work waits, fewer while the interpreter has
        no time for them.
        """
        taken, row.taken = row.taken, 0
        waited_s = now - row.todo[0][0] if row.todo else 0.0
        if load > _FULL_LOAD:
            more = -1
        elif waited_s < PATIENCE_S:
            return
        else:
            more = (waited_s > _LONG_S) if taken else max(row.busy, 1)
        row.most = max(min(row.busy + more, self._most(row.name)), FEW)
        for _ in range(min(row.most - row.busy, len(row.todo))):
            self._give(row)
