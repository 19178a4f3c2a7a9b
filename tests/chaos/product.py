"""
Drawbar as it is, with a lease that a run can wait for; arguments are those of `drawbar`.

SIGUSR1 fills the disk of an SQLite journal (its file may take no further page), SIGUSR2 makes room again: for machines on
which nobody may mount a small disk.
"""

import signal
from queue import SimpleQueue

ROOM = 2**30
_asked: SimpleQueue[int] = SimpleQueue()
signal.signal(signal.SIGUSR1, lambda *_: _asked.put(1))  # fewer than there are means: no more than there are
signal.signal(signal.SIGUSR2, lambda *_: _asked.put(ROOM))

import os  # noqa: E402 - a signal that comes before its handler ends the process
import sqlite3  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from contextlib import suppress  # noqa: E402
from typing import Any  # noqa: E402

from sqlalchemy import Engine, event  # noqa: E402

from drawbar.core.store import runs  # noqa: E402

runs.LEASE_S = float(os.environ["CHAOS_LEASE_S"])  # before anybody copies it

from drawbar.cli import main  # noqa: E402

if os.environ["CHAOS_SABOTAGE"]:
    from drawbar.core import policy
    from drawbar.core.store import ledger

    care = ledger.admit

    def careless(conn: Any, intent: ledger.Intent, now: float) -> ledger.Admission:
        """Take what has no outcome for what was never sent."""
        said = care(conn, intent, now)
        return ledger.Fresh() if isinstance(said, ledger.Busy) and said.entry == intent.id else said

    ledger.admit = careless
    ledger.is_open = lambda conn, entry_id: False
    policy._VERDICTS["reconcile", "write"] = "again"

_lines: list[sqlite3.Connection] = []


@event.listens_for(Engine, "connect")
def _keep(driver: Any, record: object) -> None:
    if isinstance(driver, sqlite3.Connection):
        _lines.append(driver)


def _limiting() -> None:
    """Set one limit after the other, in the order in which they were asked for."""
    while True:
        pages = _asked.get()
        for line in [*_lines]:
            with suppress(sqlite3.Error):  # it was closed
                line.execute(f"PRAGMA max_page_count={pages}")


threading.Thread(target=_limiting, daemon=True).start()

if __name__ == "__main__":
    sys.exit(main())
