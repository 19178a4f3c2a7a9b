"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u, and ASCII order is number order
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_lock = threading.Lock()
_AT_ONCE = 10 * 64
_random = b""
_at = 0
_last_ms = 0
_last_tail = 0


def new_id() -> str:
    """Give an id of 26 characters (a ULID in small letters): ids of one process never sort before an older one."""
    global _last_ms, _last_tail
    now_ms = time.time_ns() // 1_000_000
    with _lock:
        tail = _random_tail()
        if now_ms <= _last_ms:
            now_ms, tail = _last_ms, _last_tail + 1 + (tail >> 40)
        _last_ms, _last_tail = now_ms, tail
    return _spelled(now_ms, tail)


def _random_tail() -> int:
    """Give 79 random bits, of many that the system was asked for at once; the top bit stays free for counting up."""
    global _random, _at
    if _at >= len(_random):
        _random, _at = os.urandom(_AT_ONCE), 0
    _at += 10
    return int.from_bytes(_random[_at - 10 : _at], "big") >> 1


def _forget_random() -> None:
    """Draw anew: a fork must not give the ids of its parent."""
    global _random
    _random = b""


os.register_at_fork(after_in_child=_forget_random)


def first_id(at: float) -> str:
    """Give what sorts before every id that was made at this moment (epoch seconds) or later."""
    return _spelled(max(int(at * 1000), 0), 0)


@lru_cache(maxsize=64)
def _spelled_ms(ms: int) -> str:
    return "".join([_PAIRS[ms >> shift & 1023] for shift in (40, 30, 20, 10, 0)])


def _spelled(ms: int, tail: int) -> str:
    pairs = _PAIRS
    high, low = tail >> 40, tail & 0xFFFFFFFFFF  # of a machine word each
    return (
        f"{_spelled_ms(ms)}"
        f"{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )
