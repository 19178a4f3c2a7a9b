"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u, and ASCII order is number order
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RANDOM = bytes(ord(_ALPHABET[byte & 31]) for byte in range(256))
_lock = threading.Lock()
_AT_ONCE = 64
_drawn: list[tuple[int, str]] = []
_last_ms = 0
_last_high = 0


def new_id() -> str:
    """Give an id of 26 characters (a ULID in small letters): ids of one process never sort before an older one."""
    global _last_ms, _last_high
    now_ms = time.time_ns() // 1_000_000
    with _lock:
        if not _drawn:
            _draw()
        high, low = _drawn.pop()
        if now_ms <= _last_ms:
            now_ms, high = _last_ms, _last_high + 1
        _last_ms, _last_high = now_ms, high
    pairs = _PAIRS
    return f"{_spelled_ms(now_ms)}{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{low}"


def _draw() -> None:
    """Ask the system for many random parts at once: 39 bits that leave room for counting up, and 40 as they are spelled."""
    random = os.urandom(13 * _AT_ONCE)
    text = random[: 8 * _AT_ONCE].translate(_RANDOM).decode()
    for number in range(_AT_ONCE):
        at = 8 * _AT_ONCE + 5 * number
        _drawn.append((int.from_bytes(random[at : at + 5], "big") >> 1, text[8 * number : 8 * number + 8]))


# A fork must not give the ids of its parent.
os.register_at_fork(after_in_child=_drawn.clear)


def first_id(at: float) -> str:
    """Give what sorts before every id that was made at this moment (epoch seconds) or later."""
    return _spelled_ms(max(int(at * 1000), 0)) + 16 * _ALPHABET[0]


@lru_cache(maxsize=64)
def _spelled_ms(ms: int) -> str:
    return "".join([_PAIRS[ms >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
