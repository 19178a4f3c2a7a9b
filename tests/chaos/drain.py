"""After the faults: everything comes to its end, and a person settles what was parked by looking at the systems."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DatabaseError

from .books import Books
from .count import Bus
from .landscape import Landscape

RESULTS = {"events.publish_billed": "billed", "events.publish_shipped": "shipped"}


@dataclass
class Operator:
    """Lists the dead letters, looks at the system itself, and says what happened: all by the command line."""

    landscape: Landscape
    bus: Bus
    settled: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def settle(self) -> None:
        listed = self.landscape.drawbar("--json", "dead")
        if listed.returncode != 0:
            self.troubles.append(listed.stderr[-500:])
            return
        letters = [one for one in json.loads(listed.stdout) if one["state"] == "unknown" and one["tool"] in RESULTS]
        self.bus.drain(self.landscape)
        for letter in letters:
            self._settle(letter)

    def _settle(self, letter: dict[str, Any]) -> None:
        ids = self.bus.seen[RESULTS[letter["tool"]]].get(letter["key"])
        said = ["--done", "--result", json.dumps({"message_id": next(iter(ids))})] if ids else ["--not-done"]
        done = self.landscape.drawbar("dead", "settle", letter["id"], *said, "--reason", "looked at the queue")
        if done.returncode != 0:
            self.troubles.append(done.stderr[-500:])
        else:
            self.settled["done" if ids else "not done"] += 1


def drain(landscape: Landscape, books: Books, bus: Bus, runs: int, timeout_s: float) -> Operator:
    """Wait until so many runs have begun and all have ended, or for so long at most."""
    operator = Operator(landscape, bus)
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        landscape.tend()
        try:
            by_itself, by_person = books.unknown()
            open_runs, begun = books.not_ended(), books.begun()
        except DatabaseError:  # a lock, or a server that has only just begun
            time.sleep(1)
            continue
        if by_person:
            operator.settle()
        elif open_runs == 0 and by_itself == 0 and begun >= runs:
            break
        time.sleep(0.5)
    return operator
