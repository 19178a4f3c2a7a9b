"""Read ahead: the next batch is read, or made, on threads of their own while this one is mapped and written."""

from __future__ import annotations

import contextvars
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain, islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
_AHEAD = 2
_ABREAST = 2
_END = object()
_TURN_S = 0.0005
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 1 << 21
_BLOCK_BYTES = 1 << 20
_ARENAS = 2
_turns = threading.Lock()
_readers = 0
_usual_s = 0.0


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """
    Give the items of a generator, read by another thread, at most so many ahead as are named here.

    The first two are read by the caller: most portions are one batch, and need no thread. Whoever stops early closes
    this, and with it the generator, in its thread.
    """
    for _ in range(2):
        try:
            item = next(items)
        except StopIteration:
            return
        yield item
    _return_blocks()
    with _quick_turns():
        yield from _by_another(items)


def abreast(items: Iterator[Item], work: Callable[[Item], Made]) -> Generator[Made, None, None]:
    """
    Give what is made of each item, in their order: two threads make it, and the caller reads the items.

    The caller makes the first two, and the first before any other is begun. Whoever stops early closes this, which waits
    for what is being made.
    """
    for item in islice(items, 2):
        yield work(item)
    if (third := next(items, _END)) is _END:
        return
    _return_blocks()
    with _quick_turns():
        yield from _by_others(chain([third], items), work)


def _by_others(items: Iterator[Any], work: Callable[[Any], Made]) -> Generator[Made, None, None]:
    threads = ThreadPoolExecutor(_ABREAST, "drawbar-sync-maker")
    made: deque[Future[Made]] = deque()
    try:
        for item in items:
            made.append(threads.submit(contextvars.copy_context().run, work, item))
            if len(made) > _ABREAST + 1:  # one lies ready while two are made
                yield made.popleft().result()
        while made:
            yield made.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _by_another(items: Iterator[Item]) -> Iterator[Item]:
    ready: queue.Queue[Any] = queue.Queue(_AHEAD)
    stop = threading.Event()
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_fill, items, ready, stop), name="drawbar-sync-reader", daemon=True
    )
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            _drain(ready)
            thread.join(0.01)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """
    Let threads take turns sooner while two of them carry rows.

    Numpy lets go of the interpreter at every step, and would wait for it as long each time as the other thread may hold it:
    5 ms as it comes.
    """
    global _readers, _usual_s
    with _turns:
        if _readers == 0:
            _usual_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_usual_s, _TURN_S))
        _readers += 1
    try:
        yield
    finally:
        with _turns:
            _readers -= 1
            if _readers == 0:
                sys.setswitchinterval(_usual_s)


@cache
def _return_blocks() -> None:
    """
    Have what libraries left behind given back to the system now, and larger blocks than a batch's as soon as they are free.

    glibc keeps blocks as large as the largest that it saw freed, and batches that go from one thread to another leave
    holes between them: 15 MB after a while. Each page of a block that was given back is made anew when it is needed: for
    the blocks of a batch that took a third of what it costs to read one. Each arena keeps holes of its own, and there would
    be one for each of the first threads: with two, reading Parquet takes 10 MB less.
    """
    import ctypes

    with suppress(OSError, AttributeError):  # another system
        glibc = ctypes.CDLL(None)
        glibc.mallopt(_MMAP_THRESHOLD, _BLOCK_BYTES)
        glibc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        glibc.mallopt(_ARENA_MAX, _ARENAS)
        glibc.malloc_trim(0)


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _fill(items: Iterator[Any], ready: queue.Queue[Any], stop: threading.Event) -> None:
    try:
        for item in items:
            ready.put(item)
            if stop.is_set():
                break
    except BaseException as error:
        ready.put(_Failed(error))
    else:
        ready.put(_END)
    finally:
        if (close := getattr(items, "close", None)) is not None:
            close()


def _drain(ready: queue.Queue[Any]) -> None:
    while not ready.empty():
        ready.get_nowait()
