"""
Python's search for cycles, put off while a large answer is read.

A tree of thousands of elements makes it look at everything that the process holds, several times as long as reading takes, and
finds nothing: what is read has no cycles.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST_S = 0.5
_lock = threading.Lock()
_reading = 0
_since = 0.0


@contextmanager
def put_off() -> Iterator[None]:
    """Put it off while the block runs. Threads that read one after the other put it off for half a second together, no longer."""
    global _reading, _since
    with _lock:
        now = time.monotonic()
        joins = _reading > 0 and now - _since < _LONGEST_S
        begins = _reading == 0 and gc.isenabled()
        if begins:
            gc.disable()
            _since = now
        if begins or joins:
            _reading += 1
    try:
        yield
    finally:
        if begins or joins:
            with _lock:
                _reading -= 1
                if _reading == 0:
                    gc.enable()
