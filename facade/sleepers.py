"""Threads that rest between two pieces of work: woken with a word, made where none rests, gone after half a minute."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Word = TypeVar("Word")
_IDLE_S = 30.0


class Sleepers(Generic[Word]):
    """The threads of one name; `work` is what a new one does, with the word that it was wanted for. `lock` is its owner's."""

    def __init__(self, name: str, lock: threading.Lock, work: Callable[[Word], None]) -> None:
        self._name = name
        self._lock = lock
        self._work = work
        self._wanted: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._idle = 0

    def wake(self, word: Word) -> None:
        """Have a thread do what this word says; the lock is held."""
        if self._idle > 0:
            self._idle -= 1
            self._wanted.put(word)
        else:
            threading.Thread(target=self._work, args=(word,), name=f"drawbar-{self._name}", daemon=True).start()

    def lie_down(self) -> None:
        """Say that a thread has nothing to do, before it is `woken`; the lock is held."""
        self._idle += 1

    def woken(self) -> tuple[Word] | None:
        """Wait to be woken, and give the word; None when nobody did for long: the thread is to end."""
        try:
            return (self._wanted.get(timeout=_IDLE_S),)
        except queue.Empty:
            with self._lock:
                if self._idle > 0:
                    self._idle -= 1
                    return None
        return (self._wanted.get(),)  # somebody counts on us: the word is on its way
