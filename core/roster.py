"""Who works: each process that does signs in now and then, so that anybody sees what nobody serves."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from .queues import Queues, named
from .store import workers
from .store.journal import Connection, Journal

BEAT_S = 5.0
_GONE_S = 20.0
_FORGET_S = 3600.0


class Roster:
    """The entry of this process. It ends with the process, or is taken for dead soon after."""

    def __init__(self, journal: Journal, owner: str, queues: Queues) -> None:
        self._journal = journal
        self._owner = owner
        self._queues = queues
        self._started_at = time.time()

    def beat(self) -> None:
        now = self._journal.now()

        def unit(conn: Connection) -> None:
            workers.seen(
                conn,
                id=self._owner,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=self._started_at,
                queues=self._queues.names,
                now=now,
            )
            workers.forget(conn, since=now - _FORGET_S, now=now)

        self._journal.write(unit)

    def end(self) -> None:
        self._journal.write(lambda conn: workers.gone(conn, self._owner))


def unserved(journal: Journal) -> list[dict[str, Any]]:
    """List the queues on which something is ready and that no living process serves."""
    now = journal.now()
    with journal.read() as conn:
        ready = workers.ready(conn)
        served = {name for one in workers.alive(conn, since=now - _GONE_S) for name in one["queues"]}
    return [
        {"queue": named(queue), "ready": count, "waits_s": round(max(now - since, 0), 1)}
        for queue, count, since in ready
        if named(queue) not in served
    ]


def is_served(journal: Journal, queue: str) -> bool:
    """Tell whether a living process serves a queue."""
    since = journal.now() - _GONE_S
    with journal.read() as conn:
        return any(queue in one["queues"] for one in workers.alive(conn, since=since))
