"""Waiting for what comes in its own time."""

import time
from collections.abc import Callable
from typing import Any


def eventually(look: Callable[[], Any], good: Callable[[Any], Any] = bool, within_s: float = 60) -> Any:
    ends = time.monotonic() + within_s
    while not good(found := look()):
        assert time.monotonic() < ends, f"still {found!r}"
        time.sleep(0.02)
    return found
