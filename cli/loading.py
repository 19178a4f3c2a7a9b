"""How a process loads: it does not look for garbage among what stays, and leaves out what draws tracebacks."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_NEVER = 1_000_000
"""Objects; to load everything makes fewer, and looking through them again and again is a tenth of the time to start."""
_WORKING = (50_000, 20, 100)


def begins() -> None:
    """Look for no garbage until `ends`."""
    gc.set_threshold(_NEVER)


def ends() -> None:
    """What is loaded stays: it is never looked through again. A second call does nothing."""
    if gc.get_threshold()[0] == _NEVER:
        gc.freeze()
        gc.set_threshold(*_WORKING)


@contextmanager
def without(name: str) -> Iterator[None]:
    """Hide a library from those who would use it where it is installed, unless it is in use already."""
    hides = name not in sys.modules
    if hides:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say that there is none
    try:
        yield
    finally:
        if hides:
            del sys.modules[name]
