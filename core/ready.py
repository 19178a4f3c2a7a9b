"""The tasks that are ready, and how a process comes to one: the broker rings for it, or it is found in the journal."""

from __future__ import annotations

from functools import partial

import structlog

from .claim import Claim
from .course import Course
from .errors import Unavailable
from .guard import Guard
from .leases import Leases
from .queues import Queues
from .record import Record, Tell
from .store import claims as stored
from .store import runs
from .store.journal import Connection

log = structlog.get_logger("drawbar.engine")
_STUCK_S = 30.0


class Ready:
    """Claims for this process what is ready. Whoever was faster has it."""

    def __init__(self, record: Record, leases: Leases, guard: Guard, queues: Queues, ahead: Tell | None) -> None:
        self._record = record
        self._leases = leases
        self._guard = guard
        self._queues = queues
        self._ahead = ahead

    def rung(self, run_id: str, task: str, item: int) -> list[Claim]:
        """Claim a task that the broker rang for."""

        def tell(course: Course) -> None:
            course.claim_ready(task, item)
            if course.claims and self._only_reads(course.claims[0]):
                stored.unhurried(course.conn)

        try:
            claims = self._record.take(run_id, tell, room=1, of=(task, item))
        except runs.Newer:  # a process of that version hears the next ring
            return []
        self._leases.take(claims)
        return claims

    def longest(self) -> Claim | None:
        """Claim the task that has been ready for longest, whichever process made it so."""
        journal = self._record.journal
        with journal.read() as conn:
            queues = stored.with_ready(conn, journal.now(), self._queues.served)
        if not queues:
            return None

        tried: list[tuple[str, str, int]] = []

        def unit(conn: Connection) -> list[Course]:
            now = journal.now()
            found = next((one for queue in queues if (one := stored.free(conn, now, queue)) is not None), None)
            if found is None:
                return []
            tried.append(found)
            run_id, task, item = found
            return self._record.within(conn, run_id, lambda course: course.claim_ready(task, item), room=1)

        try:
            claims = self._record.committed(self._record.write(unit, self._ahead))
        except Unavailable:
            raise
        except Exception:  # a run that cannot go on is not the next one for ever: others wait behind it
            log.exception("run.stuck")
            until = journal.now() + _STUCK_S
            for place in tried:
                journal.write(partial(stored.put_off, place=place, until=until))
            return None
        self._leases.take(claims)
        return claims[0] if claims else None

    def _only_reads(self, claim: Claim) -> bool:
        """Tell whether a claim may be lost together with the server that it was made on: its task is done again."""
        bound = self._guard.landscape.known(claim.step.task.tool or "", claim.known.caller.tenant)
        return bound is not None and bound.effect == "read" and bound.rules.key is None
