"""A worker of `many` that stops itself (SIGSTOP) once, when a write is claimed and its call is about to leave."""

import os
import signal
import sys
import time
from pathlib import Path

import many  # it shortens the lease
from scripted import House

from drawbar.core import guard

stopped = []
perform = guard.Guard.perform


def sleeps_first(self, prepared, **said):
    if prepared.tool.effect == "write" and not stopped:
        stopped.append(prepared.tool.name)
        print("claimed", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        wait_until_stopped()
    return perform(self, prepared, **said)


def wait_until_stopped():
    """Return after the stop: the signal goes to any thread, and ours may run on for a moment before it is stopped too."""
    seen = time.monotonic()
    while (now := time.monotonic()) - seen < 1:
        seen = now
        time.sleep(0.001)


if __name__ == "__main__":
    guard.Guard.perform = sleeps_first
    House.state = sys.argv[2]
    worker = many.house(Path(sys.argv[1]), threads=1).begin()
    print("begun", flush=True)
    sys.stdin.read()
