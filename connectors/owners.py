"""Who made something that is left on a drop: a process of a machine, by a name that tells whether it has ended."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9-]")


def own_name() -> str:
    """Name this process, and one of its workers or files."""
    return f"{_host()}.{os.getpid()}.{_started(os.getpid())}.{secrets.token_hex(3)}"


def is_dead_here(name: str) -> bool:
    """Tell whether a name is that of a process of this machine that is gone."""
    host, _, rest = name.partition(".")
    pid, _, rest = rest.partition(".")
    started = rest.partition(".")[0]
    if host != _host() or not pid.isdigit():
        return False
    return started != _started(int(pid))


def _host() -> str:
    return _NOT_IN_NAMES.sub("-", socket.gethostname())[:24]


def _started(pid: int) -> str:
    """Give when a process began, which tells it from a later one of the same number; empty when it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if status[0] == "Z" else status[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "0"
