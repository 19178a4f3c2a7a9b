"""What a body may cost, for input that means harm: time, and memory beyond what was there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PEAK_OF_NOW = "5"


@contextmanager
def at_most(cpu_s: float, megabytes: int) -> Iterator[None]:
    """Fail where the body takes more CPU time, or lets the memory of the process grow by more, whatever it raises."""
    Path("/proc/self/clear_refs").write_text(_PEAK_OF_NOW)
    before, began = resident_mb("VmRSS"), time.process_time()
    try:
        yield
    finally:
        spent, grown = time.process_time() - began, resident_mb("VmHWM") - before
    assert spent < cpu_s, f"{spent:.1f} s of CPU"
    assert grown < megabytes, f"{grown:.0f} MB"


def resident_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024
