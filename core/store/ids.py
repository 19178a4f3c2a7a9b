"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u, and ASCII order is number order
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)
_lock = threading.Lock()
_last_ms = 0
_last_tail = 0


def new_id() -> str:
    """Give an id of 26 characters (a ULID in small letters): ids of one process never sort before an older one."""
    global _last_ms, _last_tail
    now_ms = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big") >> 1  # the top bit stays free for counting up
    with _lock:
        if now_ms <= _last_ms:
            now_ms, tail = _last_ms, _last_tail + 1 + (tail >> 40)
        _last_ms, _last_tail = now_ms, tail
    return _spelled((now_ms << 80) | tail)


def first_id(at: float) -> str:
    """Give what sorts before every id that was made at this moment (epoch seconds) or later."""
    return _spelled(max(int(at * 1000), 0) << 80)


def _spelled(number: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
