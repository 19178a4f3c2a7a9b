"""What becomes of writes whose answer was lost: ask their probe, or leave them to a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from .errors import DrawbarError
from .guard import Guard
from .pulse import each_alone
from .store import events, ledger
from .store.journal import Journal
from .tool import Seen

log = structlog.get_logger("drawbar.reconcile")
_LATEST_S = 300.0
_ASKED_S = 60.0  # a process that died while it asked is waited for so long


class Reconciler:
    """Sweeps the ledger. `settled` is told each entry that ended, so that its run goes on."""

    def __init__(self, guard: Guard, journal: Journal, settled: Callable[[str], None]) -> None:
        self._guard = guard
        self._journal = journal
        self._settled = settled

    def sweep(self) -> int:
        """Look once at what is due; give how many entries changed."""
        now = self._journal.now()
        with self._journal.read() as conn:
            lost = ledger.expired_calls(conn, now)
            due = ledger.due_probes(conn, now, not_of=self._elsewhere())
        return each_alone(
            [partial(self._lose, entry, now) for entry in lost] + [partial(self._look, one) for one in due]
        )

    def _elsewhere(self) -> list[str]:
        """Name the systems that only other machines reach."""
        landscape, queues = self._guard.landscape, self._guard.queues
        return [name for name in landscape.systems() if queues.is_elsewhere(landscape.queue(name))]

    def _lose(self, entry: Mapping[str, Any], now: float) -> bool:
        """A direct call whose process died between intent and outcome."""
        state = "unknown" if entry["effect"] == "write" else "unavailable"
        error = {"kind": "unknown", "message": "the process that called died before it could record the outcome"}
        probe_at = now if self._has_probe(entry) else None

        def unit(conn: Any) -> bool:
            if ledger.find(conn, entry["id"])["state"] != "intent":
                return False  # another process was faster
            if state == "unknown":
                events.add(conn, "dead.parked", body={"entry": entry["id"], "error": {"tool": entry["tool"], **error}})
            return ledger.conclude(conn, entry["id"], state=state, now=now, error=error, probe_at=probe_at)

        if is_lost := self._journal.write(unit):
            log.warning("call.lost", entry=entry["id"], tool=entry["tool"])
        return is_lost

    def _has_probe(self, entry: Mapping[str, Any]) -> bool:
        try:
            bound = self._guard.landscape.tool(entry["tool"])
        except DrawbarError:
            return False
        return bound.rules.probe is not None or bound.tool.probe is not None

    def _look(self, entry: Mapping[str, Any]) -> bool:
        now = self._journal.now()  # what the probe sees is at least as young as this
        if not self._journal.write(
            lambda conn: ledger.take_probe(conn, entry["id"], entry["probe_at"], now + _ASKED_S)
        ):
            return False  # another process asks: the system is asked once
        seen, said = self._ask(entry)
        # Who died said nothing of when it left: the latest that it can have been is when it was given up.
        left_at = (entry["notes"] or {}).get("left_at") or entry["outcome_at"] or entry["intent_at"]
        absent_after_s = None if seen is None else self._absent_after_s(entry)
        if seen is not None and (seen.done or (absent_after_s is not None and now - left_at >= absent_after_s)):
            return self._settle(entry, seen, now)
        wait = min(max(2 * (now - left_at), 1), _LATEST_S)
        if seen is not None and absent_after_s is not None:
            wait = min(wait, max(left_at + absent_after_s - now, 0.05))
        self._journal.write(lambda conn: ledger.probed(conn, entry["id"], {"at": now, "said": said}, now + wait))
        return False

    def _ask(self, entry: Mapping[str, Any]) -> tuple[Seen | None, str]:
        """An error in the probe is no answer."""
        try:
            seen = self._guard.probe(entry)
        except DrawbarError as error:
            return None, f"no answer: {error.message}"
        except Exception as error:  # a defect of an adapter must not end the looking at all others
            log.exception("probe.defect", entry=entry["id"], tool=entry["tool"])
            return None, f"no answer: the probe failed unexpectedly ({type(error).__name__})"
        if seen is None:
            return None, "no answer"
        return seen, "done" if seen.done else "not seen"

    def _absent_after_s(self, entry: Mapping[str, Any]) -> float | None:
        probe = self._guard.landscape.tool(entry["tool"]).rules.probe
        return probe.absent_after_s if probe else None

    def _settle(self, entry: Mapping[str, Any], seen: Seen, now: float) -> bool:
        kept = self._guard.settled(entry, seen.result)

        def unit(conn: Any) -> bool:
            if ledger.find(conn, entry["id"])["state"] != "unknown":
                return False  # a person was faster
            kept.store(conn)
            ledger.probed(conn, entry["id"], {"at": now, "said": "done" if seen.done else "not seen"}, None)
            ledger.settle(
                conn, entry["id"], done=seen.done, result=kept.value, by="probe", reason="the probe looked", now=now
            )
            return True

        if is_settled := self._journal.write(unit):
            log.info("effect.probed", entry=entry["id"], tool=entry["tool"], done=seen.done)
            self._settled(entry["id"])
        return is_settled
