"""The journal's clock: one for all processes of a machine, and it never jumps."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str | None:
    """Name this start of the machine; None where it has no name, and then the wall clock must do."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return None


def ticks() -> float:
    """Give seconds since the machine started, which no correction of the wall clock moves."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
